/*
 * From the group to bytes: the content key of an image and its commitment.
 */
#ifndef MYELIN_SCHEME_CONTENT_KEY_H
#define MYELIN_SCHEME_CONTENT_KEY_H

#include "group/g2.h"
#include "group/gt.h"

enum { CONTENT_KEY_BYTES = 32, KEY_COMMITMENT_BYTES = 32 };

/* HKDF-SHA256(ikm = the GT bytes of the product of all messages, salt = tau's bytes,
 * info = "MYELIN-V1-CONTENT-KEY"), 32 bytes (secret memory). */
void content_key(const struct gt *product, const struct g2 *tau, uint8_t out[CONTENT_KEY_BYTES]);

/* The product of `k` messages, as the owner has them after Enc. */
void content_key_product(const struct gt messages[], unsigned k, struct gt *out_product);

/* HKDF-SHA256(ikm = content key, no salt, info = "MYELIN-V1-KEY-COMMITMENT"), 32 bytes: public, and
 * binds the owner's signature to one content key. */
void content_key_commitment(const uint8_t key[CONTENT_KEY_BYTES],
                            uint8_t out[KEY_COMMITMENT_BYTES]);

/* INTEGRITY where `key` is not the one committed to. Constant time. */
MUST_CHECK result content_key_check(const uint8_t key[CONTENT_KEY_BYTES],
                                    const uint8_t commitment[KEY_COMMITMENT_BYTES]);

#endif
