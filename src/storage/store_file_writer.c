/* Large values of the "file:" backend, written from front to back. What stays small is held. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/store_file.h"

enum {
    GATHER_BYTES = 256 << 10,   /* small parts are gathered up to this, and no file made before */
    DIRECT_BYTES = 48 << 10,    /* from this on a part is written where it lies */
    WRITE_BACK_BYTES = 8 << 20, /* how often the kernel is asked to start writing back */
};

struct file_writer {
    struct store_writer base;
    int fd; /* -1: nothing is in the file yet */
    uint64_t written;
    uint64_t written_back;
    struct bytes gathered;
    char key[STORE_KEY_BYTES];
};

result file_writer_open(struct store *store, const char *key, struct store_writer **out_writer) {
    struct file_writer *writer = malloc(sizeof *writer);
    if (writer == NULL)
        return FAIL(NO_MEMORY, "no memory for a writer");
    writer->base.store = store;
    writer->fd = -1;
    writer->written = writer->written_back = 0;
    writer->gathered = (struct bytes){0};
    memcpy(writer->key, key, strlen(key) + 1);
    *out_writer = &writer->base;
    return OK;
}

static void writer_free(struct file_writer *writer) {
    file_close_at(&writer->fd);
    bytes_free(&writer->gathered);
    free(writer);
}

static result write_out(struct file_writer *writer, struct view part) {
    if (writer->fd < 0)
        TRY(file_open_new(writer->base.store, writer->key, &writer->fd));
    TRY(file_write_all(writer->fd, part, writer->key));
    writer->written += part.len;
    if (writer->written - writer->written_back >= WRITE_BACK_BYTES) {
        /* A hint: where the file system has no such call, the sync at the end does it all. */
        (void)sync_file_range(writer->fd, (off_t)writer->written_back,
                              (off_t)(writer->written - writer->written_back),
                              SYNC_FILE_RANGE_WRITE);
        writer->written_back = writer->written;
    }
    return OK;
}

static result flush(struct file_writer *writer) {
    size_t len = writer->gathered.len;
    writer->gathered.len = 0;
    return write_out(writer, view_of(writer->gathered.data, len));
}

result file_writer_append(struct store_writer *base, struct view part) {
    struct file_writer *writer = (struct file_writer *)base;
    while (part.len > 0) {
        size_t room = GATHER_BYTES - writer->gathered.len;
        struct view head = {part.data, part.len < room ? part.len : room};
        if (writer->fd >= 0 && writer->gathered.len == 0 && part.len >= DIRECT_BYTES)
            return write_out(writer, part);
        if (room == 0) {
            TRY(flush(writer));
            continue;
        }
        TRY(bytes_append(&writer->gathered, head));
        part.data += head.len;
        part.len -= head.len;
    }
    return OK;
}

static result finish(struct file_writer *writer) {
    if (writer->fd < 0 && file_may_hold(writer->base.store, writer->key, writer->gathered.len))
        return file_hold(writer->base.store, writer->key, &writer->gathered);
    if (writer->fd < 0 || writer->gathered.len > 0)
        TRY(flush(writer));
    int fd = writer->fd;
    writer->fd = -1;
    return close(fd) == 0 ? OK : file_write_error("writing", writer->key);
}

result file_writer_close(struct store_writer *base) {
    struct file_writer *writer = (struct file_writer *)base;
    result finished = finish(writer);
    writer_free(writer);
    return finished;
}

void file_writer_abandon(struct store_writer *base) {
    struct file_writer *writer = (struct file_writer *)base;
    file_unhold(base->store, writer->key);
    unlinkat(file_of(base->store)->root, writer->key, 0);
    writer_free(writer);
}
