/*
 * What one key server deals to others when shares are refreshed, replaced or reshared.
 *
 * A dealer draws two polynomials d1, d2 of degree t - 1. Everybody gets the commitments to their
 * coefficients, g^coefficient for d1 and PK2^coefficient for d2 as in ShareKeyGen; receiver i alone
 * gets its sub-share (d1(i), d2(i)), over an encrypted connection. Each purpose prescribes the
 * value of both polynomials at one point:
 *
 *     share_refresh.h      d(0) = 0               new shares of the same key
 *     share_replace.h      d(lost) = 0            masks that leave the lost share alone
 *     share_reshare.h      d(0) = f(dealer)       the dealer's own share, shared among others
 *
 * The prescribed value is public in the exponent. So the commitments to the constant terms are
 * never sent, but computed from it by whoever receives the others: a dealing cannot be for another
 * purpose, and a dealer can lie in his sub-shares only, which share_dealing_check tells each
 * receiver. That all receivers hold the same dealings, of the same agreed dealers, is for the
 * protocol around this to see to, by comparing hashes of share_dealing_to_bytes.
 *
 * A dealing's bytes, for a known t: the commitments to d1 from the linear coefficient on, 48 bytes
 * each, then those to d2, 96 bytes each. A sub-share's: d1(i), d2(i), 32 bytes each.
 */
#ifndef MYELIN_SCHEME_SHARE_DEALING_H
#define MYELIN_SCHEME_SHARE_DEALING_H

#include "scheme/share_keygen.h"

/* The public side. Freed with share_dealing_free. */
struct share_dealing {
    uint32_t dealer; /* the index of its share, 1 to 255 */
    struct share_commitments commitments;
};

#define AUTO_DEALING __attribute__((cleanup(share_dealing_free)))
void share_dealing_free(struct share_dealing *dealing);

/* The secret side, for one receiver. Keep it in memory from secret_new. */
struct subshare {
    uint32_t dealer;
    struct key_share value; /* value.j is the receiver's index */
};

enum {
    SUBSHARE_BYTES = 2 * SCALAR_BYTES,
    DEALT_COEFFICIENT_BYTES = G1_BYTES + G2_BYTES,
    SHARE_DEALING_BYTES_MAX = 254 * DEALT_COEFFICIENT_BYTES
};

/* (t - 1) * DEALT_COEFFICIENT_BYTES for a t of 1 to 255. */
size_t share_dealing_bytes(unsigned t);

/* Writes share_dealing_bytes(dealing->commitments.t) bytes. */
void share_dealing_to_bytes(const struct share_dealing *dealing, uint8_t out[]);

/* d1(i), then d2(i): into secret memory. */
void subshare_to_bytes(const struct subshare *subshare, uint8_t out[SUBSHARE_BYTES]);

/* From `dealer` for `receiver`: 64 bytes. PROTOCOL, naming `field`; INVALID for indices outside 1
 * to 255. */
MUST_CHECK result subshare_parse(const char *field, uint32_t dealer, uint32_t receiver,
                                 struct view bytes, struct subshare *out);

/* Whether a sub-share is what its dealer committed to. `public_key` is the share owner's.
 * INTEGRITY, naming the dealer; INVALID where it is another dealer's. A dealer who is accused of a
 * wrong sub-share can publish it, for everybody to check with this. */
MUST_CHECK result share_dealing_check(const struct public_key *public_key,
                                      const struct share_dealing *dealing,
                                      const struct subshare *subshare);

/* What the three purposes are made of. */

/* The prescribed value at `x`, in the exponent. */
struct dealt_point {
    uint32_t x;   /* 0 to 255 */
    struct g1 f1; /* g^d1(x) */
    struct g2 f2; /* PK2^d2(x) */
};

/* Deals random polynomials of degree t - 1 with d1(x) = value->s1, d2(x) = value->s2 at x =
 * value->j, which may be 0; `point` says the same in the exponent. The sub-shares for `receivers`,
 * NULL for 1 to count, go to `out_subshares` (secret memory, `count` of them). INVALID for a t or
 * an index out of bounds; NO_MEMORY. */
MUST_CHECK result share_dealing_new(const struct public_key *public_key, uint32_t dealer,
                                    unsigned t, const struct key_share *value,
                                    const struct dealt_point *point, const uint32_t receivers[],
                                    size_t count, struct subshare out_subshares[],
                                    struct share_dealing *out);

/* A dealing from outside, whose polynomials go through `point`. PROTOCOL, naming "<field>: d1" and
 * so on; INVALID for a dealer or a t out of bounds; NO_MEMORY. */
MUST_CHECK result share_dealing_parse(const char *field, uint32_t dealer, struct view bytes,
                                      unsigned t, const struct dealt_point *point,
                                      struct share_dealing *out);

/* Commitments to the sum of the polynomials behind `commitments` and `dealings`. INVALID where a
 * dealer is there twice or has another t; QUORUM for fewer than t dealers, who might all be one
 * adversary's; NO_MEMORY. */
MUST_CHECK result share_dealing_sum(const struct share_commitments *commitments,
                                    const struct share_dealing dealings[], size_t count,
                                    struct share_commitments *out);

/* share + the sub-shares, of `count` different dealers. INVALID where one is for another receiver
 * or a dealer is there twice. */
MUST_CHECK result share_dealing_add(const struct key_share *share,
                                    const struct subshare subshares[], size_t count,
                                    struct key_share *out_share);

/* INVALID unless subshares[i] is of dealings[i]'s dealer, for all i. */
MUST_CHECK result share_dealing_check_pairs(const struct share_dealing dealings[],
                                            const struct subshare subshares[], size_t count);

#endif
