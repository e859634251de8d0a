/* Replacement: a lost share comes back, nothing else shows, liars are named and left out. */
#include "share_care.h"

enum { LOST = 4, HELPERS = 4 };
static const uint32_t helpers[HELPERS] = {1, 2, 3, 5};

static void mask(size_t dealers, struct dealt *out) {
    *out = (struct dealt){.dealers = dealers, .receivers = HELPERS};
    for (size_t d = 0; d < dealers; d++)
        assert_int_equal(share_replace_deal(&fixture.owner.public_key, helpers[d], LOST, T, helpers,
                                            HELPERS, out->sub[d], &out->dealing[d]),
                         OK);
}

static void blind_all(const struct dealt *dealt, struct key_share out[HELPERS]) {
    for (size_t h = 0; h < HELPERS; h++) {
        struct subshare own[MANY];
        dealt_to(dealt, h, own);
        assert_int_equal(share_replace_blind(&fixture.owner.shares[helpers[h] - 1], T, own,
                                             dealt->dealers, &out[h]),
                         OK);
    }
}

static result combine(const struct key_share blinded[], size_t count, struct key_share *out) {
    return share_replace_combine(&fixture.owner.public_key, &fixture.owner.commitments, LOST,
                                 blinded, count, out);
}

static void test_the_lost_share_comes_back(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct key_share blinded[HELPERS], share;
    mask(HELPERS, &dealt);
    blind_all(&dealt, blinded);
    for (size_t first = 0; first + T <= HELPERS; first++) {
        assert_int_equal(combine(blinded + first, T, &share), OK);
        assert_int_equal(share.j, LOST);
        assert_true(scalar_equal(&share.s1, &fixture.owner.shares[LOST - 1].s1));
        assert_true(scalar_equal(&share.s2, &fixture.owner.shares[LOST - 1].s2));
    }
}

/* What the lost server sees is on polynomials that share nothing with f but the lost point. */
static void test_blinded_shares_say_nothing_else(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct key_share blinded[HELPERS];
    struct scalar lambda[T], sum = {0};
    mask(HELPERS, &dealt);
    blind_all(&dealt, blinded);
    for (size_t h = 0; h < HELPERS; h++) {
        assert_false(scalar_equal(&blinded[h].s1, &fixture.owner.shares[helpers[h] - 1].s1));
        assert_false(scalar_equal(&blinded[h].s2, &fixture.owner.shares[helpers[h] - 1].s2));
    }
    const uint32_t indices[T] = {1, 2, 3};
    assert_int_equal(lagrange_at_zero(indices, T, lambda), OK);
    for (size_t i = 0; i < T; i++) {
        struct scalar term;
        scalar_mul(&lambda[i], &blinded[i].s1, &term);
        scalar_add(&sum, &term, &sum);
    }
    assert_false(scalar_equal(&sum, &fixture.owner.secret.a1));
}

static void test_masks_travel_as_bytes(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    uint8_t bytes[SHARE_DEALING_BYTES_MAX];
    mask(1, &dealt);
    share_dealing_to_bytes(&dealt.dealing[0], bytes);
    AUTO_DEALING struct share_dealing parsed = {0};
    AUTO_DEALING struct share_dealing elsewhere = {0};
    struct share_dealing refused;
    struct view view = {bytes, share_dealing_bytes(T)};
    assert_int_equal(share_replace_parse("mask", 1, LOST, view, T, &parsed), OK);
    assert_true(same_commitments(&parsed.commitments, &dealt.dealing[0].commitments));
    for (size_t h = 0; h < HELPERS; h++)
        assert_int_equal(share_dealing_check(&fixture.owner.public_key, &parsed, &dealt.sub[0][h]),
                         OK);
    /* For another lost server it is another mask, which the sub-shares do not fit. */
    assert_int_equal(share_replace_parse("mask", 1, LOST + 1, view, T, &elsewhere), OK);
    assert_int_equal(share_dealing_check(&fixture.owner.public_key, &elsewhere, &dealt.sub[0][0]),
                     INTEGRITY);
    assert_int_equal(share_replace_parse("mask", 1, 0, view, T, &refused), INVALID);
    assert_int_equal(share_replace_parse("mask", 1, 256, view, T, &refused), INVALID);
}

static void test_a_lying_helper_is_found_and_left_out(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    struct key_share blinded[HELPERS], share;
    mask(HELPERS, &dealt);
    blind_all(&dealt, blinded);
    bump(&blinded[1].s1);
    assert_int_equal(combine(blinded, HELPERS, &share), INTEGRITY);
    assert_int_equal(
        share_replace_commitments(&fixture.owner.commitments, dealt.dealing, HELPERS, &commitments),
        OK);
    for (size_t h = 0; h < HELPERS; h++)
        assert_int_equal(share_check_fits(&fixture.owner.public_key, &commitments, &blinded[h]),
                         h == 1 ? INTEGRITY : OK);
    blinded[1] = blinded[3];
    assert_int_equal(combine(blinded, T, &share), OK);
    assert_true(scalar_equal(&share.s1, &fixture.owner.shares[LOST - 1].s1));
}

/* A mask that is wrong for one helper: he sees it, and the others agree to do without. */
static void test_a_lying_dealer_is_found_and_left_out(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct key_share blinded[HELPERS], share;
    mask(HELPERS, &dealt);
    bump(&dealt.sub[3][0].value.s1);
    assert_int_equal(
        share_dealing_check(&fixture.owner.public_key, &dealt.dealing[3], &dealt.sub[3][0]),
        INTEGRITY);
    assert_error_says("key server 5 dealt");
    share_dealing_free(&dealt.dealing[3]);
    dealt.dealers = 3;
    blind_all(&dealt, blinded);
    assert_int_equal(combine(blinded, T, &share), OK);
}

static void test_what_is_refused(void **state) {
    (void)state;
    AUTO_DEALT struct dealt dealt = {0};
    struct share_commitments commitments;
    struct key_share blinded[HELPERS], share;
    struct subshare subs[HELPERS], own[MANY];
    struct share_dealing made;
    const struct public_key *key = &fixture.owner.public_key;
    assert_int_equal(share_replace_deal(key, 1, 2, T, helpers, HELPERS, subs, &made), INVALID);
    assert_error_says("cannot help itself");
    assert_int_equal(share_replace_deal(key, 1, 0, T, helpers, HELPERS, subs, &made), INVALID);
    mask(HELPERS, &dealt);
    blind_all(&dealt, blinded);
    assert_int_equal(combine(blinded, T - 1, &share), QUORUM);
    blinded[1] = blinded[0];
    assert_int_equal(combine(blinded, T, &share), INVALID);
    dealt_to(&dealt, 0, own);
    assert_int_equal(share_replace_blind(&fixture.owner.shares[0], T, own, T - 1, &share), QUORUM);
    assert_int_equal(share_replace_blind(&fixture.owner.shares[1], T, own, T, &share), INVALID);
    own[1] = own[0];
    assert_int_equal(share_replace_blind(&fixture.owner.shares[0], T, own, T, &share), INVALID);
    assert_int_equal(
        share_replace_commitments(&fixture.owner.commitments, dealt.dealing, T - 1, &commitments),
        QUORUM);
}

/* With t = 1 all shares are the key itself, and masks hide nothing. */
static void test_one_helper_of_a_threshold_of_one(void **state) {
    (void)state;
    struct key_share shares[2], blinded, share;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    AUTO_DEALING struct share_dealing mask = {0};
    struct subshare sub;
    const uint32_t helper = 1;
    const struct public_key *key = &fixture.owner.public_key;
    assert_int_equal(share_keygen(&fixture.owner.secret, 1, 2, shares, &commitments), OK);
    assert_int_equal(share_replace_deal(key, 1, 2, 1, &helper, 1, &sub, &mask), OK);
    assert_int_equal(share_dealing_check(key, &mask, &sub), OK);
    assert_int_equal(share_replace_blind(&shares[0], 1, &sub, 1, &blinded), OK);
    assert_int_equal(share_replace_combine(key, &commitments, 2, &blinded, 1, &share), OK);
    assert_true(scalar_equal(&share.s1, &shares[1].s1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lost_share_comes_back),
        cmocka_unit_test(test_blinded_shares_say_nothing_else),
        cmocka_unit_test(test_masks_travel_as_bytes),
        cmocka_unit_test(test_a_lying_helper_is_found_and_left_out),
        cmocka_unit_test(test_a_lying_dealer_is_found_and_left_out),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_one_helper_of_a_threshold_of_one),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
