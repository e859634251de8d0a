/*
 * Owned buffers and borrowed views; they are different types so that a signature says who frees.
 */
#ifndef MYELIN_BASE_BYTES_H
#define MYELIN_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

/* Bytes that somebody else owns. */
struct view {
    const uint8_t *data;
    size_t len;
};

/* A heap buffer; the zero value is an empty one. Wiped when freed. */
struct bytes {
    uint8_t *data;
    size_t len;
    size_t capacity;
};

/* Frees at the end of the scope: AUTO_BYTES struct bytes body = {0}; */
#define AUTO_BYTES __attribute__((cleanup(bytes_free)))

void bytes_free(struct bytes *bytes);

/* Makes room for `capacity` bytes in all; the contents stay. NO_MEMORY. */
MUST_CHECK result bytes_reserve(struct bytes *bytes, size_t capacity);

MUST_CHECK result bytes_append(struct bytes *bytes, struct view tail);

static inline struct view view_of(const void *data, size_t len) {
    return (struct view){(const uint8_t *)data, len}; /* the cast is for C++ */
}

static inline struct view bytes_view(const struct bytes *bytes) {
    return (struct view){bytes->data, bytes->len};
}

struct view view_of_string(const char *string);

bool view_equal(struct view a, struct view b);

/* Takes the first `len` bytes off `cursor`; false, with nothing changed, where it holds fewer. */
bool view_take(struct view *cursor, size_t len, struct view *out_head);

/* Lower-case hexadecimal; `out` has room for 2 * len + 1 characters. */
void hex_encode(struct view bytes, char *out);

/* Exactly `len` bytes from 2 * len lower- or upper-case digits. INVALID. */
MUST_CHECK result hex_decode(const char *digits, uint8_t *out, size_t len);

/* Appends RFC 4648 base64, with padding. NO_MEMORY. */
MUST_CHECK result bytes_append_base64(struct bytes *bytes, struct view tail);

/* Big-endian integers in byte strings. */
void store_be32(uint8_t out[4], uint32_t value);
void store_be64(uint8_t out[8], uint64_t value);
uint32_t load_be32(const uint8_t in[4]);
uint64_t load_be64(const uint8_t in[8]);

#endif
