/* Resharing: another (t, m) for the same key; old and new do not mix; liars are named. */
#include "share_care.h"

/* T dealers, from position `first` on, deal to m new servers. */
static void reshare_deal(size_t first, unsigned t, unsigned m, struct dealt *out) {
    *out = (struct dealt){.dealers = T, .receivers = m};
    for (size_t d = 0; d < T; d++)
        assert_int_equal(share_reshare_deal(&fixture.owner.public_key,
                                            &fixture.owner.shares[first + d], t, NULL, m,
                                            out->sub[d], &out->dealing[d]),
                         OK);
}

static result combine(const struct dealt *dealt, size_t receiver, struct key_share *out_share,
                      struct share_commitments *out) {
    struct subshare own[MANY];
    dealt_to(dealt, receiver, own);
    return share_reshare_combine(&fixture.owner.public_key, dealt->dealing, own, dealt->dealers, T,
                                 out_share, out);
}

static void combine_all(const struct dealt *dealt, struct key_share out_shares[MANY],
                        struct share_commitments *out) {
    *out = (struct share_commitments){0};
    for (size_t i = 0; i < dealt->receivers; i++) {
        struct share_commitments fresh;
        assert_int_equal(combine(dealt, i, &out_shares[i], &fresh), OK);
        if (i > 0)
            assert_true(same_commitments(&fresh, out));
        share_commitments_free(out);
        *out = fresh;
    }
}

static void assert_reshares(size_t first, unsigned t, unsigned m) {
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    AUTO_COMMITMENTS struct share_commitments computed = {0};
    struct key_share shares[MANY];
    reshare_deal(first, t, m, &dealt);
    combine_all(&dealt, shares, &fresh);
    assert_int_equal(fresh.t, t);
    for (size_t i = 0; i < m; i++)
        assert_int_equal(share_check(&fixture.owner.public_key, &fresh, t, m, &shares[i]), OK);
    for (size_t from = 0; from + t <= m; from++)
        assert_shares_work(&fixture.owner, &fresh, shares + from);
    assert_int_equal(
        share_reshare_commitments(&fixture.owner.public_key, dealt.dealing, T, T, &computed), OK);
    assert_true(same_commitments(&fresh, &computed));
    struct scalar a1;
    if (t > 1)
        assert_int_equal(key_recover(shares, t - 1, t - 1, &fixture.owner.public_key, &a1),
                         INTEGRITY);
}

static void test_other_thresholds_and_numbers(void **state) {
    (void)state;
    assert_reshares(0, 2, 3);
    assert_reshares(1, 5, 7);
    assert_reshares(2, T, M);
    assert_reshares(0, 4, 4);
    assert_reshares(0, 1, 2);
}

static void test_from_a_threshold_of_one(void **state) {
    (void)state;
    struct key_share whole, shares[3];
    AUTO_COMMITMENTS struct share_commitments before = {0};
    AUTO_COMMITMENTS struct share_commitments after = {0};
    AUTO_DEALING struct share_dealing dealing = {0};
    struct subshare subs[3];
    const struct public_key *key = &fixture.owner.public_key;
    assert_int_equal(share_keygen(&fixture.owner.secret, 1, 1, &whole, &before), OK);
    assert_int_equal(share_reshare_deal(key, &whole, 2, NULL, 3, subs, &dealing), OK);
    for (size_t i = 0; i < 3; i++) {
        share_commitments_free(&after);
        assert_int_equal(share_reshare_combine(key, &dealing, &subs[i], 1, 1, &shares[i], &after),
                         OK);
    }
    assert_shares_work(&fixture.owner, &after, shares + 1);
}

static void test_dealings_travel_as_bytes(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    uint8_t bytes[SHARE_DEALING_BYTES_MAX];
    reshare_deal(0, 4, 6, &dealt);
    share_dealing_to_bytes(&dealt.dealing[1], bytes);
    AUTO_DEALING struct share_dealing parsed = {0};
    AUTO_DEALING struct share_dealing other = {0};
    struct share_dealing refused;
    struct view view = {bytes, share_dealing_bytes(4)};
    assert_int_equal(
        share_reshare_parse("dealing", 2, &fixture.owner.commitments, view, 4, &parsed), OK);
    assert_true(same_commitments(&parsed.commitments, &dealt.dealing[1].commitments));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(share_dealing_check(&fixture.owner.public_key, &parsed, &dealt.sub[1][i]),
                         OK);
    /* As another dealer's, or of another user, it is of another share. */
    assert_int_equal(share_reshare_parse("dealing", 3, &fixture.owner.commitments, view, 4, &other),
                     OK);
    struct subshare sub = dealt.sub[1][0];
    sub.dealer = 3;
    assert_int_equal(share_dealing_check(&fixture.owner.public_key, &other, &sub), INTEGRITY);
    assert_int_equal(
        share_reshare_parse("dealing", 0, &fixture.owner.commitments, view, 4, &refused), INVALID);
}

/* A server that deals another value than its share: nobody's check passes. */
static void test_a_dealer_of_another_share(void **state) {
    (void)state;
    AUTO_DEALING struct share_dealing made = {0};
    AUTO_DEALING struct share_dealing received = {0};
    struct subshare subs[M];
    struct key_share wrong = fixture.owner.shares[0];
    uint8_t bytes[SHARE_DEALING_BYTES_MAX];
    bump(&wrong.s1);
    assert_int_equal(share_reshare_deal(&fixture.owner.public_key, &wrong, T, NULL, M, subs, &made),
                     OK);
    share_dealing_to_bytes(&made, bytes);
    assert_int_equal(share_reshare_parse("dealing", 1, &fixture.owner.commitments,
                                         view_of(bytes, share_dealing_bytes(T)), T, &received),
                     OK);
    for (size_t i = 0; i < M; i++) {
        assert_int_equal(share_dealing_check(&fixture.owner.public_key, &received, &subs[i]),
                         INTEGRITY);
        assert_error_says("key server 1 dealt a wrong sub-share");
    }
    /* Nor do commitments that were never computed from the old ones make a key. */
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    reshare_deal(0, T, M, &dealt);
    share_dealing_free(&dealt.dealing[0]);
    dealt.dealing[0] = made;
    made = (struct share_dealing){0};
    assert_int_equal(
        share_reshare_commitments(&fixture.owner.public_key, dealt.dealing, T, T, &fresh),
        INTEGRITY);
    assert_error_says("PK1");
}

static void test_a_wrong_subshare_is_found(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    struct key_share share;
    reshare_deal(0, T, M, &dealt);
    bump(&dealt.sub[2][3].value.s2);
    assert_int_equal(combine(&dealt, 3, &share, &fresh), INTEGRITY);
    assert_null(fresh.f1);
    assert_int_equal(
        share_dealing_check(&fixture.owner.public_key, &dealt.dealing[2], &dealt.sub[2][3]),
        INTEGRITY);
    assert_error_says("key server 3 dealt");
}

static void test_old_and_new_do_not_mix(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    struct key_share shares[MANY];
    struct scalar a1;
    reshare_deal(0, T, M, &dealt);
    combine_all(&dealt, shares, &fresh);
    shares[0] = fixture.owner.shares[0];
    assert_int_equal(key_recover(shares, T, T, &fixture.owner.public_key, &a1), INTEGRITY);
}

static void test_sets_that_must_not_be_used(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments fresh;
    struct key_share share;
    struct subshare own[MANY];
    const struct public_key *key = &fixture.owner.public_key;
    reshare_deal(0, T, M, &dealt);
    dealt_to(&dealt, 0, own);
    assert_int_equal(share_reshare_combine(key, dealt.dealing, own, T - 1, T, &share, &fresh),
                     QUORUM);
    assert_int_equal(share_reshare_combine(key, dealt.dealing, own, T, T - 1, &share, &fresh),
                     INVALID);
    assert_int_equal(share_reshare_commitments(key, dealt.dealing, 0, 0, &fresh), QUORUM);
    own[1] = dealt.sub[1][1];
    assert_int_equal(share_reshare_combine(key, dealt.dealing, own, T, T, &share, &fresh), INVALID);
    assert_error_says("for key server 2, not for 1");
    own[1] = own[0];
    assert_int_equal(share_reshare_combine(key, dealt.dealing, own, T, T, &share, &fresh), INVALID);
    dealt.dealing[1].dealer = 1;
    assert_int_equal(share_reshare_combine(key, dealt.dealing, own, T, T, &share, &fresh), INVALID);
    assert_error_says("given twice");
    struct subshare subs[M];
    struct share_dealing made;
    assert_int_equal(share_reshare_deal(key, &fixture.owner.shares[0], M + 1, NULL, M, subs, &made),
                     INVALID);
    assert_int_equal(share_reshare_deal(key, &fixture.owner.shares[0], 0, NULL, M, subs, &made),
                     INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_thresholds_and_numbers),
        cmocka_unit_test(test_from_a_threshold_of_one),
        cmocka_unit_test(test_dealings_travel_as_bytes),
        cmocka_unit_test(test_a_dealer_of_another_share),
        cmocka_unit_test(test_a_wrong_subshare_is_found),
        cmocka_unit_test(test_old_and_new_do_not_mix),
        cmocka_unit_test(test_sets_that_must_not_be_used),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
