/*
 * Small values at rest. Each begins with a header that a flipped bit, a truncation or a value of
 * another kind in its place does not survive:
 *
 *     "MYELINST"   8 bytes
 *     SHA-256 of "myelin stored v1" 0x00 kind 0x00 body   32 bytes
 *     body
 */
#ifndef MYELIN_STORAGE_RECORD_H
#define MYELIN_STORAGE_RECORD_H

#include "storage/store.h"

enum { RECORD_HEADER_BYTES = 40 };

/* The record as it lies in the store, appended. NO_MEMORY. */
MUST_CHECK result record_wrap(const char *kind, struct view body, struct bytes *out_value);

/* As store_put, store_replace and store_seal. */
MUST_CHECK result record_put(struct store *store, const char *key, const char *kind,
                             struct view body);
MUST_CHECK result record_replace(struct store *store, const char *key, const char *kind,
                                 struct view body);

MUST_CHECK result record_seal(struct store *store, const char *prefix, const char *key,
                              const char *kind, struct view body);

/* As store_get: the body goes into the empty `out_body`. INTEGRITY, naming the key, where what
 * lies there is not a whole, unaltered record of that kind. */
MUST_CHECK result record_get(struct store *store, const char *key, const char *kind, size_t limit,
                             struct bytes *out_body);

#endif
