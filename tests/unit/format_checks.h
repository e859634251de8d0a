/*
 * Messages that are to be accepted or refused, read as well as written. Include after cmocka.h.
 */
#ifndef MYELIN_TESTS_FORMAT_CHECKS_H
#define MYELIN_TESTS_FORMAT_CHECKS_H

#include <string.h>

#include "base/secret.h"
#include "format/format.h"
#include "format/kind.h"

/* The encoding without any check. */
static inline struct bytes encode(const void *message) {
    struct bytes wire = {0};
    size_t len = format_packed_bytes(message);
    assert_int_equal(bytes_reserve(&wire, len + 1), OK);
    format_pack_to(message, wire.data);
    wire.len = len;
    return wire;
}

static inline const ProtobufCMessageDescriptor *descriptor_of(const void *message) {
    return ((const ProtobufCMessage *)message)->descriptor;
}

static inline void assert_error_says(const char *text) {
    if (strstr(error_text(), text) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), text);
}

static inline void expect_accepted(const void *message) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes again = {0};
    AUTO_FORMAT ProtobufCMessage *parsed = NULL;
    if (format_pack(message, &wire) != OK)
        fail_msg("refused: %s", error_text());
    if (format_parse(descriptor_of(message), bytes_view(&wire), &parsed) != OK)
        fail_msg("refused: %s", error_text());
    assert_int_equal(format_pack(parsed, &again), OK);
    assert_true(view_equal(bytes_view(&wire), bytes_view(&again)));
}

/* Refused when it is read, as PROTOCOL, and when it is written, as INVALID; both say why. */
static inline void expect_refused(const void *message, const char *text) {
    AUTO_BYTES struct bytes wire = encode(message);
    AUTO_BYTES struct bytes out = {0};
    AUTO_FORMAT ProtobufCMessage *parsed = NULL;
    assert_int_equal(format_parse(descriptor_of(message), bytes_view(&wire), &parsed), PROTOCOL);
    assert_null(parsed);
    assert_error_says(text);
    assert_int_equal(format_pack(message, &out), INVALID);
    assert_error_says(text);
    assert_int_equal(out.len, 0);
}

static inline ProtobufCBinaryData zeros(size_t len) {
    static uint8_t bytes[20000];
    return (ProtobufCBinaryData){len, bytes};
}

static inline int start(void **state) {
    (void)state;
    return secret_start() == OK ? 0 : -1;
}

#endif
