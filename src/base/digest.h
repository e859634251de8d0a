/*
 * SHA-256, HMAC and HKDF (RFC 5869), over GnuTLS, which uses the processor's SHA instructions.
 */
#ifndef MYELIN_BASE_DIGEST_H
#define MYELIN_BASE_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"

enum { DIGEST_BYTES = 32 };

/* SHA-256 of one byte string. Cannot fail: a library that cannot hash is a reason to abort. */
void digest_sha256(struct view data, uint8_t out[DIGEST_BYTES]);

/* SHA-256 over parts, in turn. */
struct digest {
    void *handle;
};
void digest_start(struct digest *digest);
void digest_update(struct digest *digest, struct view part);
void digest_finish(struct digest *digest, uint8_t out[DIGEST_BYTES]);
/* Ends a digest that was started and is not wanted; finishing it also ends it. */
void digest_abandon(struct digest *digest);

/* HMAC (RFC 2104). Cannot fail. */
void digest_hmac_sha256(struct view key, struct view data, uint8_t out[DIGEST_BYTES]);

/* HKDF-SHA256, extract then expand, of a 32-byte key. `info` is a C string. */
void digest_hkdf(struct view ikm, struct view salt, const char *info, uint8_t out[DIGEST_BYTES]);

#endif
