#include "storage/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/hash.h"

static bool is_lower_hex(const char *text, size_t digits) {
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

result image_id_parse(const char *hex, struct image_id *out_id) {
    if (!is_lower_hex(hex, 2 * DIGEST_BYTES))
        return FAIL(INVALID, "an image is named by %d hexadecimal digits", 2 * DIGEST_BYTES);
    memcpy(out_id->hex, hex, sizeof out_id->hex);
    return hex_decode(hex, out_id->bytes, sizeof out_id->bytes);
}

result short_id_parse(const char *what, const char *hex, struct short_id *out_id) {
    if (!is_lower_hex(hex, 2 * FORMAT_ID_BYTES))
        return FAIL(INVALID, "%s is named by %d hexadecimal digits", what, 2 * FORMAT_ID_BYTES);
    memcpy(out_id->hex, hex, sizeof out_id->hex);
    return hex_decode(hex, out_id->bytes, sizeof out_id->bytes);
}

result short_id_from(struct view bytes, struct short_id *out_id) {
    if (bytes.len != FORMAT_ID_BYTES)
        return FAIL(PROTOCOL, "an id of %zu bytes", bytes.len);
    memcpy(out_id->bytes, bytes.data, FORMAT_ID_BYTES);
    hex_encode(bytes, out_id->hex);
    return OK;
}

void image_id_of_tau(struct view tau, struct image_id *out_id) {
    format_image_id(tau.data, out_id->bytes);
    hex_encode(view_of(out_id->bytes, sizeof out_id->bytes), out_id->hex);
}

bool image_id_equal(const struct image_id *a, const struct image_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool short_id_equal(const struct short_id *a, const struct short_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Names are at most FORMAT_NAME_MAX long, so every key fits. */
static struct place place_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct place place_of(const char *format, ...) {
    struct place place;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(place.key, sizeof place.key, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof place.key)
        place.key[0] = '\0'; /* a key that the store refuses */
    return place;
}

struct place place_image(const struct image_id *image) {
    return place_of("images/%.2s/%s", image->hex, image->hex);
}

struct place place_of_image(const struct image_id *image, const char *name) {
    return place_of("images/%.2s/%s/%s", image->hex, image->hex, name);
}

struct place place_of_object(const struct image_id *image, const struct short_id *object,
                             const char *suffix) {
    return place_of("images/%.2s/%s/%s%s", image->hex, image->hex, object->hex, suffix);
}

struct place place_of_slices(const struct image_id *image, const struct short_id *object,
                             uint32_t slot) {
    return place_of("images/%.2s/%s/%s.%u" PLACE_SLICES_SUFFIX, image->hex, image->hex, object->hex,
                    slot);
}

struct place place_of_symbol(const struct image_id *image, uint32_t slot) {
    return place_of("images/%.2s/%s/" PLACE_SYMBOL ".%u", image->hex, image->hex, slot);
}

bool place_parse_slices(const char *name, struct short_id *out_object, uint32_t *out_slot) {
    enum { DIGITS = 2 * FORMAT_ID_BYTES };
    char hex[DIGITS + 1] = "";
    uint32_t slot = 0;
    size_t len = strlen(name);
    if (len < DIGITS + 2 || len > DIGITS + 4 || name[DIGITS] != '.' ||
        (name[DIGITS + 1] == '0' && len > DIGITS + 2))
        return false;
    for (const char *digit = name + DIGITS + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        slot = 10 * slot + (uint32_t)(*digit - '0');
    }
    memcpy(hex, name, DIGITS);
    *out_slot = slot;
    return slot < FORMAT_SERVERS_MAX && is_lower_hex(hex, DIGITS) &&
           short_id_parse("an object", hex, out_object) == OK;
}

struct place place_of_put(const struct image_id *image, const struct short_id *put) {
    return place_of_object(image, put, PLACE_PUT_SUFFIX);
}

struct place place_of_forward(const struct image_id *image, const char *user) {
    return place_of("images/%.2s/%s/%s%s", image->hex, image->hex, user, PLACE_FORWARD_SUFFIX);
}

struct place place_staging(const struct short_id *put) {
    return place_of("staging/%s", put->hex);
}

struct place place_staged(const struct short_id *put, const char *name) {
    return place_of("staging/%s/%s", put->hex, name);
}

struct place place_staged_object(const struct short_id *put, const struct short_id *object,
                                 const char *suffix) {
    return place_of("staging/%s/%s%s", put->hex, object->hex, suffix);
}

struct place place_staged_put(const struct short_id *put) {
    return place_staged_object(put, put, PLACE_PUT_SUFFIX);
}

struct place place_owner_marks(const char *user) {
    return place_of("by-owner/%s", user);
}

struct place place_owner_mark(const char *user, const struct image_id *image) {
    return place_of("by-owner/%s/%s", user, image->hex);
}

struct place place_recipient_marks(const char *user) {
    return place_of("by-recipient/%s", user);
}

struct place place_recipient_mark(const char *user, const struct image_id *image) {
    return place_of("by-recipient/%s/%s", user, image->hex);
}

struct place place_removal(const struct image_id *image, const char *owner) {
    return place_of("removed/%.2s/%s.%s", image->hex, image->hex, owner);
}

struct place place_claim(const struct image_id *image) {
    return place_of("claims/%.2s/%s", image->hex, image->hex);
}

struct place place_of_user(const char *name) {
    return place_of("users/%s", name);
}

struct place place_mending(const struct image_id *image) {
    return place_of("mending/%s", image->hex);
}

struct place place_of_mending(const struct image_id *image, const char *name) {
    return place_of("mending/%s/%s", image->hex, name);
}

struct place place_deleting(const struct image_id *image) {
    return place_of("deleting/%s", image->hex);
}

struct place place_of_deleting(const struct image_id *image, const struct short_id *object) {
    return place_of("deleting/%s/%s", image->hex, object->hex);
}

struct place place_gone(const struct image_id *image) {
    return place_of("gone/%s", image->hex);
}
