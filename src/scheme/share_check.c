/*
 * What can be checked with ShareKeyGen's public commitments.
 */
#include "scheme/setup.h"
#include "scheme/share_keygen.h"

result share_commitments_check(const struct public_key *public_key,
                               const struct share_commitments *commitments, unsigned t) {
    if (commitments->t != t || t < 1)
        return FAIL(PROTOCOL, "commitments: %u of each kind, expected t = %u", commitments->t, t);
    struct g2 h;
    g2_generator(&h);
    if (!g1_equal(&commitments->f1[0], &public_key->pk1))
        return FAIL(INTEGRITY, "commitments to f1: the first is not PK1");
    if (!g2_equal(&commitments->f2[0], &h))
        return FAIL(INTEGRITY, "commitments to f2: the first is not h");
    return OK;
}

static result check_index(const struct share_commitments *commitments, uint32_t j) {
    if (j < 1 || j > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "share index %u: outside 1 to %d", j, SCHEME_MAX_SERVERS);
    if (commitments->t < 1)
        return FAIL(INVALID, "share index %u: no commitments to check it against", j);
    return OK;
}

result share_public_f1(const struct share_commitments *commitments, uint32_t j, struct g1 *out) {
    TRY(check_index(commitments, j));
    struct g1 power = commitments->f1[commitments->t - 1];
    for (unsigned i = commitments->t - 1; i-- > 0;) {
        g1_exp_small_public(&power, (uint8_t)j, &power);
        g1_mul(&power, &commitments->f1[i], &power);
    }
    *out = power;
    return OK;
}

result share_public_f2(const struct share_commitments *commitments, uint32_t j, struct g2 *out) {
    TRY(check_index(commitments, j));
    struct g2 power = commitments->f2[commitments->t - 1];
    for (unsigned i = commitments->t - 1; i-- > 0;) {
        g2_exp_small_public(&power, (uint8_t)j, &power);
        g2_mul(&power, &commitments->f2[i], &power);
    }
    *out = power;
    return OK;
}

result share_check_fits(const struct public_key *public_key,
                        const struct share_commitments *commitments,
                        const struct key_share *share) {
    struct g1 expected1, given1;
    struct g2 expected2, given2;
    TRY(share_public_f1(commitments, share->j, &expected1));
    TRY(share_public_f2(commitments, share->j, &expected2));
    g1_exp_generator(&share->s1, &given1);
    g2_exp(&public_key->pk2, &share->s2, &given2);
    if (!g1_equal(&expected1, &given1))
        return FAIL(INTEGRITY, "share %u: f1(%u) does not fit the commitments", share->j, share->j);
    if (!g2_equal(&expected2, &given2))
        return FAIL(INTEGRITY, "share %u: f2(%u) does not fit the commitments", share->j, share->j);
    return OK;
}

result share_check(const struct public_key *public_key, const struct share_commitments *commitments,
                   unsigned t, unsigned m, const struct key_share *share) {
    if (share->j < 1 || share->j > m)
        return FAIL(INVALID, "share index %u: outside 1 to m = %u", share->j, m);
    TRY(share_commitments_check(public_key, commitments, t));
    return share_check_fits(public_key, commitments, share);
}
