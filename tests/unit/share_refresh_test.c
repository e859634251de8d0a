/* Refresh: the same key under new shares; generations do not mix; liars are named and left out. */
#include "share_care.h"

static void refresh_deal(const struct person *person, size_t dealers, struct dealt *out) {
    *out = (struct dealt){.dealers = dealers, .receivers = M};
    for (uint32_t d = 0; d < dealers; d++)
        assert_int_equal(share_refresh_deal(&person->public_key, d + 1, T, NULL, M, out->sub[d],
                                            &out->dealing[d]),
                         OK);
}

static result apply(const struct dealt *dealt, size_t receiver, struct key_share *out_share,
                    struct share_commitments *out) {
    struct subshare own[MANY];
    dealt_to(dealt, receiver, own);
    return share_refresh_apply(&fixture.owner.public_key, &fixture.owner.shares[receiver],
                               &fixture.owner.commitments, dealt->dealing, own, dealt->dealers,
                               out_share, out);
}

static void refresh_all(const struct dealt *dealt, struct key_share out_shares[M],
                        struct share_commitments *out) {
    *out = (struct share_commitments){0};
    for (size_t i = 0; i < M; i++) {
        struct share_commitments fresh;
        assert_int_equal(apply(dealt, i, &out_shares[i], &fresh), OK);
        if (i > 0)
            assert_true(same_commitments(&fresh, out));
        share_commitments_free(out);
        *out = fresh;
    }
}

static void test_new_shares_of_the_same_key(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    struct key_share shares[M];
    refresh_deal(&fixture.owner, M, &dealt);
    refresh_all(&dealt, shares, &fresh);
    for (size_t i = 0; i < M; i++) {
        assert_int_equal(share_check(&fixture.owner.public_key, &fresh, T, M, &shares[i]), OK);
        assert_false(scalar_equal(&shares[i].s1, &fixture.owner.shares[i].s1));
        assert_false(scalar_equal(&shares[i].s2, &fixture.owner.shares[i].s2));
    }
    for (size_t first = 0; first + T <= M; first++)
        assert_shares_work(&fixture.owner, &fresh, shares + first);
    struct scalar a1;
    assert_int_equal(key_recover(shares, M, T, &fixture.owner.public_key, &a1), OK);
    assert_true(scalar_equal(&a1, &fixture.owner.secret.a1));
}

/* An image that was stored before opens after. */
static void test_old_images_open(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    struct person later = fixture.owner;
    refresh_deal(&fixture.owner, T, &dealt);
    refresh_all(&dealt, later.shares, &fresh);
    const struct codeword_symbol *symbols[K];
    struct g2 d;
    combined_d(&later, 0, &fixture.tau, 2, &d);
    symbol_pointers(fixture.symbols, 1, symbols);
    assert_true(opens(symbols, &d));
}

static void test_generations_do_not_mix(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    struct key_share shares[M];
    struct scalar a1;
    refresh_deal(&fixture.owner, T, &dealt);
    refresh_all(&dealt, shares, &fresh);
    for (size_t old = 1; old < T; old++) {
        struct key_share mixed[T];
        memcpy(mixed, shares, sizeof mixed);
        memcpy(mixed, fixture.owner.shares, old * sizeof *mixed);
        assert_int_equal(key_recover(mixed, T, T, &fixture.owner.public_key, &a1), INTEGRITY);
    }
    assert_int_equal(share_check(&fixture.owner.public_key, &fresh, T, M, &fixture.owner.shares[0]),
                     INTEGRITY);
}

static void test_a_wrong_subshare_is_found_and_left_out(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    struct key_share share;
    refresh_deal(&fixture.owner, M, &dealt);
    bump(&dealt.sub[4][1].value.s2);
    assert_int_equal(apply(&dealt, 1, &share, &fresh), INTEGRITY);
    assert_null(fresh.f1);
    for (size_t d = 0; d < M; d++)
        assert_int_equal(
            share_dealing_check(&fixture.owner.public_key, &dealt.dealing[d], &dealt.sub[d][1]),
            d == 4 ? INTEGRITY : OK);
    /* Without the liar, the fifth, it works. */
    struct key_share shares[M];
    share_dealing_free(&dealt.dealing[4]);
    dealt.dealers = 4;
    refresh_all(&dealt, shares, &fresh);
    assert_shares_work(&fixture.owner, &fresh, shares + 2);
}

static void test_sets_that_must_not_be_used(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    struct key_share share;
    refresh_deal(&fixture.owner, M, &dealt);
    dealt.dealers = T - 1;
    assert_int_equal(apply(&dealt, 0, &share, &fresh), QUORUM);
    assert_error_says("2 key servers dealt, 3 are needed");
    dealt.dealers = M;
    struct subshare own[MANY];
    dealt_to(&dealt, 1, own); /* the second server's, for the first */
    assert_int_equal(share_refresh_apply(&fixture.owner.public_key, &fixture.owner.shares[0],
                                         &fixture.owner.commitments, dealt.dealing, own, M, &share,
                                         &fresh),
                     INVALID);
    assert_error_says("for key server 2, not for 1");
    dealt_to(&dealt, 0, own);
    struct subshare swapped = own[0];
    own[0] = own[1];
    own[1] = swapped;
    assert_int_equal(share_refresh_apply(&fixture.owner.public_key, &fixture.owner.shares[0],
                                         &fixture.owner.commitments, dealt.dealing, own, M, &share,
                                         &fresh),
                     INVALID);
    dealt.dealing[1].dealer = dealt.sub[1][0].dealer = 1;
    assert_int_equal(apply(&dealt, 0, &share, &fresh), INVALID);
    assert_error_says("two dealings");
}

static void test_another_thresholds_dealing(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    struct key_share share;
    refresh_deal(&fixture.owner, T, &dealt);
    share_dealing_free(&dealt.dealing[1]);
    assert_int_equal(share_refresh_deal(&fixture.owner.public_key, 2, T + 1, NULL, M, dealt.sub[1],
                                        &dealt.dealing[1]),
                     OK);
    assert_int_equal(apply(&dealt, 0, &share, &fresh), INVALID);
    assert_error_says("dealt for t = 4, expected 3");
}

static void test_another_users_dealing(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    struct key_share share;
    refresh_deal(&fixture.recipient, T, &dealt);
    assert_int_equal(apply(&dealt, 0, &share, &fresh), INTEGRITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_shares_of_the_same_key),
        cmocka_unit_test(test_old_images_open),
        cmocka_unit_test(test_generations_do_not_mix),
        cmocka_unit_test(test_a_wrong_subshare_is_found_and_left_out),
        cmocka_unit_test(test_sets_that_must_not_be_used),
        cmocka_unit_test(test_another_thresholds_dealing),
        cmocka_unit_test(test_another_users_dealing),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
