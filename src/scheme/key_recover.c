#include "scheme/key_recover.h"

#include "scheme/lagrange.h"
#include "scheme/setup.h"

result key_recover(const struct key_share shares[], size_t count, unsigned t,
                   const struct public_key *public_key, struct scalar *out_a1) {
    if (t < 1 || t > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "t = %u shares: between 1 and %d are possible", t, SCHEME_MAX_SERVERS);
    if (count < t)
        return FAIL(QUORUM, "%zu key shares, %u are needed", count, t);
    uint32_t indices[SCHEME_MAX_SERVERS];
    struct scalar lambda[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < t; i++)
        indices[i] = shares[i].j;
    TRY(lagrange_at_zero(indices, t, lambda));
    AUTO_SCALAR struct scalar a1 = {0};
    AUTO_SCALAR struct scalar term;
    for (unsigned i = 0; i < t; i++) {
        scalar_mul(&lambda[i], &shares[i].s1, &term);
        scalar_add(&a1, &term, &a1);
    }
    struct g1 pk1;
    g1_exp_generator(&a1, &pk1);
    if (!g1_equal(&pk1, &public_key->pk1))
        return FAIL(INTEGRITY, "the key shares are not all of this public key");
    *out_a1 = a1;
    return OK;
}

result key_recover_check(const struct share_commitments *commitments,
                         const struct key_share *share) {
    struct g1 expected, given;
    TRY(share_public_f1(commitments, share->j, &expected));
    g1_exp_generator(&share->s1, &given);
    if (!g1_equal(&expected, &given))
        return FAIL(INTEGRITY, "share %u: f1(%u) does not fit the commitments", share->j, share->j);
    return OK;
}
