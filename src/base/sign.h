/*
 * Ed25519 (RFC 8032): the identity keys of users, servers and the manager.
 */
#ifndef MYELIN_BASE_SIGN_H
#define MYELIN_BASE_SIGN_H

#include <stdint.h>

#include "base/bytes.h"

enum { SIGN_SEED_BYTES = 32, SIGN_PUBLIC_BYTES = 32, SIGN_BYTES = 64 };

/* An identity key: keep it in memory from secret_new. */
struct sign_key {
    uint8_t seed[SIGN_SEED_BYTES];
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    uint8_t expanded[64];
};

/* A new key, and the key of a seed, which is the secret itself. */
void sign_key_random(struct sign_key *out_key);
void sign_key_from_seed(const uint8_t seed[SIGN_SEED_BYTES], struct sign_key *out_key);

/* Signs `domain`, a zero byte, then `message`: a signature for one purpose serves no other. */
MUST_CHECK result sign_message(const struct sign_key *key, const char *domain, struct view message,
                               uint8_t out_signature[SIGN_BYTES]);

/* INTEGRITY where the signature is not `public_key`'s over that domain and message. */
MUST_CHECK result sign_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], const char *domain,
                              struct view message, const uint8_t signature[SIGN_BYTES]);

/* Sealed boxes (X25519, XSalsa20-Poly1305) to an identity key: a text for one reader's eyes.
 * The box is SIGN_BOX_OVERHEAD bytes longer than the message. */
enum { SIGN_BOX_OVERHEAD = 48 };
MUST_CHECK result sign_box_seal(const uint8_t public_key[SIGN_PUBLIC_BYTES], struct view message,
                                struct bytes *out_box);
MUST_CHECK result sign_box_open(const struct sign_key *key, struct view box,
                                struct bytes *out_message);
/* A message of exactly `len` bytes, into memory from secret_new. INTEGRITY. */
MUST_CHECK result sign_box_open_secret(const struct sign_key *key, struct view box, size_t len,
                                       uint8_t *out_secret);

#endif
