#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "seal/seal.h"

static const char MAGIC[] = "MYELINSP";
static const char PURPOSE[] = "MYELIN-V1-ORTHANC-SPOOL";

enum {
    KEY_BYTES = 32,
    HEAD_BYTES = 8 + SEAL_SALT_BYTES + 4,
    BOX_MAX = RECORD_TEXT_MAX + SEAL_TEXT_OVERHEAD,
    SEGMENT_BYTES = 1 << 20,
};
#define FILE_MAX ((size_t)8 << 30)

struct spool {
    char folder[PATH_MAX];
    uint8_t *key; /* in secret memory */
};

result spool_open(const char *folder, const uint8_t key[32], struct spool **out_spool) {
    struct spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return FAIL(NO_MEMORY, "no memory for the spool");
    snprintf(spool->folder, sizeof spool->folder, "%s", folder);
    result opened = secret_new(KEY_BYTES, (void **)&spool->key);
    if (opened == OK) {
        memcpy(spool->key, key, KEY_BYTES);
        opened = file_make_folders(folder, 0700);
    }
    if (opened != OK) {
        spool_close(spool);
        return opened;
    }
    *out_spool = spool;
    return OK;
}

void spool_close(struct spool *spool) {
    if (spool == NULL)
        return;
    secret_free(spool->key);
    free(spool);
}

static void path_of(const struct spool *spool, const char *uuid, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.*s/%.*s", PATH_MAX - RECORD_UUID_BYTES - 2, spool->folder,
             RECORD_UUID_BYTES, uuid);
}

/* ------------------------------------------------------------------ writing */

static result append_head(const struct spool *spool, const struct record *record,
                          const uint8_t salt[SEAL_SALT_BYTES], struct bytes *out) {
    AUTO_BYTES struct bytes text = {0}, box = {0};
    uint8_t len[4];
    TRY(record_pack(record, &text));
    TRY(seal_text(spool->key, PURPOSE, view_of(salt, SEAL_SALT_BYTES), bytes_view(&text), &box));
    store_be32(len, (uint32_t)box.len);
    TRY(bytes_append(out, view_of(MAGIC, 8)));
    TRY(bytes_append(out, view_of(salt, SEAL_SALT_BYTES)));
    TRY(bytes_append(out, view_of(len, sizeof len)));
    return bytes_append(out, bytes_view(&box));
}

/* Sealed a segment at a time behind what `buffer` holds already, which goes out with the first. */
static result write_segments(const struct spool *spool, const uint8_t salt[SEAL_SALT_BYTES],
                             const char *uuid, struct view data, struct bytes *buffer, int fd,
                             const char *path) {
    AUTO_SEAL_KEY struct seal_key *key = NULL;
    TRY(seal_key_new(spool->key, salt, view_of(uuid, RECORD_UUID_BYTES), &key));
    uint64_t segments = seal_segments_count(data.len, SEGMENT_BYTES);
    for (uint64_t number = 0; number < segments; number++) {
        uint32_t len = seal_segment_len(data.len, SEGMENT_BYTES, number);
        TRY(bytes_reserve(buffer, buffer->len + len + SEAL_TAG_BYTES));
        TRY(seal_segment(key, number, number + 1 == segments,
                         view_of(data.data + number * SEGMENT_BYTES, len),
                         buffer->data + buffer->len));
        buffer->len += len + SEAL_TAG_BYTES;
        TRY(file_write_all(fd, bytes_view(buffer), path));
        buffer->len = 0;
    }
    return OK;
}

static result write_file(const struct spool *spool, const struct record *record, struct view data,
                         const char *path) {
    uint8_t salt[SEAL_SALT_BYTES];
    secret_random(salt, sizeof salt);
    AUTO_BYTES struct bytes buffer = {0};
    TRY(append_head(spool, record, salt, &buffer));
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAIL(errno == EEXIST ? CONFLICT : IO, "%s: %s", path, strerror(errno));
    TRY(write_segments(spool, salt, record->uuid, data, &buffer, fd, path));
    if (fdatasync(fd) != 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    return file_sync_folder(spool->folder);
}

result spool_write(struct spool *spool, const struct record *record, struct view data) {
    char path[PATH_MAX];
    path_of(spool, record->uuid, path);
    result written = write_file(spool, record, data, path);
    if (written != OK && written != CONFLICT)
        unlink(path);
    return written;
}

bool spool_has(struct spool *spool, const char *uuid) {
    char path[PATH_MAX];
    path_of(spool, uuid, path);
    return access(path, F_OK) == 0;
}

result spool_remove(struct spool *spool, const char *uuid) {
    char path[PATH_MAX];
    path_of(spool, uuid, path);
    if (unlink(path) != 0 && errno != ENOENT)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    return OK;
}

/* ------------------------------------------------------------------ reading */

/* Takes the head off `cursor`. */
static result take_head(const struct spool *spool, struct view *cursor, struct view *out_salt,
                        struct record *out_record) {
    struct view head, box;
    AUTO_BYTES struct bytes text = {0};
    if (!view_take(cursor, HEAD_BYTES, &head) || memcmp(head.data, MAGIC, 8) != 0)
        return FAIL(INTEGRITY, "no spooled file");
    uint32_t len = load_be32(head.data + 8 + SEAL_SALT_BYTES);
    if (len > BOX_MAX || !view_take(cursor, len, &box))
        return FAIL(INTEGRITY, "a spooled file breaks off");
    *out_salt = view_of(head.data + 8, SEAL_SALT_BYTES);
    TRY(seal_open_text(spool->key, PURPOSE, *out_salt, box, &text));
    return record_parse(bytes_view(&text), out_record);
}

static uint64_t sealed_len(uint64_t size) {
    return size + seal_segments_count(size, SEGMENT_BYTES) * SEAL_TAG_BYTES;
}

/* The data takes the file's place in its own buffer. */
static result open_file(const struct spool *spool, const char *uuid, struct bytes *file) {
    struct view cursor = bytes_view(file), salt;
    struct record record;
    TRY(take_head(spool, &cursor, &salt, &record));
    if (strcmp(record.uuid, uuid) != 0 || cursor.len != sealed_len(record.size))
        return FAIL(INTEGRITY, "the file is another one's, or cut off");
    AUTO_SEAL_KEY struct seal_key *key = NULL;
    TRY(seal_key_new(spool->key, salt.data, view_of(uuid, RECORD_UUID_BYTES), &key));
    uint8_t *from = file->data + (file->len - cursor.len);
    uint64_t segments = seal_segments_count(record.size, SEGMENT_BYTES);
    size_t done = 0;
    for (uint64_t number = 0; number < segments; number++) {
        uint32_t len = seal_segment_len(record.size, SEGMENT_BYTES, number);
        TRY(seal_open_segment(key, number, number + 1 == segments,
                              view_of(from, len + SEAL_TAG_BYTES), from));
        memmove(file->data + done, from, len);
        from += len + SEAL_TAG_BYTES;
        done += len;
    }
    file->len = done;
    return OK;
}

result spool_read(struct spool *spool, const char *uuid, struct bytes *out_data) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes file = {0};
    path_of(spool, uuid, path);
    TRY(file_read(path, FILE_MAX, &file));
    result opened = open_file(spool, uuid, &file);
    if (opened != OK)
        return error_at(opened, "%s", path);
    *out_data = file;
    file = (struct bytes){0};
    return OK;
}

/* ------------------------------------------------------------------ listing */

static result look_at(const struct spool *spool, const char *uuid, struct record *out_record,
                      bool *out_is_whole) {
    char path[PATH_MAX];
    path_of(spool, uuid, path);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat;
    uint8_t head[HEAD_BYTES + BOX_MAX];
    ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof head);
    if (len < 0 || fstat(fd, &stat) != 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    *out_record = (struct record){.op = RECORD_ADD};
    struct view cursor = view_of(head, (size_t)len), salt;
    struct record record;
    *out_is_whole = false;
    if (take_head(spool, &cursor, &salt, &record) == OK && strcmp(record.uuid, uuid) == 0) {
        uint64_t head_len = (uint64_t)len - cursor.len;
        *out_is_whole = (uint64_t)stat.st_size == head_len + sealed_len(record.size);
        *out_record = record;
    }
    snprintf(out_record->uuid, sizeof out_record->uuid, "%.*s", RECORD_UUID_BYTES, uuid);
    return OK;
}

static void close_folder(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

result spool_list(struct spool *spool, spool_found found, void *context) {
    __attribute__((cleanup(close_folder))) DIR *folder = opendir(spool->folder);
    if (folder == NULL)
        return FAIL(IO, "%s: %s", spool->folder, strerror(errno));
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(folder)) != NULL) {
        struct record record;
        bool is_whole = false;
        if (!record_is_uuid(entry->d_name))
            continue;
        TRY(look_at(spool, entry->d_name, &record, &is_whole));
        TRY(found(context, &record, is_whole));
    }
    return errno == 0 ? OK : FAIL(IO, "%s: %s", spool->folder, strerror(errno));
}
