#include "scheme/share_keygen.h"

#include <stdlib.h>

#include "base/secret.h"
#include "scheme/polynomial.h"
#include "scheme/setup.h"

void share_commitments_free(struct share_commitments *commitments) {
    free(commitments->f1);
    free(commitments->f2);
    *commitments = (struct share_commitments){0};
}

result share_commitments_new(unsigned t, struct share_commitments *out) {
    *out = (struct share_commitments){0};
    if (t < 1 || t > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "t = %u commitments: between 1 and %d are possible", t,
                    SCHEME_MAX_SERVERS);
    *out = (struct share_commitments){
        .t = t, .f1 = calloc(t, sizeof *out->f1), .f2 = calloc(t, sizeof *out->f2)};
    if (out->f1 != NULL && out->f2 != NULL)
        return OK;
    share_commitments_free(out);
    return FAIL(NO_MEMORY, "no memory for %u commitments", t);
}

static result check_threshold(unsigned t, unsigned m) {
    return setup_check(&(struct setup){.n = 1, .k = 1, .m = m, .t = t});
}

result share_keygen(const struct secret_key *secret, unsigned t, unsigned m,
                    struct key_share out_shares[], struct share_commitments *out) {
    *out = (struct share_commitments){0};
    TRY(check_threshold(t, m));
    AUTO_SECRET struct scalar *poly = NULL;
    TRY(secret_new(2 * t * sizeof *poly, (void **)&poly));
    for (unsigned i = 0; i < 2 * (t - 1); i++)
        scalar_random(&poly[i]);
    return share_keygen_with_polynomials(secret, t, m, poly, poly + (t - 1), out_shares, out);
}

static void commit(const struct public_key *public_key, const struct scalar poly1[],
                   const struct scalar poly2[], struct share_commitments *out) {
    out->f1[0] = public_key->pk1;
    g2_generator(&out->f2[0]); /* PK2^(1/a2) */
    for (unsigned i = 1; i < out->t; i++) {
        g1_exp_generator(&poly1[i - 1], &out->f1[i]);
        g2_exp(&public_key->pk2, &poly2[i - 1], &out->f2[i]);
    }
}

result share_keygen_with_polynomials(const struct secret_key *secret, unsigned t, unsigned m,
                                     const struct scalar poly1[], const struct scalar poly2[],
                                     struct key_share out_shares[], struct share_commitments *out) {
    *out = (struct share_commitments){0};
    TRY(check_threshold(t, m));
    TRY(share_commitments_new(t, out));
    struct public_key public_key;
    keygen_public(secret, &public_key);
    commit(&public_key, poly1, poly2, out);
    AUTO_SCALAR struct scalar inverse_a2;
    scalar_inverse(&secret->a2, &inverse_a2);
    for (uint32_t j = 1; j <= m; j++) {
        struct key_share *share = &out_shares[j - 1];
        share->j = j;
        polynomial_evaluate(&secret->a1, poly1, t, j, &share->s1);
        polynomial_evaluate(&inverse_a2, poly2, t, j, &share->s2);
    }
    return OK;
}
