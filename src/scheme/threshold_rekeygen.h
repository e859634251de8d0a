/*
 * Threshold ReKeyGen, the default: the re-encryption key without a1 in any one place.
 *
 *     A -> key servers   P = PK2_B^(f(a3,ID) + e), Q = h^e
 *     server j -> A      P^f1(j), Q^f1(j)
 *     A                  Lagrange in the exponent: (P^a1, Q^a1) = RK
 */
#ifndef MYELIN_SCHEME_THRESHOLD_REKEYGEN_H
#define MYELIN_SCHEME_THRESHOLD_REKEYGEN_H

#include "scheme/rekeygen.h"
#include "scheme/share_keygen.h"

/* P and Q: A's question, the same to every key server. */
struct rekey_request {
    struct g2 p, q;
};

/* Key server j's answer. */
struct rekey_part {
    uint32_t j;
    struct g2 p, q;
};

/* A's question. Errors as token_exponent. */
MUST_CHECK result threshold_rekeygen_request(const struct scalar *a3, struct view id,
                                             const struct public_key *recipient,
                                             struct rekey_request *out);

/* The same without its randomness e, which is secret and used once. */
MUST_CHECK result threshold_rekeygen_request_with_randomness(const struct scalar *a3,
                                                             struct view id,
                                                             const struct public_key *recipient,
                                                             const struct scalar *e,
                                                             struct rekey_request *out);

/* Key server j's answer with its share of A: constant time. */
void threshold_rekeygen_part(const struct key_share *share, const struct rekey_request *request,
                             struct rekey_part *out);

/* Whether a part is what its server's share makes of the request, by pairings against A's
 * commitments: e(g, part) = e(g^f1(j), question) for both. INTEGRITY naming the server's index. */
MUST_CHECK result threshold_rekeygen_check_part(const struct share_commitments *commitments,
                                                const struct rekey_request *request,
                                                const struct rekey_part *part);

/* RK from the first t of `count` parts. QUORUM where there are fewer; INVALID for a zero or
 * repeated index; NO_MEMORY. A wrong part gives a wrong key: see threshold_rekeygen_check. */
MUST_CHECK result threshold_rekeygen_combine(const struct rekey_part parts[], size_t count,
                                             unsigned t, struct rekey *out);

/* Whether `rekey` answers `request` for the owner's public key: e(g, rk1) = e(PK1, P) and
 * e(g, rk2) = e(PK1, Q). INTEGRITY; then threshold_rekeygen_check_part tells who lied. */
MUST_CHECK result threshold_rekeygen_check(const struct public_key *owner,
                                           const struct rekey_request *request,
                                           const struct rekey *rekey);

/* P and Q, 96 bytes each, validated. PROTOCOL, naming "<field>: P" and so on. */
MUST_CHECK result rekey_request_parse(const char *field, struct view p, struct view q,
                                      struct rekey_request *out);

/* As rekey_request_parse; PROTOCOL for an index outside 1 to m too. */
MUST_CHECK result rekey_part_parse(const char *field, uint32_t j, unsigned m, struct view p,
                                   struct view q, struct rekey_part *out);

#endif
