/*
 * How a segment of the access log begins, and what segments there are in a folder.
 *
 *     the first of a log   "MYELINAL"
 *     every other          "MYELINAM", sequence (8), hash (32), SHA-256 of those 48 bytes
 *
 * The second form is an anchor: sequence and hash of the last entry before the segment. With it a
 * segment can be checked, and gone on with, when those before it were taken away to an archive.
 */
#ifndef MYELIN_AUDIT_SEGMENT_H
#define MYELIN_AUDIT_SEGMENT_H

#include "audit/chain.h"

enum {
    SEGMENT_ANCHOR_BYTES = CHAIN_MAGIC_BYTES + 8 + 2 * DIGEST_BYTES,
    SEGMENT_NUMBER_MAX = 999999999
};

/* The beginning of a segment that continues `before`. */
void segment_anchor(const struct chain_head *before, uint8_t out[SEGMENT_ANCHOR_BYTES]);

struct segment_start {
    bool is_anchored;
    struct chain_head before; /* where anchored */
    uint64_t bytes;           /* where the records begin */
};

/* Reads the beginning of a segment. INTEGRITY where it is none, IO. */
MUST_CHECK result segment_read_start(FILE *file, struct segment_start *out_start);

/* The number in a segment's file name: 0 for "access.log", 7 for "access.log.7"; -1 for any other
 * name, such as that of a tail which was cut off. */
long segment_number(const char *name);

/* The numbers of the segments in `folder`, ascending; an array for free(), NULL where there are
 * none. IO, NO_MEMORY. */
MUST_CHECK result segment_list(const char *folder, uint32_t **out_numbers, size_t *out_count);

/* The path of a segment. INVALID where it is too long. */
MUST_CHECK result segment_path(const char *folder, uint32_t number, char *out, size_t size);

#endif
