/*
 * GT of BLS12-381: the subgroup of order r in Fp12*, the group of gamma and of the messages.
 *
 * Exponentiation splits the exponent in four 64-bit digits: in GT the Frobenius map raises to p,
 * and p = x modulo r, so that with u = |x|, a^u, a^(u^2) and a^(u^3) cost a map each, and
 * a^s = prod (a^(u^i))^(s_i) with one chain of 64 cyclotomic squarings for all four
 * (Galbraith & Scott, Pairing 2008).
 */
#ifndef MYELIN_GROUP_GT_H
#define MYELIN_GROUP_GT_H

#include "group/scalar.h"

enum { GT_BYTES = 576 };

/* Opaque; not valid when zeroed. */
struct gt {
    uint64_t limb[72];
};

/* Wipes at the end of the scope: AUTO_GT struct gt message; */
#define AUTO_GT __attribute__((cleanup(gt_wipe)))
void gt_wipe(struct gt *element);

void gt_identity(struct gt *out); /* 1 */

/* e(g, h). */
void gt_generator(struct gt *out);

/* An element from outside: exactly 576 bytes in the order of blst_bendian_from_fp12, each of the
 * twelve 48-byte coordinates below p, in the subgroup of order r, not the identity. PROTOCOL,
 * naming `field` and what is wrong. */
MUST_CHECK result gt_parse(const char *field, struct view bytes, struct gt *out);

/* 576 bytes, as gt_parse takes them; the identity, which that refuses, has bytes too. */
void gt_to_bytes(const struct gt *element, uint8_t out[GT_BYTES]);

/* For public elements: the time may tell which of these is the case. */
bool gt_is_identity(const struct gt *element);
bool gt_equal(const struct gt *a, const struct gt *b);

/* a * b; the output may be an operand. */
void gt_mul(const struct gt *a, const struct gt *b, struct gt *out);

/* By conjugation: free. */
void gt_inverse(const struct gt *a, struct gt *out);

/* base^exponent for a secret exponent: constant time, no table index and no branch depends on the
 * exponent. */
void gt_exp(const struct gt *base, const struct scalar *exponent, struct gt *out);

/* e(g,h)^exponent for a secret exponent: constant time. */
void gt_exp_generator(const struct scalar *exponent, struct gt *out);

/* base^exponent for a public exponent: faster, variable time. */
void gt_exp_public(const struct gt *base, const struct scalar *exponent, struct gt *out);

/* prod bases[i]^exponents[i], i < count, for public exponents; chains of squarings are shared. An
 * empty product is the identity. */
void gt_multi_exp_public(const struct gt bases[], const struct scalar exponents[], size_t count,
                         struct gt *out);

#endif
