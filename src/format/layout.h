/*
 * Where the bytes of an object lie, so that client, storage server and repair agree.
 *
 *   object    segments of segment_bytes plaintext bytes, the last one shorter or equal
 *   sealed    every segment is 16 bytes longer
 *   block     ceil(sealed / k) bytes of a sealed segment, the last block padded with zeros
 *   slice     as long as a block
 *   symbol    a slot's slices back to back: slice s starts at s * ceil((segment_bytes + 16) / k)
 */
#ifndef MYELIN_FORMAT_LAYOUT_H
#define MYELIN_FORMAT_LAYOUT_H

#include "format/format.h"

struct format_layout {
    uint64_t segments;     /* at least 1: an empty object has one, of 16 sealed bytes */
    uint64_t sealed_bytes; /* of all segments */
    uint64_t symbol_bytes; /* of all slices of one slot */
    uint32_t sealed_len;   /* of every sealed segment but the last */
    uint32_t sealed_last;  /* of the last one */
    uint32_t slice_len;    /* of every slice but the last */
    uint32_t slice_last;   /* of the last one */
};

/* From the sizes of a manifest. PROTOCOL where they are out of bounds or do not agree. */
MUST_CHECK result format_layout(uint64_t sealed_bytes, uint32_t segment_bytes, uint64_t segments,
                                uint32_t k, struct format_layout *out_layout);

/* Of a manifest that was parsed or signed by this layer: its sizes agree. */
void format_layout_of(const Myelin__Manifest *manifest, struct format_layout *out_layout);

/* From the bytes to be sealed, on the way out: segments = ceil(plain_bytes / segment_bytes), at
 * least 1. INVALID where segment_bytes, k or the total is out of bounds. */
MUST_CHECK result format_layout_plan(uint64_t plain_bytes, uint32_t segment_bytes, uint32_t k,
                                     struct format_layout *out_layout);

/* Of segment `number` < segments: its sealed length, its slices' length, and where its slice
 * starts in a symbol. */
uint32_t format_sealed_len(const struct format_layout *layout, uint64_t number);
uint32_t format_slice_len(const struct format_layout *layout, uint64_t number);
uint64_t format_slice_offset(const struct format_layout *layout, uint64_t number);

/* The position of server `name` among the slots of a record; -1 where it has none. */
int format_slot_of(char *const servers[], size_t count, const char *name);

#endif
