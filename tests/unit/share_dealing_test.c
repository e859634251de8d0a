/* Dealings and sub-shares as bytes, and every way in which a dealer can lie. */
#include "share_care.h"

static struct share_dealing dealing;
static struct subshare subs[M];

static int setup_dealing(void **state) {
    setup_fixture(state);
    assert_int_equal(share_refresh_deal(&fixture.owner.public_key, 2, T, NULL, M, subs, &dealing),
                     OK);
    return 0;
}

static int teardown_dealing(void **state) {
    share_dealing_free(&dealing);
    return teardown_fixture(state);
}

static result check(const struct share_dealing *of, const struct subshare *sub) {
    return share_dealing_check(&fixture.owner.public_key, of, sub);
}

static void test_bytes_and_back(void **state) {
    (void)state;
    uint8_t bytes[SHARE_DEALING_BYTES_MAX], again[SHARE_DEALING_BYTES_MAX];
    uint8_t sub_bytes[SUBSHARE_BYTES];
    size_t size = share_dealing_bytes(T);
    assert_int_equal(size, (T - 1) * (48 + 96));
    assert_int_equal(share_dealing_bytes(255), SHARE_DEALING_BYTES_MAX);
    share_dealing_to_bytes(&dealing, bytes);
    AUTO_DEALING struct share_dealing parsed = {0};
    assert_int_equal(share_refresh_parse("dealing", 2, view_of(bytes, size), T, &parsed), OK);
    assert_int_equal(parsed.dealer, 2);
    assert_true(same_commitments(&parsed.commitments, &dealing.commitments));
    share_dealing_to_bytes(&parsed, again);
    assert_memory_equal(bytes, again, size);
    for (uint32_t i = 0; i < M; i++) {
        struct subshare sub;
        subshare_to_bytes(&subs[i], sub_bytes);
        assert_int_equal(subshare_parse("sub-share", 2, i + 1, view_of(sub_bytes, 64), &sub), OK);
        assert_int_equal(check(&parsed, &sub), OK);
    }
}

static void assert_refused(const uint8_t bytes[], size_t size, uint32_t dealer, unsigned t,
                           result expected, const char *words) {
    struct share_dealing parsed;
    assert_int_equal(share_refresh_parse("dealing", dealer, view_of(bytes, size), t, &parsed),
                     expected);
    assert_error_says(words);
    assert_null(parsed.commitments.f1);
}

static void test_dealings_that_do_not_parse(void **state) {
    (void)state;
    uint8_t bytes[SHARE_DEALING_BYTES_MAX] = {0}, changed[SHARE_DEALING_BYTES_MAX];
    size_t size = share_dealing_bytes(T);
    share_dealing_to_bytes(&dealing, bytes);
    assert_refused(bytes, size - 1, 2, T, PROTOCOL, "dealing: 287 bytes, expected 288");
    assert_refused(bytes, size + 1, 2, T, PROTOCOL, "expected 288");
    assert_refused(bytes, 0, 2, T, PROTOCOL, "expected 288");
    assert_refused(bytes, size, 2, T + 1, PROTOCOL, "expected 432");
    assert_refused(bytes, size, 2, 0, INVALID, "t = 0");
    assert_refused(bytes, size, 2, 256, INVALID, "t = 256");
    assert_refused(bytes, size, 0, T, INVALID, "dealer's index 0");
    assert_refused(bytes, size, 256, T, INVALID, "dealer's index 256");
    memcpy(changed, bytes, size);
    changed[47] ^= 1;
    assert_refused(changed, size, 2, T, PROTOCOL, "dealing: d1");
    memcpy(changed, bytes, size);
    memset(changed + size - G2_BYTES, 0, G2_BYTES);
    changed[size - G2_BYTES] = 0xc0; /* the identity: a polynomial of a lower degree */
    assert_refused(changed, size, 2, T, PROTOCOL, "dealing: d2: is the identity");
}

static void test_subshares_that_do_not_parse(void **state) {
    (void)state;
    uint8_t bytes[SUBSHARE_BYTES + 1] = {0};
    struct subshare sub;
    subshare_to_bytes(&subs[0], bytes);
    assert_int_equal(subshare_parse("x", 2, 1, view_of(bytes, 63), &sub), PROTOCOL);
    assert_int_equal(subshare_parse("x", 2, 1, view_of(bytes, 65), &sub), PROTOCOL);
    assert_int_equal(subshare_parse("x", 0, 1, view_of(bytes, 64), &sub), INVALID);
    assert_int_equal(subshare_parse("x", 2, 0, view_of(bytes, 64), &sub), INVALID);
    assert_int_equal(subshare_parse("x", 2, 256, view_of(bytes, 64), &sub), INVALID);
    memset(bytes + SCALAR_BYTES, 0xff, SCALAR_BYTES);
    assert_int_equal(subshare_parse("x", 2, 1, view_of(bytes, 64), &sub), PROTOCOL);
    assert_error_says("x: d2");
}

static void test_wrong_subshares_are_named(void **state) {
    (void)state;
    struct subshare sub = subs[3];
    bump(&sub.value.s1);
    assert_int_equal(check(&dealing, &sub), INTEGRITY);
    assert_error_says("key server 2 dealt a wrong sub-share: share 4: f1(4)");
    sub = subs[3];
    bump(&sub.value.s2);
    assert_int_equal(check(&dealing, &sub), INTEGRITY);
    assert_error_says("f2(4)");
    sub = subs[3];
    sub.value.j = 3; /* another receiver's */
    assert_int_equal(check(&dealing, &sub), INTEGRITY);
    sub = subs[3];
    sub.dealer = 1;
    assert_int_equal(check(&dealing, &sub), INVALID);
    assert_int_equal(share_dealing_check(&fixture.recipient.public_key, &dealing, &subs[3]),
                     INTEGRITY); /* another user's key */
}

/* A dealer may choose polynomials that are zero for a receiver too: a share like any other. */
static void test_zero_is_a_subshare(void **state) {
    (void)state;
    AUTO_DEALING struct share_dealing zero_at_1 = {0};
    struct subshare sub;
    const struct key_share value = {.j = 1};
    struct dealt_point point = {.x = 1};
    g1_identity(&point.f1);
    g2_identity(&point.f2);
    const uint32_t receiver = 1;
    assert_int_equal(share_dealing_new(&fixture.owner.public_key, 2, T, &value, &point, &receiver,
                                       1, &sub, &zero_at_1),
                     OK);
    assert_true(scalar_is_zero(&sub.value.s1) && scalar_is_zero(&sub.value.s2));
    assert_int_equal(check(&zero_at_1, &sub), OK);
    bump(&sub.value.s1);
    assert_int_equal(check(&zero_at_1, &sub), INTEGRITY);
}

/* The same bytes mean another polynomial where another purpose was agreed on. */
static void test_no_dealing_serves_two_purposes(void **state) {
    (void)state;
    uint8_t bytes[SHARE_DEALING_BYTES_MAX];
    struct view view = {bytes, share_dealing_bytes(T)};
    share_dealing_to_bytes(&dealing, bytes);
    AUTO_DEALING struct share_dealing replace = {0};
    AUTO_DEALING struct share_dealing reshare = {0};
    assert_int_equal(share_replace_parse("dealing", 2, 5, view, T, &replace), OK);
    assert_int_equal(check(&replace, &subs[0]), INTEGRITY);
    assert_int_equal(
        share_reshare_parse("dealing", 2, &fixture.owner.commitments, view, T, &reshare), OK);
    assert_int_equal(check(&reshare, &subs[0]), INTEGRITY);
}

static void test_indices_out_of_bounds(void **state) {
    (void)state;
    struct subshare out[M];
    struct share_dealing made;
    const struct public_key *own = &fixture.owner.public_key;
    assert_int_equal(share_refresh_deal(own, 0, T, NULL, M, out, &made), INVALID);
    assert_int_equal(share_refresh_deal(own, 256, T, NULL, M, out, &made), INVALID);
    assert_int_equal(share_refresh_deal(own, 1, M + 1, NULL, M, out, &made), INVALID);
    assert_int_equal(share_refresh_deal(own, 1, 0, NULL, M, out, &made), INVALID);
    assert_int_equal(share_refresh_deal(own, 1, 1, NULL, M, out, &made), INVALID);
    assert_error_says("t = 1");
    const uint32_t helpers[] = {1, 0};
    assert_int_equal(share_replace_deal(own, 1, 5, T, helpers, 2, out, &made), INVALID);
    assert_error_says("receiver's index 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_and_back),
        cmocka_unit_test(test_dealings_that_do_not_parse),
        cmocka_unit_test(test_subshares_that_do_not_parse),
        cmocka_unit_test(test_wrong_subshares_are_named),
        cmocka_unit_test(test_zero_is_a_subshare),
        cmocka_unit_test(test_no_dealing_serves_two_purposes),
        cmocka_unit_test(test_indices_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, setup_dealing, teardown_dealing);
}
