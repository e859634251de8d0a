#include "scheme/share_replace.h"

#include "scheme/lagrange.h"
#include "scheme/setup.h"

static result check_lost(uint32_t lost) {
    if (lost < 1 || lost > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "share index %u: outside 1 to %d", lost, SCHEME_MAX_SERVERS);
    return OK;
}

/* 0 at the lost index: what makes a sum with f keep the lost share. */
static struct dealt_point at_lost(uint32_t lost) {
    struct dealt_point point = {.x = lost};
    g1_identity(&point.f1);
    g2_identity(&point.f2);
    return point;
}

result share_replace_deal(const struct public_key *public_key, uint32_t dealer, uint32_t lost,
                          unsigned t, const uint32_t helpers[], size_t count,
                          struct subshare out_subshares[], struct share_dealing *out) {
    *out = (struct share_dealing){0};
    TRY(check_lost(lost));
    for (size_t i = 0; i < count; i++)
        if (helpers[i] == lost)
            return FAIL(INVALID, "key server %u lost its share and cannot help itself", lost);
    const struct key_share zero = {.j = lost};
    const struct dealt_point point = at_lost(lost);
    return share_dealing_new(public_key, dealer, t, &zero, &point, helpers, count, out_subshares,
                             out);
}

result share_replace_parse(const char *field, uint32_t dealer, uint32_t lost, struct view bytes,
                           unsigned t, struct share_dealing *out) {
    *out = (struct share_dealing){0};
    TRY(check_lost(lost));
    const struct dealt_point point = at_lost(lost);
    return share_dealing_parse(field, dealer, bytes, t, &point, out);
}

result share_replace_commitments(const struct share_commitments *commitments,
                                 const struct share_dealing dealings[], size_t count,
                                 struct share_commitments *out_blinded) {
    return share_dealing_sum(commitments, dealings, count, out_blinded);
}

result share_replace_blind(const struct key_share *share, unsigned t,
                           const struct subshare subshares[], size_t count,
                           struct key_share *out_blinded) {
    if (count < t)
        return FAIL(QUORUM, "%zu masks, %u are needed for one of them to be honest", count, t);
    return share_dealing_add(share, subshares, count, out_blinded);
}

result share_replace_combine(const struct public_key *public_key,
                             const struct share_commitments *commitments, uint32_t lost,
                             const struct key_share blinded[], size_t count,
                             struct key_share *out_share) {
    unsigned t = commitments->t;
    TRY(check_lost(lost));
    if (count < t)
        return FAIL(QUORUM, "%zu blinded shares, %u are needed", count, t);
    uint32_t indices[SCHEME_MAX_SERVERS];
    struct scalar lambda[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < t; i++)
        indices[i] = blinded[i].j;
    TRY(lagrange_at(lost, indices, t, lambda));
    *out_share = (struct key_share){.j = lost};
    for (unsigned i = 0; i < t; i++) {
        AUTO_SCALAR struct scalar term;
        scalar_mul(&lambda[i], &blinded[i].s1, &term);
        scalar_add(&out_share->s1, &term, &out_share->s1);
        scalar_mul(&lambda[i], &blinded[i].s2, &term);
        scalar_add(&out_share->s2, &term, &out_share->s2);
    }
    return share_check_fits(public_key, commitments, out_share);
}
