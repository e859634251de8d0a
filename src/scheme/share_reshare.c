#include "scheme/share_reshare.h"

#include "base/secret.h"
#include "scheme/lagrange.h"
#include "scheme/setup.h"

result share_reshare_deal(const struct public_key *public_key, const struct key_share *share,
                          unsigned t, const uint32_t receivers[], unsigned m,
                          struct subshare out_subshares[], struct share_dealing *out) {
    *out = (struct share_dealing){0};
    TRY(setup_check(&(struct setup){.n = 1, .k = 1, .m = m, .t = t}));
    AUTO_SECRET struct key_share *value = NULL;
    TRY(secret_new(sizeof *value, (void **)&value));
    *value = *share;
    value->j = 0; /* d(0) = f(j) */
    struct dealt_point point = {.x = 0};
    g1_exp_generator(&share->s1, &point.f1);
    g2_exp(&public_key->pk2, &share->s2, &point.f2);
    return share_dealing_new(public_key, share->j, t, value, &point, receivers, m, out_subshares,
                             out);
}

result share_reshare_parse(const char *field, uint32_t dealer, const struct share_commitments *old,
                           struct view bytes, unsigned t, struct share_dealing *out) {
    *out = (struct share_dealing){0};
    struct dealt_point point = {.x = 0};
    TRY(share_public_f1(old, dealer, &point.f1));
    TRY(share_public_f2(old, dealer, &point.f2));
    return share_dealing_parse(field, dealer, bytes, t, &point, out);
}

/* Lagrange's lambdas at 0 for the dealers, who must be exactly old_t different ones. */
static result dealers_lambda(const struct share_dealing dealings[], size_t count, unsigned old_t,
                             struct scalar out_lambda[SCHEME_MAX_SERVERS]) {
    uint32_t indices[SCHEME_MAX_SERVERS];
    if (count < old_t)
        return FAIL(QUORUM, "%zu key servers dealt their shares, %u are needed", count, old_t);
    if (count > old_t || count > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "%zu key servers' dealings: all must use the same %u", count, old_t);
    for (size_t i = 0; i < count; i++) {
        indices[i] = dealings[i].dealer;
        if (dealings[i].commitments.t != dealings[0].commitments.t)
            return FAIL(INVALID, "key server %u dealt for t = %u, expected %u", dealings[i].dealer,
                        dealings[i].commitments.t, dealings[0].commitments.t);
    }
    return lagrange_at_zero(indices, count, out_lambda);
}

result share_reshare_commitments(const struct public_key *public_key,
                                 const struct share_dealing dealings[], size_t count,
                                 unsigned old_t, struct share_commitments *out) {
    *out = (struct share_commitments){0};
    struct scalar lambda[SCHEME_MAX_SERVERS];
    TRY(dealers_lambda(dealings, count, old_t, lambda));
    if (count == 0)
        return FAIL(QUORUM, "no key server dealt its share");
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    TRY(share_commitments_new(dealings[0].commitments.t, &fresh));
    for (unsigned c = 0; c < fresh.t; c++) {
        struct g1 f1[SCHEME_MAX_SERVERS];
        struct g2 f2[SCHEME_MAX_SERVERS];
        for (size_t i = 0; i < count; i++) {
            f1[i] = dealings[i].commitments.f1[c];
            f2[i] = dealings[i].commitments.f2[c];
        }
        TRY(g1_multi_exp_public(f1, lambda, count, &fresh.f1[c]));
        TRY(g2_multi_exp_public(f2, lambda, count, &fresh.f2[c]));
    }
    TRY(share_commitments_check(public_key, &fresh, fresh.t));
    *out = fresh;
    fresh = (struct share_commitments){0};
    return OK;
}

/* sum lambda_j d_j(i) */
static result weighted_sum(const struct subshare subshares[], const struct scalar lambda[],
                           size_t count, struct key_share *out) {
    uint32_t receiver = subshares[0].value.j;
    for (size_t i = 0; i < count; i++)
        if (subshares[i].value.j != receiver)
            return FAIL(INVALID, "key server %u's sub-share: for key server %u, not for %u",
                        subshares[i].dealer, subshares[i].value.j, receiver);
    *out = (struct key_share){.j = receiver};
    for (size_t i = 0; i < count; i++) {
        AUTO_SCALAR struct scalar term;
        scalar_mul(&lambda[i], &subshares[i].value.s1, &term);
        scalar_add(&out->s1, &term, &out->s1);
        scalar_mul(&lambda[i], &subshares[i].value.s2, &term);
        scalar_add(&out->s2, &term, &out->s2);
    }
    return OK;
}

result share_reshare_combine(const struct public_key *public_key,
                             const struct share_dealing dealings[],
                             const struct subshare subshares[], size_t count, unsigned old_t,
                             struct key_share *out_share,
                             struct share_commitments *out_commitments) {
    *out_commitments = (struct share_commitments){0};
    struct scalar lambda[SCHEME_MAX_SERVERS];
    TRY(share_dealing_check_pairs(dealings, subshares, count));
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    TRY(share_reshare_commitments(public_key, dealings, count, old_t, &fresh));
    TRY(dealers_lambda(dealings, count, old_t, lambda));
    TRY(weighted_sum(subshares, lambda, count, out_share));
    TRY(share_check_fits(public_key, &fresh, out_share));
    *out_commitments = fresh;
    fresh = (struct share_commitments){0};
    return OK;
}
