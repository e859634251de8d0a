/*
 * ShareKeyGen: a1 and 1/a2 split among m key servers, any t of which can use them.
 *
 * Two polynomials of degree t - 1 with f1(0) = a1 and f2(0) = 1/a2 and independent coefficients:
 * with the same ones, as in the paper, a single key server would learn a1 - 1/a2. Feldman
 * commitments let each key server check its share against the public key: in G1 to f1 under base g,
 * whose first is PK1; in G2 to f2 under base PK2, whose first is h.
 */
#ifndef MYELIN_SCHEME_SHARE_KEYGEN_H
#define MYELIN_SCHEME_SHARE_KEYGEN_H

#include "scheme/keygen.h"

/* What one key server holds of one user. Keep it in memory from secret_new. */
struct key_share {
    uint32_t j;           /* the server's index, 1 to m */
    struct scalar s1, s2; /* f1(j), f2(j) */
};

/* One user's public commitments; freed with share_commitments_free. */
struct share_commitments {
    unsigned t;
    struct g1 *f1; /* t of them: g^coefficient, constant term first */
    struct g2 *f2; /* t of them: PK2^coefficient */
};

#define AUTO_COMMITMENTS __attribute__((cleanup(share_commitments_free)))
void share_commitments_free(struct share_commitments *commitments);

/* Room for t commitments of each kind, all the identity. INVALID for a t outside 1 to 255;
 * NO_MEMORY. For parsing them: fill f1 and f2 with g1_parse and g2_parse, then share_check. */
MUST_CHECK result share_commitments_new(unsigned t, struct share_commitments *out);

/* Shares for indices 1 to m into `out_shares` (secret memory, m of them) and the commitments.
 * INVALID for t or m out of bounds; NO_MEMORY. */
MUST_CHECK result share_keygen(const struct secret_key *secret, unsigned t, unsigned m,
                               struct key_share out_shares[], struct share_commitments *out);

/* ShareKeyGen without its randomness: poly1 and poly2 hold the t - 1 coefficients above the
 * constant terms, lowest degree first (secret memory). */
MUST_CHECK result share_keygen_with_polynomials(const struct secret_key *secret, unsigned t,
                                                unsigned m, const struct scalar poly1[],
                                                const struct scalar poly2[],
                                                struct key_share out_shares[],
                                                struct share_commitments *out);

/* What a key server does with a share it is handed: INVALID unless 1 <= j <= m; PROTOCOL unless
 * there are exactly t commitments; INTEGRITY unless they belong to `public_key` and the share to
 * them. `m` and `t` are the system's. */
MUST_CHECK result share_check(const struct public_key *public_key,
                              const struct share_commitments *commitments, unsigned t, unsigned m,
                              const struct key_share *share);

/* The commitments' part of share_check: whether they can belong to `public_key` at all. */
MUST_CHECK result share_commitments_check(const struct public_key *public_key,
                                          const struct share_commitments *commitments, unsigned t);

/* The share's part: INTEGRITY unless it is what the commitments commit to; INVALID for an index
 * outside 1 to 255. */
MUST_CHECK result share_check_fits(const struct public_key *public_key,
                                   const struct share_commitments *commitments,
                                   const struct key_share *share);

/* g^f1(j) and PK2^f2(j) from the commitments: what partials and parts are verified against. INVALID
 * for a j outside 1 to 255. */
MUST_CHECK result share_public_f1(const struct share_commitments *commitments, uint32_t j,
                                  struct g1 *out);
MUST_CHECK result share_public_f2(const struct share_commitments *commitments, uint32_t j,
                                  struct g2 *out);

#endif
