/* Tokens: one per key and ID, any byte string an ID. */
#include "scheme_fixture.h"

static void test_tokens_depend_on_key_and_id(void **state) {
    (void)state;
    struct g2 same, other_id, other_key, empty;
    const struct scalar *a3 = &fixture.owner.secret.a3;
    assert_int_equal(token(a3, image_view(), &same), OK);
    assert_int_equal(token(a3, view_of_string("1.2.840.113619.2.55.4"), &other_id), OK);
    assert_int_equal(token(&fixture.recipient.secret.a3, image_view(), &other_key), OK);
    assert_int_equal(token(a3, view_of(NULL, 0), &empty), OK);
    assert_true(g2_equal(&same, &fixture.tau));
    assert_false(g2_equal(&same, &other_id));
    assert_false(g2_equal(&same, &other_key));
    assert_false(g2_equal(&same, &empty));
}

static void test_token_is_h_to_its_exponent(void **state) {
    (void)state;
    struct scalar f;
    struct g2 tau;
    assert_int_equal(token_exponent(&fixture.owner.secret.a3, image_view(), &f), OK);
    g2_exp_generator(&f, &tau);
    assert_true(g2_equal(&tau, &fixture.tau));
}

static void test_zero_bytes_and_length_matter(void **state) {
    (void)state;
    const uint8_t zeros[70000] = {0};
    const size_t lengths[] = {0, 1, 2, 1000, sizeof zeros};
    struct g2 tokens[5];
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(token(&fixture.owner.secret.a3, view_of(zeros, lengths[i]), &tokens[i]),
                         OK);
        for (size_t j = 0; j < i; j++)
            assert_false(g2_equal(&tokens[i], &tokens[j]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_depend_on_key_and_id),
        cmocka_unit_test(test_token_is_h_to_its_exponent),
        cmocka_unit_test(test_zero_bytes_and_length_matter),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
