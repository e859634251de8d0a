/*
 * ReKeyGen: RK = (rk1, rk2) = (PK2_B^(a1 (f(a3,ID) + e)), h^(a1 e)), which lets storage servers
 * turn A's envelope of one image into B's. Whoever publishes one signs it with (A, B, tau): the two
 * points alone prove nothing. (rk1 could be tied to PK_A and tau only with g^a2 of B, which is not
 * published.)
 */
#ifndef MYELIN_SCHEME_REKEYGEN_H
#define MYELIN_SCHEME_REKEYGEN_H

#include "scheme/keygen.h"

struct rekey {
    struct g2 rk1, rk2;
};

/* The paper's ReKeyGen, with a1 in one place. `recipient` is B's. Errors as token_exponent. */
MUST_CHECK result rekeygen(const struct scalar *a1, const struct scalar *a3, struct view id,
                           const struct public_key *recipient, struct rekey *out);

/* ReKeyGen without its randomness e, which is secret and used once. */
MUST_CHECK result rekeygen_with_randomness(const struct scalar *a1, const struct scalar *a3,
                                           struct view id, const struct public_key *recipient,
                                           const struct scalar *e, struct rekey *out);

/* rk1 and rk2, 96 bytes each, validated. PROTOCOL, naming "<field>: rk1" and so on. */
MUST_CHECK result rekey_parse(const char *field, struct view rk1, struct view rk2,
                              struct rekey *out);
void rekey_to_bytes(const struct rekey *rekey, uint8_t out_rk1[G2_BYTES],
                    uint8_t out_rk2[G2_BYTES]);

#endif
