/*
 * Integers modulo r, the order of G1, G2 and GT: exponents, shares and coefficients.
 *
 * The groups are written multiplicatively, as the paper writes them: `_mul` is the group operation,
 * `_exp` raises to a scalar. Every `_exp` and every operation on scalars runs in constant time;
 * those whose time depends on their exponents say `_public` in their names. No function of this
 * layer has state: all are safe from any thread.
 */
#ifndef MYELIN_GROUP_SCALAR_H
#define MYELIN_GROUP_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { SCALAR_BYTES = 32 };

/* Opaque: made by the functions below only. Zeroed memory is the scalar 0. */
struct scalar {
    uint64_t limb[4];
};

/* Wipes a scalar at the end of its scope: AUTO_SCALAR struct scalar a1; */
#define AUTO_SCALAR __attribute__((cleanup(scalar_wipe)))
void scalar_wipe(struct scalar *scalar);

/* `value`, which is below r. */
void scalar_from_u64(uint64_t value, struct scalar *out_scalar);

/* Uniform in [1, r). */
void scalar_random(struct scalar *out_scalar);

/* Exactly 32 bytes, big-endian, below r; zero is accepted. PROTOCOL, naming `field`. */
MUST_CHECK result scalar_parse(const char *field, struct view bytes, struct scalar *out_scalar);

/* As scalar_parse; PROTOCOL for zero too. What every secret scalar is parsed with. */
MUST_CHECK result scalar_parse_nonzero(const char *field, struct view bytes,
                                       struct scalar *out_scalar);

/* 32 bytes, big-endian, canonical. Wipe them where the scalar is secret. */
void scalar_to_bytes(const struct scalar *scalar, uint8_t out[SCALAR_BYTES]);

/* expand_message_xmd (RFC 9380, 5.3.1) with SHA-256 over `message`, 48 bytes, as a big-endian
 * integer modulo r: within 2^-128 of uniform. `domain` is the DST, at most 255 characters. The time
 * depends on the length of `message` only. May be zero. */
void scalar_hash(const char *domain, struct view message, struct scalar *out_scalar);

/* Constant time. */
bool scalar_is_zero(const struct scalar *a);
bool scalar_equal(const struct scalar *a, const struct scalar *b);

/* The output may be an operand. */
void scalar_add(const struct scalar *a, const struct scalar *b, struct scalar *out);
void scalar_sub(const struct scalar *a, const struct scalar *b, struct scalar *out);
void scalar_mul(const struct scalar *a, const struct scalar *b, struct scalar *out);

/* 1/a; the inverse of 0 is given as 0. */
void scalar_inverse(const struct scalar *a, struct scalar *out);

#endif
