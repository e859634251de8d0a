/*
 * The rules that fields share. Each: PROTOCOL, its text beginning with the field's name. Inside
 * src/format only.
 */
#ifndef MYELIN_FORMAT_CHECK_H
#define MYELIN_FORMAT_CHECK_H

#include "format/format.h"

MUST_CHECK result check_number(const char *field, uint64_t value, uint64_t least, uint64_t most);

/* Milliseconds since 1970, before the year 10000. */
MUST_CHECK result check_time(const char *field, uint64_t value_ms);

/* Exactly `len` bytes; between `least` and `most`; empty or exactly `len`. */
MUST_CHECK result check_bytes(const char *field, ProtobufCBinaryData bytes, size_t len);
MUST_CHECK result check_between(const char *field, ProtobufCBinaryData bytes, size_t least,
                                size_t most);
MUST_CHECK result check_optional(const char *field, ProtobufCBinaryData bytes, size_t len);

/* `count` byte strings of `len` bytes each. */
MUST_CHECK result check_each(const char *field, const ProtobufCBinaryData bytes[], size_t count,
                             size_t len);

/* A count of repeated fields. */
MUST_CHECK result check_count(const char *field, size_t count, size_t least, size_t most);

/* No two of `count` byte strings of `len` bytes are equal. NO_MEMORY. */
MUST_CHECK result check_distinct(const char *field, const ProtobufCBinaryData bytes[], size_t count,
                                 size_t len);

MUST_CHECK result check_name(const char *field, const char *name);
/* `count` names, no two equal. `count` is at most a few hundred. */
MUST_CHECK result check_names(const char *field, char *const names[], size_t count);

/* Printable ASCII of `least` to `most` characters. */
MUST_CHECK result check_text(const char *field, const char *text, size_t least, size_t most);

/* A record that is there, with a body of 1 to `limit` bytes and a signature. */
MUST_CHECK result check_signed(const char *field, const Myelin__Signed *record, size_t limit);

/* `least` to `most` of them. */
MUST_CHECK result check_signed_list(const char *field, size_t count,
                                    Myelin__Signed *const records[], size_t least, size_t most,
                                    size_t limit);

/* A symbol that is there and keeps its rules. */
MUST_CHECK result check_symbol(const char *field, const Myelin__Symbol *symbol);

/* Share indices, a byte each, ascending: `least` of them or more, or none at all where that may be.
 */
MUST_CHECK result check_holders(const char *field, ProtobufCBinaryData holders, size_t least,
                                bool is_optional);

/* t commitments of each kind, for a t of 1 to 255. */
MUST_CHECK result check_commitments(size_t count1, const ProtobufCBinaryData commitment1[],
                                    size_t count2, const ProtobufCBinaryData commitment2[]);

#endif
