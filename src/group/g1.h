/*
 * G1 of BLS12-381, the group of alpha and of PK1.
 *
 * Values in memory are always in the subgroup of order r: they come from the generator, from
 * operations, or from g1_parse, which refuses anything else.
 */
#ifndef MYELIN_GROUP_G1_H
#define MYELIN_GROUP_G1_H

#include "group/scalar.h"

enum { G1_BYTES = 48 };

/* Opaque. Zeroed memory is the identity. */
struct g1 {
    uint64_t limb[18];
};

void g1_identity(struct g1 *out);  /* 1, as groups are written here */
void g1_generator(struct g1 *out); /* the standard generator, g in the scheme */

/* A point from outside: exactly 48 bytes, compressed (ZCash form), canonical, on the curve, in the
 * subgroup of order r, not the identity. PROTOCOL, naming `field` and what is wrong. */
MUST_CHECK result g1_parse(const char *field, struct view bytes, struct g1 *out);

/* 48 bytes, compressed. The identity has bytes too (0xc0, then zeros), which g1_parse refuses. */
void g1_to_bytes(const struct g1 *point, uint8_t out[G1_BYTES]);

/* For public points: the time may tell which of these is the case. */
bool g1_is_identity(const struct g1 *point);
bool g1_equal(const struct g1 *a, const struct g1 *b);

/* a * b; the output may be an operand. */
void g1_mul(const struct g1 *a, const struct g1 *b, struct g1 *out);
void g1_inverse(const struct g1 *a, struct g1 *out);

/* base^exponent for a secret exponent: constant time. */
void g1_exp(const struct g1 *base, const struct scalar *exponent, struct g1 *out);

/* g^exponent for a secret exponent: constant time. */
void g1_exp_generator(const struct scalar *exponent, struct g1 *out);

/* base^exponent for a small public exponent, such as a share's index. */
void g1_exp_small_public(const struct g1 *base, uint8_t exponent, struct g1 *out);

/* prod bases[i]^exponents[i], i < count, for public exponents (coefficients, Lagrange's lambda).
 * Identities and zero exponents are fine; an empty product is the identity. NO_MEMORY. */
MUST_CHECK result g1_multi_exp_public(const struct g1 bases[], const struct scalar exponents[],
                                      size_t count, struct g1 *out);

#endif
