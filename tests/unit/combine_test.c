/* Combine: any k symbols and any t partials open an envelope; fewer, or wrong ones, do not. */
#include "scheme_fixture.h"

static void test_any_k_symbols_and_any_t_partials(void **state) {
    (void)state;
    for (size_t first = 0; first + K <= N; first++) {
        const struct codeword_symbol *pointers[K];
        struct gt messages[K];
        struct g2 d;
        symbol_pointers(fixture.symbols, first, pointers);
        combined_d(&fixture.owner, 0, &fixture.tau, first % (M - T + 1), &d);
        assert_true(opens(pointers, &d));
        assert_int_equal(combine_messages(pointers, K, &d, messages), OK);
        for (size_t i = 0; i < K; i++)
            assert_true(gt_equal(&messages[i], &fixture.messages[i]));
    }
}

static void test_too_few_partials(void **state) {
    (void)state;
    struct partial partials[T];
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    for (size_t i = 0; i < T; i++)
        assert_int_equal(share_dec(&fixture.owner.shares[i], 0, &fixture.tau, &partials[i]), OK);
    assert_int_equal(combine_partials(partials, T - 1, T, &d), QUORUM);
    assert_error_says("2 partials, 3 are needed");
    /* Pretending that fewer were enough gives nothing either. */
    assert_int_equal(combine_partials(partials, T - 1, T - 1, &d), OK);
    symbol_pointers(fixture.symbols, 0, pointers);
    assert_false(opens(pointers, &d));
}

static void test_repeated_zero_and_wrong_partials(void **state) {
    (void)state;
    struct partial partials[T];
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    for (size_t i = 0; i < T; i++)
        assert_int_equal(share_dec(&fixture.owner.shares[i], 0, &fixture.tau, &partials[i]), OK);
    struct partial kept = partials[1];
    partials[1] = partials[0];
    assert_int_equal(combine_partials(partials, T, T, &d), INVALID);
    assert_error_says("share index 1: given twice");
    partials[1].j = 0;
    assert_int_equal(combine_partials(partials, T, T, &d), INVALID);
    partials[1].j = 256;
    assert_int_equal(combine_partials(partials, T, T, &d), INVALID);
    assert_int_equal(combine_partials(partials, T, 0, &d), INVALID);
    partials[1] = kept;
    g2_mul(&partials[1].d, &fixture.tau, &partials[1].d);
    assert_int_equal(combine_partials(partials, T, T, &d), OK);
    symbol_pointers(fixture.symbols, 0, pointers);
    assert_false(opens(pointers, &d));
}

static void test_too_few_symbols(void **state) {
    (void)state;
    const struct codeword_symbol *pointers[N];
    size_t chosen[K];
    struct gt product;
    struct g2 d;
    for (size_t j = 0; j < N; j++)
        pointers[j] = &fixture.symbols[j];
    assert_int_equal(combine_choose(pointers, K - 1, K, chosen), QUORUM);
    assert_error_says("2 codeword symbols, 3 are needed");
    combined_d(&fixture.owner, 0, &fixture.tau, 0, &d);
    assert_int_equal(combine_product(pointers, K - 1, &d, &product), INVALID);
    pointers[K - 1] = pointers[0]; /* k - 1 symbols, one of them twice */
    assert_int_equal(combine_product(pointers, K, &d, &product), CRYPTO);
}

static void test_singular_matrices_ask_for_another_symbol(void **state) {
    (void)state;
    const struct codeword_symbol *pointers[K + 1];
    struct gt product, messages[K];
    struct codeword_symbol dependent = {0};
    struct scalar coefficients[K];
    struct g2 d;
    size_t chosen[K];
    for (size_t i = 0; i < K; i++) /* the sum of the first two symbols' rows */
        scalar_add(&fixture.symbols[0].coefficients[i], &fixture.symbols[1].coefficients[i],
                   &coefficients[i]);
    assert_int_equal(encode(fixture.ciphertexts, coefficients, K, &dependent), OK);
    pointers[0] = &fixture.symbols[0];
    pointers[1] = &fixture.symbols[1];
    pointers[2] = &dependent;
    pointers[3] = &fixture.symbols[5];
    combined_d(&fixture.owner, 0, &fixture.tau, 0, &d);
    assert_int_equal(combine_product(pointers, K, &d, &product), CRYPTO);
    assert_error_says("another symbol is needed");
    assert_int_equal(combine_messages(pointers, K, &d, messages), CRYPTO);
    assert_error_says("another symbol is needed");
    assert_int_equal(combine_choose(pointers, K, K, chosen), CRYPTO);
    assert_error_says("another symbol is needed");
    assert_int_equal(combine_choose(pointers, K + 1, K, chosen), OK);
    assert_int_equal(chosen[0], 0);
    assert_int_equal(chosen[1], 1);
    assert_int_equal(chosen[2], 3);
    codeword_symbol_free(&dependent);
}

static void test_rows_that_need_a_swap(void **state) {
    (void)state;
    /* A permutation: every pivot but the last stands in a lower row. */
    struct codeword_symbol symbols[K] = {0};
    const struct codeword_symbol *pointers[K];
    struct gt messages[K];
    struct g2 d;
    for (size_t j = 0; j < K; j++) {
        struct scalar row[K] = {0};
        scalar_from_u64(5 + j, &row[K - 1 - j]);
        assert_int_equal(encode(fixture.ciphertexts, row, K, &symbols[j]), OK);
    }
    symbol_pointers(symbols, 0, pointers);
    combined_d(&fixture.owner, 0, &fixture.tau, 0, &d);
    assert_true(opens(pointers, &d));
    assert_int_equal(combine_messages(pointers, K, &d, messages), OK);
    for (size_t i = 0; i < K; i++) {
        assert_true(gt_equal(&messages[i], &fixture.messages[i]));
        codeword_symbol_free(&symbols[i]);
    }
}

static void test_symbols_of_two_envelopes(void **state) {
    (void)state;
    const struct codeword_symbol *pointers[K];
    struct codeword_symbol other = fixture.symbols[1]; /* borrows the coefficients */
    struct gt product;
    struct g2 d;
    size_t chosen[K];
    symbol_pointers(fixture.symbols, 0, pointers);
    pointers[1] = &other;
    combined_d(&fixture.owner, 0, &fixture.tau, 0, &d);
    g2_generator(&other.value.beta);
    assert_int_equal(combine_product(pointers, K, &d, &product), INVALID);
    assert_error_says("another envelope");
    assert_int_equal(combine_choose(pointers, K, K, chosen), INVALID);
    other = fixture.symbols[1];
    other.value.b = 1;
    assert_int_equal(combine_product(pointers, K, &d, &product), INVALID);
    other = fixture.symbols[1];
    other.k = K - 1;
    assert_int_equal(combine_product(pointers, K, &d, &product), INVALID);
    assert_int_equal(combine_product(pointers, 0, &d, &product), INVALID);
    assert_int_equal(combine_product(pointers, 256, &d, &product), INVALID);
}

static void test_a_strangers_key_servers(void **state) {
    (void)state;
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    symbol_pointers(fixture.symbols, 0, pointers);
    combined_d(&fixture.stranger, 0, &fixture.tau, 0, &d);
    assert_false(opens(pointers, &d));
    combined_d(&fixture.owner, 1, &fixture.tau, 0, &d); /* f2 instead of f1 */
    assert_false(opens(pointers, &d));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_k_symbols_and_any_t_partials),
        cmocka_unit_test(test_too_few_partials),
        cmocka_unit_test(test_repeated_zero_and_wrong_partials),
        cmocka_unit_test(test_too_few_symbols),
        cmocka_unit_test(test_singular_matrices_ask_for_another_symbol),
        cmocka_unit_test(test_rows_that_need_a_swap),
        cmocka_unit_test(test_symbols_of_two_envelopes),
        cmocka_unit_test(test_a_strangers_key_servers),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
