/* Encode: absent blocks join with coefficient 0, and only one image's blocks join at all. */
#include "scheme_fixture.h"

static void test_absent_blocks(void **state) {
    (void)state;
    /* Servers hold blocks {0,1}, {1,2} and {2,0}: three symbols still decode. */
    struct codeword_symbol symbols[K] = {0};
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    for (size_t j = 0; j < K; j++) {
        struct ciphertext blocks[K];
        struct scalar coefficients[K];
        bool present[K];
        for (size_t i = 0; i < K; i++) {
            present[i] = i == j || i == (j + 1) % K;
            if (present[i])
                blocks[i] = fixture.ciphertexts[i];
            else
                enc_absent(&fixture.tau, &blocks[i]);
        }
        encode_coefficients(present, K, coefficients);
        for (size_t i = 0; i < K; i++)
            assert_int_equal(scalar_is_zero(&coefficients[i]), !present[i]);
        assert_int_equal(encode(blocks, coefficients, K, &symbols[j]), OK);
    }
    symbol_pointers(symbols, 0, pointers);
    combined_d(&fixture.owner, 0, &fixture.tau, 0, &d);
    assert_true(opens(pointers, &d));
    for (size_t j = 0; j < K; j++)
        codeword_symbol_free(&symbols[j]);
}

static void assert_refused(const struct ciphertext blocks[K], const struct scalar coefficients[K],
                           const char *words) {
    struct codeword_symbol symbol;
    assert_int_equal(encode(blocks, coefficients, K, &symbol), INVALID);
    assert_null(symbol.coefficients);
    assert_error_says(words);
}

static void test_what_cannot_be_encoded(void **state) {
    (void)state;
    struct ciphertext blocks[K];
    struct scalar coefficients[K];
    encode_coefficients(NULL, K, coefficients);
    memcpy(blocks, fixture.ciphertexts, sizeof blocks);
    enc_absent(&fixture.tau, &blocks[1]);
    assert_refused(blocks, coefficients, "absent");
    memcpy(blocks, fixture.ciphertexts, sizeof blocks);
    blocks[2].b = 1;
    assert_refused(blocks, coefficients, "block 2: re-encrypted");
    memcpy(blocks, fixture.ciphertexts, sizeof blocks);
    g2_generator(&blocks[1].beta);
    assert_refused(blocks, coefficients, "another image");
    memset(coefficients, 0, sizeof coefficients);
    assert_refused(fixture.ciphertexts, coefficients, "zero");
}

static void test_symbol_is_the_product_of_powers(void **state) {
    (void)state;
    struct g1 alpha, factor1;
    struct gt gamma, factor2;
    g1_identity(&alpha);
    gt_identity(&gamma);
    for (size_t i = 0; i < K; i++) {
        g1_exp(&fixture.ciphertexts[i].alpha, &fixture.symbols[4].coefficients[i], &factor1);
        gt_exp(&fixture.ciphertexts[i].gamma, &fixture.symbols[4].coefficients[i], &factor2);
        g1_mul(&alpha, &factor1, &alpha);
        gt_mul(&gamma, &factor2, &gamma);
    }
    assert_true(g1_equal(&alpha, &fixture.symbols[4].value.alpha));
    assert_true(gt_equal(&gamma, &fixture.symbols[4].value.gamma));
    assert_true(g2_equal(&fixture.tau, &fixture.symbols[4].value.beta));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent_blocks),
        cmocka_unit_test(test_what_cannot_be_encoded),
        cmocka_unit_test(test_symbol_is_the_product_of_powers),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
