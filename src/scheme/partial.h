/*
 * A partial, what a key server returns, and its verification by whoever asked for it.
 */
#ifndef MYELIN_SCHEME_PARTIAL_H
#define MYELIN_SCHEME_PARTIAL_H

#include "scheme/share_keygen.h"

struct partial {
    uint32_t j;  /* the key server's index */
    struct g2 d; /* D_j */
};

enum { PARTIAL_PROOF_BYTES = 2 * SCALAR_BYTES };

/* D_j from outside: 96 bytes, validated, and 1 <= j <= m. PROTOCOL, naming "<field>: D". */
MUST_CHECK result partial_parse(const char *field, uint32_t j, unsigned m, struct view d,
                                struct partial *out);

/* Whether `partial` is right, by its server's proof (share_dec.h). `public_key` and `commitments`
 * are those of the user whose shares were used: the envelope's owner for b = 0, the recipient for
 * b = 1. PROTOCOL where the proof does not parse, INVALID for a b other than 0 and 1, INTEGRITY,
 * naming the server's index, where it does not hold. */
MUST_CHECK result partial_verify(const struct public_key *public_key,
                                 const struct share_commitments *commitments, uint32_t b,
                                 const struct g2 *beta, const struct partial *partial,
                                 struct view proof);

/* The challenge c of the proof: what share_dec_prove and partial_verify have in common. */
struct partial_statement {
    uint32_t b;
    const struct public_key *public_key;
    const struct g2 *beta;
    const struct partial *partial;
};
/* Y and T1, points of the group that b says. */
union partial_point {
    struct g1 in_g1; /* b = 0 */
    struct g2 in_g2; /* b = 1 */
};
void partial_challenge(const struct partial_statement *statement, const union partial_point *y,
                       const union partial_point *t1, const struct g2 *t2,
                       struct scalar *out_challenge);

#endif
