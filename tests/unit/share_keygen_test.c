/* ShareKeyGen and KeyRecover: shares fit their commitments, t of them recover a1, and no less. */
#include "scheme_fixture.h"

static result check(const struct key_share *share) {
    return share_check(&fixture.owner.public_key, &fixture.owner.commitments, T, M, share);
}

static void test_every_share_fits(void **state) {
    (void)state;
    for (size_t i = 0; i < M; i++) {
        assert_int_equal(fixture.owner.shares[i].j, i + 1);
        assert_int_equal(check(&fixture.owner.shares[i]), OK);
    }
}

static void test_wrong_shares(void **state) {
    (void)state;
    struct scalar one;
    scalar_from_u64(1, &one);
    struct key_share share = fixture.owner.shares[1];
    scalar_add(&share.s1, &one, &share.s1);
    assert_int_equal(check(&share), INTEGRITY);
    assert_error_says("share 2: f1(2)");
    share = fixture.owner.shares[1];
    scalar_add(&share.s2, &one, &share.s2);
    assert_int_equal(check(&share), INTEGRITY);
    assert_error_says("share 2: f2(2)");
    share = fixture.owner.shares[1];
    share.j = 3; /* another server's share */
    assert_int_equal(check(&share), INTEGRITY);
    assert_int_equal(check(&fixture.recipient.shares[1]), INTEGRITY);
}

static void test_wrong_indices(void **state) {
    (void)state;
    struct key_share share = fixture.owner.shares[0];
    const uint32_t wrong[] = {0, M + 1, 256, 257, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        share.j = wrong[i];
        assert_int_equal(check(&share), INVALID);
        assert_error_says("share index");
    }
    struct g1 in_g1;
    struct g2 in_g2;
    assert_int_equal(share_public_f1(&fixture.owner.commitments, 0, &in_g1), INVALID);
    assert_int_equal(share_public_f1(&fixture.owner.commitments, 256, &in_g1), INVALID);
    assert_int_equal(share_public_f2(&fixture.owner.commitments, 0, &in_g2), INVALID);
}

static void test_commitments_of_another_key_or_number(void **state) {
    (void)state;
    const struct share_commitments *own = &fixture.owner.commitments;
    assert_int_equal(share_commitments_check(&fixture.owner.public_key, own, T), OK);
    assert_int_equal(share_commitments_check(&fixture.recipient.public_key, own, T), INTEGRITY);
    assert_error_says("PK1");
    assert_int_equal(share_commitments_check(&fixture.owner.public_key, own, T - 1), PROTOCOL);
    assert_int_equal(share_commitments_check(&fixture.owner.public_key, own, T + 1), PROTOCOL);
    AUTO_COMMITMENTS struct share_commitments changed = {0};
    assert_int_equal(share_commitments_new(T, &changed), OK);
    memcpy(changed.f1, own->f1, T * sizeof *own->f1);
    memcpy(changed.f2, own->f2, T * sizeof *own->f2);
    changed.f2[0] = changed.f2[1];
    assert_int_equal(share_commitments_check(&fixture.owner.public_key, &changed, T), INTEGRITY);
    assert_error_says("not h");
}

static void test_polynomials_are_independent(void **state) {
    (void)state;
    /* With the paper's choice, the same coefficients, f1(j) - f2(j) would be a1 - 1/a2 for all j.
     */
    struct scalar first, other;
    scalar_sub(&fixture.owner.shares[0].s1, &fixture.owner.shares[0].s2, &first);
    for (size_t i = 1; i < M; i++) {
        scalar_sub(&fixture.owner.shares[i].s1, &fixture.owner.shares[i].s2, &other);
        assert_false(scalar_equal(&first, &other));
    }
}

static void test_thresholds_out_of_bounds(void **state) {
    (void)state;
    struct key_share shares[M];
    struct share_commitments commitments;
    assert_int_equal(share_keygen(&fixture.owner.secret, 0, M, shares, &commitments), INVALID);
    assert_int_equal(share_keygen(&fixture.owner.secret, M + 1, M, shares, &commitments), INVALID);
    assert_int_equal(share_keygen(&fixture.owner.secret, 1, 256, shares, &commitments), INVALID);
    assert_int_equal(share_commitments_new(0, &commitments), INVALID);
    assert_int_equal(share_commitments_new(256, &commitments), INVALID);
}

static void test_one_of_one(void **state) {
    (void)state;
    struct key_share share;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    assert_int_equal(share_keygen(&fixture.owner.secret, 1, 1, &share, &commitments), OK);
    assert_true(scalar_equal(&share.s1, &fixture.owner.secret.a1));
    assert_int_equal(share_check(&fixture.owner.public_key, &commitments, 1, 1, &share), OK);
}

static void test_any_t_shares_recover_a1(void **state) {
    (void)state;
    for (size_t first = 0; first + T <= M; first++) {
        struct scalar a1;
        assert_int_equal(
            key_recover(fixture.owner.shares + first, T, T, &fixture.owner.public_key, &a1), OK);
        assert_true(scalar_equal(&a1, &fixture.owner.secret.a1));
    }
}

static void test_too_few_or_wrong_shares_recover_nothing(void **state) {
    (void)state;
    struct scalar a1;
    const struct public_key *own = &fixture.owner.public_key;
    assert_int_equal(key_recover(fixture.owner.shares, T - 1, T, own, &a1), QUORUM);
    assert_int_equal(key_recover(fixture.owner.shares, T - 1, T - 1, own, &a1), INTEGRITY);
    struct key_share shares[T];
    memcpy(shares, fixture.owner.shares, sizeof shares);
    shares[2] = shares[0];
    assert_int_equal(key_recover(shares, T, T, own, &a1), INVALID);
    assert_error_says("given twice");
    shares[2].j = 0;
    assert_int_equal(key_recover(shares, T, T, own, &a1), INVALID);
    shares[2] = fixture.recipient.shares[2];
    assert_int_equal(key_recover(shares, T, T, own, &a1), INTEGRITY);
    assert_int_equal(key_recover(fixture.owner.shares, T, T, &fixture.recipient.public_key, &a1),
                     INTEGRITY);
    assert_int_equal(key_recover(fixture.owner.shares, T, 0, own, &a1), INVALID);
}

static void test_a_wrong_first_share_is_told_from_the_right_ones(void **state) {
    (void)state;
    const struct share_commitments *own = &fixture.owner.commitments;
    for (size_t i = 0; i < M; i++) {
        struct key_share share = fixture.owner.shares[i];
        memset(&share.s2, 0, sizeof share.s2); /* not looked at: only f1(j) was asked for */
        assert_int_equal(key_recover_check(own, &share), OK);
        share.j = share.j % M + 1;
        assert_int_equal(key_recover_check(own, &share), INTEGRITY);
        assert_int_equal(key_recover_check(own, &fixture.recipient.shares[i]), INTEGRITY);
    }
    struct key_share outside = fixture.owner.shares[0];
    outside.j = 0;
    assert_int_equal(key_recover_check(own, &outside), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_share_fits),
        cmocka_unit_test(test_wrong_shares),
        cmocka_unit_test(test_wrong_indices),
        cmocka_unit_test(test_commitments_of_another_key_or_number),
        cmocka_unit_test(test_polynomials_are_independent),
        cmocka_unit_test(test_thresholds_out_of_bounds),
        cmocka_unit_test(test_one_of_one),
        cmocka_unit_test(test_any_t_shares_recover_a1),
        cmocka_unit_test(test_too_few_or_wrong_shares_recover_nothing),
        cmocka_unit_test(test_a_wrong_first_share_is_told_from_the_right_ones),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
