#include "codec/source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

result codec_source_file(int fd, const char *name, struct codec_source *out_source) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return FAIL(IO, "reading %s: %s", name, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size < 0)
        return FAIL(INVALID, "reading %s: not a regular file", name);
    *out_source = (struct codec_source){.name = name, .size = (uint64_t)status.st_size, .fd = fd};
    return OK;
}

struct codec_source codec_source_memory(struct view memory, const char *name) {
    static const uint8_t nothing[1];
    const uint8_t *data = memory.data == NULL ? nothing : memory.data;
    return (struct codec_source){.name = name, .size = memory.len, .memory = data, .fd = -1};
}

result codec_source_read(const struct codec_source *source, uint64_t offset, uint8_t *out,
                         size_t len) {
    if (offset > source->size || len > source->size - offset)
        return FAIL(INTERNAL, "reading %s: beyond its end", source->name);
    if (source->memory != NULL) {
        memcpy(out, source->memory + offset, len);
        return OK;
    }
    while (len > 0) {
        ssize_t got = pread(source->fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return FAIL(IO, "reading %s: %s", source->name, strerror(errno));
        if (got == 0)
            return FAIL(IO, "reading %s: it has become shorter meanwhile", source->name);
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return OK;
}
