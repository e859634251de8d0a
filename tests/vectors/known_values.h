/*
 * Reading a file of known answers: values by name, with the path to them in every error, which ends
 * the program.
 */
#ifndef MYELIN_TESTS_KNOWN_VALUES_H
#define MYELIN_TESTS_KNOWN_VALUES_H

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group/g1.h"
#include "group/g2.h"
#include "group/gt.h"

static char path[512]; /* where in the file, for error messages */
static size_t values_checked;

static inline void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...) {
    fprintf(stderr, "scheme-vectors: %s: ", path);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline void require(result code) {
    if (code != OK)
        fail("%s (%s)", error_text(), result_name(code));
}

/* Extends `path` for as long as a value below is looked at. */
static inline size_t enter(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline size_t enter(const char *format, ...) {
    size_t length = strlen(path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + length, sizeof path - length, format, arguments);
    va_end(arguments);
    return length;
}

static inline void leave(size_t length) {
    path[length] = '\0';
}

/* Exactly the named members, in any order. */
static inline void check_members(const json_t *object, const char *const names[]) {
    size_t count = 0;
    if (!json_is_object(object))
        fail("is not an object");
    for (; names[count] != NULL; count++)
        if (json_object_get(object, names[count]) == NULL)
            fail("has no member %s", names[count]);
    if (json_object_size(object) != count)
        fail("has %zu members, expected %zu", json_object_size(object), count);
}

static inline unsigned get_number(const json_t *object, const char *name, unsigned low,
                                  unsigned high) {
    size_t at = enter(".%s", name);
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value))
        fail("is not an integer");
    json_int_t number = json_integer_value(value);
    if (number < (json_int_t)low || number > (json_int_t)high)
        fail("is %lld, expected %u to %u", (long long)number, low, high);
    values_checked++;
    leave(at);
    return (unsigned)number;
}

static inline const json_t *get_array(const json_t *object, const char *name, size_t count) {
    const json_t *array = json_object_get(object, name);
    if (!json_is_array(array) || json_array_size(array) != count) {
        enter(".%s", name);
        fail("is not an array of %zu", count);
    }
    return array;
}

static inline void read_hex(const json_t *value, uint8_t *out, size_t len) {
    const char *digits = json_string_value(value);
    if (digits == NULL || strlen(digits) != 2 * len)
        fail("is not a string of %zu hexadecimal digits", 2 * len);
    require(hex_decode(digits, out, len));
    values_checked++;
}

/* The one place where a computed value meets a known one. */
static inline void expect_hex(const json_t *value, const uint8_t *computed, size_t len) {
    uint8_t expected[GT_BYTES];
    read_hex(value, expected, len);
    if (memcmp(expected, computed, len) != 0)
        fail("differs from what was computed");
}

static inline void expect_member(const json_t *object, const char *name, const uint8_t *computed,
                                 size_t len) {
    size_t at = enter(".%s", name);
    expect_hex(json_object_get(object, name), computed, len);
    leave(at);
}

static inline void expect_scalar(const json_t *object, const char *name,
                                 const struct scalar *computed) {
    uint8_t bytes[SCALAR_BYTES];
    scalar_to_bytes(computed, bytes);
    expect_member(object, name, bytes, sizeof bytes);
}

static inline void expect_g1(const json_t *object, const char *name, const struct g1 *computed) {
    uint8_t bytes[G1_BYTES];
    g1_to_bytes(computed, bytes);
    expect_member(object, name, bytes, sizeof bytes);
}

static inline void expect_g2(const json_t *object, const char *name, const struct g2 *computed) {
    uint8_t bytes[G2_BYTES];
    g2_to_bytes(computed, bytes);
    expect_member(object, name, bytes, sizeof bytes);
}

static inline void expect_gt(const json_t *object, const char *name, const struct gt *computed) {
    uint8_t bytes[GT_BYTES];
    gt_to_bytes(computed, bytes);
    expect_member(object, name, bytes, sizeof bytes);
}

/* An input, parsed as one from outside is. */
static inline void get_scalar(const json_t *value, struct scalar *out) {
    uint8_t bytes[SCALAR_BYTES];
    read_hex(value, bytes, sizeof bytes);
    require(scalar_parse("scalar", view_of(bytes, sizeof bytes), out));
}

static inline void get_secret(const json_t *object, const char *name, struct scalar *out) {
    size_t at = enter(".%s", name);
    get_scalar(json_object_get(object, name), out);
    if (scalar_is_zero(out))
        fail("is zero");
    leave(at);
}

static inline void get_scalars(const json_t *object, const char *name, size_t count,
                               struct scalar out[]) {
    const json_t *array = get_array(object, name, count);
    for (size_t i = 0; i < count; i++) {
        size_t at = enter(".%s[%zu]", name, i);
        get_scalar(json_array_get(array, i), &out[i]);
        leave(at);
    }
}

#endif
