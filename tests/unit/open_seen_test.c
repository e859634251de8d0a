/* Symbols that several key servers pass on: parsed once, the same for all, and never mixed up. */
#include "scheme_fixture.h"

#include "flow/open_seen.h"
#include "format/symbol.h"

static struct open_seen seen;

static int start(void **state) {
    (void)state;
    open_seen_init(&seen);
    return 0;
}

static int end(void **state) {
    (void)state;
    open_seen_free(&seen);
    return 0;
}

static Myelin__Symbol *message(unsigned number) {
    AUTO_BYTES struct bytes wire = {0};
    uint8_t hash[DIGEST_BYTES];
    Myelin__Symbol *symbol = NULL;
    assert_int_equal(format_symbol_pack(number, &fixture.symbols[number], &wire, hash), OK);
    assert_int_equal(format_parse_symbol(bytes_view(&wire), &symbol), OK);
    return symbol;
}

static void assert_is(const struct codeword_symbol *symbol, unsigned number) {
    const struct codeword_symbol *want = &fixture.symbols[number];
    assert_int_equal(symbol->k, K);
    assert_true(g1_equal(&symbol->value.alpha, &want->value.alpha));
    assert_true(g2_equal(&symbol->value.beta, &want->value.beta));
    assert_true(gt_equal(&symbol->value.gamma, &want->value.gamma));
    for (size_t i = 0; i < K; i++)
        assert_true(scalar_equal(&symbol->coefficients[i], &want->coefficients[i]));
}

static void test_each_is_parsed_once(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 2; i++) {
            AUTO_FORMAT Myelin__Symbol *symbol = message(i);
            AUTO_SYMBOL struct codeword_symbol parsed = {0};
            assert_int_equal(open_seen_parse(&seen, symbol, K, &parsed), OK);
            assert_is(&parsed, i);
            scalar_from_u64(5, &parsed.coefficients[0]); /* the others have copies of their own */
        }
    assert_int_equal(seen.count, 2);
}

static void test_what_is_wrong_is_refused_each_time(void **state) {
    (void)state;
    AUTO_FORMAT Myelin__Symbol *good = message(0), *bad = message(0);
    AUTO_SYMBOL struct codeword_symbol parsed = {0}, none = {0};
    assert_int_equal(open_seen_parse(&seen, good, K, &parsed), OK);
    bad->gamma.data[100] ^= 1;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(open_seen_parse(&seen, bad, K, &none), PROTOCOL);
        assert_null(none.coefficients);
    }
    assert_int_equal(open_seen_parse(&seen, good, K + 1, &none), PROTOCOL);
    assert_int_equal(seen.count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_parsed_once, start, end),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_is_refused_each_time, start, end),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
