#include "scheme/share_refresh.h"

#include "scheme/setup.h"

/* 0 at 0: what makes a sum with f keep the key. */
static struct dealt_point at_zero(void) {
    struct dealt_point point = {.x = 0};
    g1_identity(&point.f1);
    g2_identity(&point.f2);
    return point;
}

result share_refresh_deal(const struct public_key *public_key, uint32_t dealer, unsigned t,
                          const uint32_t receivers[], unsigned m, struct subshare out_subshares[],
                          struct share_dealing *out) {
    *out = (struct share_dealing){0};
    TRY(setup_check(&(struct setup){.n = 1, .k = 1, .m = m, .t = t}));
    if (t == 1)
        return FAIL(INVALID, "t = 1: every key server holds the key itself, there is no share to "
                             "refresh");
    const struct key_share zero = {0};
    const struct dealt_point point = at_zero();
    return share_dealing_new(public_key, dealer, t, &zero, &point, receivers, m, out_subshares,
                             out);
}

result share_refresh_parse(const char *field, uint32_t dealer, struct view bytes, unsigned t,
                           struct share_dealing *out) {
    const struct dealt_point point = at_zero();
    return share_dealing_parse(field, dealer, bytes, t, &point, out);
}

result share_refresh_apply(const struct public_key *public_key, const struct key_share *share,
                           const struct share_commitments *commitments,
                           const struct share_dealing dealings[], const struct subshare subshares[],
                           size_t count, struct key_share *out_share,
                           struct share_commitments *out_commitments) {
    *out_commitments = (struct share_commitments){0};
    TRY(share_dealing_check_pairs(dealings, subshares, count));
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    TRY(share_dealing_sum(commitments, dealings, count, &fresh));
    TRY(share_commitments_check(public_key, &fresh, commitments->t));
    TRY(share_dealing_add(share, subshares, count, out_share));
    TRY(share_check_fits(public_key, &fresh, out_share));
    *out_commitments = fresh;
    fresh = (struct share_commitments){0};
    return OK;
}
