#include "base/bytes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void bytes_free(struct bytes *bytes) {
    if (bytes->data != NULL)
        sodium_memzero(bytes->data, bytes->capacity);
    free(bytes->data);
    *bytes = (struct bytes){0};
}

result bytes_reserve(struct bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity)
        return OK;
    /* The first one is as long as is asked for: what is reserved is wiped, used or not. */
    bool is_first = bytes->capacity == 0 && capacity >= 64;
    size_t grown = is_first ? capacity : bytes->capacity < 64 ? 64 : bytes->capacity;
    while (grown < capacity) {
        if (grown > SIZE_MAX / 2)
            return FAIL(NO_MEMORY, "a buffer of %zu bytes is too large", capacity);
        grown *= 2;
    }
    /* Not realloc: the old copy may hold a secret and must be wiped. */
    uint8_t *data = malloc(grown);
    if (data == NULL)
        return FAIL(NO_MEMORY, "no memory for a buffer of %zu bytes", grown);
    if (bytes->len > 0)
        memcpy(data, bytes->data, bytes->len);
    size_t len = bytes->len;
    bytes_free(bytes);
    *bytes = (struct bytes){data, len, grown};
    return OK;
}

result bytes_append(struct bytes *bytes, struct view tail) {
    if (tail.len == 0)
        return OK;
    if (tail.len > SIZE_MAX - bytes->len)
        return FAIL(NO_MEMORY, "a buffer of over %zu bytes is too large", tail.len);
    TRY(bytes_reserve(bytes, bytes->len + tail.len));
    memcpy(bytes->data + bytes->len, tail.data, tail.len);
    bytes->len += tail.len;
    return OK;
}

struct view view_of_string(const char *string) {
    return (struct view){(const uint8_t *)string, strlen(string)};
}

bool view_equal(struct view a, struct view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool view_take(struct view *cursor, size_t len, struct view *out_head) {
    if (cursor->len < len)
        return false;
    *out_head = (struct view){cursor->data, len};
    cursor->data = len == 0 ? cursor->data : cursor->data + len;
    cursor->len -= len;
    return true;
}

void hex_encode(struct view bytes, char *out) {
    sodium_bin2hex(out, 2 * bytes.len + 1, bytes.data, bytes.len);
}

result hex_decode(const char *digits, uint8_t *out, size_t len) {
    size_t written = 0;
    if (strlen(digits) != 2 * len ||
        sodium_hex2bin(out, len, digits, 2 * len, NULL, &written, NULL) != 0 || written != len)
        return FAIL(INVALID, "expected %zu hexadecimal digits", 2 * len);
    return OK;
}

result bytes_append_base64(struct bytes *bytes, struct view tail) {
    size_t len = sodium_base64_encoded_len(tail.len, sodium_base64_VARIANT_ORIGINAL);
    TRY(bytes_reserve(bytes, bytes->len + len));
    sodium_bin2base64((char *)bytes->data + bytes->len, len, tail.data, tail.len,
                      sodium_base64_VARIANT_ORIGINAL);
    bytes->len += len - 1; /* without its zero */
    return OK;
}

void store_be32(uint8_t out[4], uint32_t value) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void store_be64(uint8_t out[8], uint64_t value) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

uint32_t load_be32(const uint8_t in[4]) {
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t load_be64(const uint8_t in[8]) {
    return (uint64_t)load_be32(in) << 32 | load_be32(in + 4);
}
