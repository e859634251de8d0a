/*
 * G2 of BLS12-381, the group of beta, tau, PK2, re-encryption keys and partials.
 *
 * Values in memory are always in the subgroup of order r: they come from the generator, from
 * operations, or from g2_parse, which refuses anything else.
 */
#ifndef MYELIN_GROUP_G2_H
#define MYELIN_GROUP_G2_H

#include "group/scalar.h"

enum { G2_BYTES = 96 };

/* Opaque. Zeroed memory is the identity. */
struct g2 {
    uint64_t limb[36];
};

/* Wipes at the end of the scope, where a point is as good as a key: AUTO_G2 struct g2 d; */
#define AUTO_G2 __attribute__((cleanup(g2_wipe)))
void g2_wipe(struct g2 *point);

void g2_identity(struct g2 *out);  /* 1, as groups are written here */
void g2_generator(struct g2 *out); /* the standard generator, h in the scheme */

/* A point from outside: exactly 96 bytes, compressed (ZCash form), canonical, on the curve, in the
 * subgroup of order r, not the identity. PROTOCOL, naming `field` and what is wrong. */
MUST_CHECK result g2_parse(const char *field, struct view bytes, struct g2 *out);

/* 96 bytes, compressed. The identity has bytes too (0xc0, then zeros), which g2_parse refuses. */
void g2_to_bytes(const struct g2 *point, uint8_t out[G2_BYTES]);

/* For public points: the time may tell which of these is the case. */
bool g2_is_identity(const struct g2 *point);
bool g2_equal(const struct g2 *a, const struct g2 *b);

/* a * b; the output may be an operand. */
void g2_mul(const struct g2 *a, const struct g2 *b, struct g2 *out);
void g2_inverse(const struct g2 *a, struct g2 *out);

/* base^exponent for a secret exponent: constant time. */
void g2_exp(const struct g2 *base, const struct scalar *exponent, struct g2 *out);

/* h^exponent for a secret exponent: constant time. */
void g2_exp_generator(const struct scalar *exponent, struct g2 *out);

/* base^exponent for a small public exponent, such as a share's index. */
void g2_exp_small_public(const struct g2 *base, uint8_t exponent, struct g2 *out);

/* prod bases[i]^exponents[i], i < count, for public exponents (coefficients, Lagrange's lambda).
 * Identities and zero exponents are fine; an empty product is the identity. NO_MEMORY. */
MUST_CHECK result g2_multi_exp_public(const struct g2 bases[], const struct scalar exponents[],
                                      size_t count, struct g2 *out);

#endif
