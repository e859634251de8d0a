/* Parsing of ciphertexts and codeword symbols: every field is checked, and the error names it. */
#include "scheme_fixture.h"

/* A valid symbol in bytes, for tests to spoil. */
struct wire {
    uint32_t b;
    struct ciphertext_bytes value;
    uint8_t coefficients[K][SCALAR_BYTES];
};

static void wire_make(struct wire *out) {
    out->b = 0;
    ciphertext_to_bytes(&fixture.symbols[0].value, &out->value);
    for (size_t i = 0; i < K; i++)
        scalar_to_bytes(&fixture.symbols[0].coefficients[i], out->coefficients[i]);
}

static result wire_parse(const struct wire *wire, size_t count, struct codeword_symbol *out) {
    struct view coefficients[K + 1];
    for (size_t i = 0; i < K + 1; i++)
        coefficients[i] = view_of(wire->coefficients[i < K ? i : 0], SCALAR_BYTES);
    return codeword_symbol_parse("storage-2", wire->b, view_of(wire->value.alpha, G1_BYTES),
                                 view_of(wire->value.beta, G2_BYTES),
                                 view_of(wire->value.gamma, GT_BYTES), coefficients, count, K, out);
}

static void assert_refused(const struct wire *wire, const char *words) {
    struct codeword_symbol symbol;
    assert_int_equal(wire_parse(wire, K, &symbol), PROTOCOL);
    assert_null(symbol.coefficients);
    assert_error_says("storage-2");
    assert_error_says(words);
}

static void test_round_trip(void **state) {
    (void)state;
    struct wire wire;
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    wire_make(&wire);
    assert_int_equal(wire_parse(&wire, K, &symbol), OK);
    assert_int_equal(symbol.k, K);
    assert_int_equal(symbol.value.b, 0);
    assert_true(g1_equal(&symbol.value.alpha, &fixture.symbols[0].value.alpha));
    assert_true(g2_equal(&symbol.value.beta, &fixture.symbols[0].value.beta));
    assert_true(gt_equal(&symbol.value.gamma, &fixture.symbols[0].value.gamma));
    for (size_t i = 0; i < K; i++)
        assert_true(scalar_equal(&symbol.coefficients[i], &fixture.symbols[0].coefficients[i]));
}

static void test_every_field_is_checked(void **state) {
    (void)state;
    struct wire wire;
    wire_make(&wire);
    wire.b = 2;
    assert_refused(&wire, "b = 2");
    wire_make(&wire);
    memset(wire.value.alpha, 0, sizeof wire.value.alpha);
    wire.value.alpha[0] = 0xc0;
    assert_refused(&wire, "alpha: is the identity");
    wire_make(&wire);
    wire.value.beta[0] &= 0x7f;
    assert_refused(&wire, "beta");
    wire_make(&wire);
    wire.value.gamma[100] ^= 1;
    assert_refused(&wire, "gamma");
    wire_make(&wire);
    memset(wire.value.gamma, 0, sizeof wire.value.gamma);
    wire.value.gamma[47] = 1;
    assert_refused(&wire, "gamma: is the identity");
    wire_make(&wire);
    memset(wire.coefficients[K - 1], 0xff, SCALAR_BYTES);
    assert_refused(&wire, "coefficient: not below the group order");
    wire_make(&wire);
    memset(wire.coefficients, 0, sizeof wire.coefficients);
    assert_refused(&wire, "all 3 coefficients are zero");
}

static void test_wrong_numbers_of_coefficients(void **state) {
    (void)state;
    struct wire wire;
    struct codeword_symbol symbol;
    wire_make(&wire);
    assert_int_equal(wire_parse(&wire, K - 1, &symbol), PROTOCOL);
    assert_error_says("storage-2: 2 coefficients, expected k = 3");
    assert_int_equal(wire_parse(&wire, K + 1, &symbol), PROTOCOL);
    assert_int_equal(wire_parse(&wire, 0, &symbol), PROTOCOL);
}

static void test_an_absent_block_has_no_bytes(void **state) {
    (void)state;
    struct ciphertext absent, back;
    struct ciphertext_bytes bytes;
    enc_absent(&fixture.tau, &absent);
    ciphertext_to_bytes(&absent, &bytes);
    assert_int_equal(ciphertext_parse("block", 0, view_of(bytes.alpha, G1_BYTES),
                                      view_of(bytes.beta, G2_BYTES), view_of(bytes.gamma, GT_BYTES),
                                      &back),
                     PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_field_is_checked),
        cmocka_unit_test(test_wrong_numbers_of_coefficients),
        cmocka_unit_test(test_an_absent_block_has_no_bytes),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
