/*
 * What an object is to its owner and readers: its id, what its segments are bound to, and its
 * sealed description.
 *
 *   id       first 16 bytes of HMAC-SHA256(HKDF-SHA256(a3, "MYELIN-V1-OBJECT-ID"), tau || name):
 *            the same name in an image has the same id, and only the owner can tell
 *   context  tau || id, associated data of the object's segments and of its sealed_meta
 *   meta     ObjectMeta under the content key, purpose "MYELIN-V1-META-KEY"
 */
#ifndef MYELIN_FLOW_OBJECT_H
#define MYELIN_FLOW_OBJECT_H

#include <stdbool.h>

#include "format/format.h"
#include "scheme/content_key.h"

struct session;

enum {
    OBJECT_CONTEXT_BYTES = FORMAT_TAU_BYTES + FORMAT_ID_BYTES,
    OBJECT_HEX = 2 * FORMAT_ID_BYTES + 1, /* an id in paths, with the terminating zero */
};

/* Which names may become files: format_is_object_name (a relative path without "." and ".."),
 * every component at most 255 bytes, no control character. They arrive sealed, but from an owner
 * whom the recipient need not trust with his disk. */
bool object_name_is_safe(const char *name);

/* A user's key for ids, DIGEST_BYTES in secret memory: session->object_key. NO_MEMORY. */
MUST_CHECK result object_id_key(const struct scalar *a3, uint8_t **out_key);

/* NO_MEMORY. */
MUST_CHECK result object_id(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                            const char *name, uint8_t out_id[FORMAT_ID_BYTES]);

void object_context(const uint8_t tau[FORMAT_TAU_BYTES], const uint8_t id[FORMAT_ID_BYTES],
                    uint8_t out_context[OBJECT_CONTEXT_BYTES]);

/* Appends the sealed meta to `out_box`. INVALID, NO_MEMORY, INTERNAL. */
MUST_CHECK result object_meta_seal(const uint8_t content_key[CONTENT_KEY_BYTES],
                                   const uint8_t context[OBJECT_CONTEXT_BYTES],
                                   const Myelin__ObjectMeta *meta, struct bytes *out_box);

/* The name in it is a safe one and the codec one that exists. INTEGRITY, NO_MEMORY. Free with
 * AUTO_FORMAT. */
MUST_CHECK result object_meta_open(const uint8_t content_key[CONTENT_KEY_BYTES],
                                   const Myelin__Manifest *manifest, Myelin__ObjectMeta **out_meta);

#endif
