/*
 * What an encoder reads: a regular file or bytes in memory, by position, so that one source can be
 * looked at (is it DICOM? does it shrink?) before it is read through.
 */
#ifndef MYELIN_CODEC_SOURCE_H
#define MYELIN_CODEC_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

/* Borrowed: the descriptor, the memory and the name stay the caller's and must outlive their use.
 * The descriptor's own position is neither used nor moved. */
struct codec_source {
    const char *name; /* for error texts */
    uint64_t size;
    const uint8_t *memory; /* NULL: read from fd */
    int fd;
};

/* Of an open regular file; its size is taken now. IO; INVALID where it is no regular file. */
MUST_CHECK result codec_source_file(int fd, const char *name, struct codec_source *out_source);

struct codec_source codec_source_memory(struct view memory, const char *name);

/* Exactly `len` bytes from `offset` on. IO where the file has become shorter than its size was. */
MUST_CHECK result codec_source_read(const struct codec_source *source, uint64_t offset,
                                    uint8_t *out, size_t len);

#endif
