/* The content key: the same for owner and readers, bound to the token, committed to. */
#include "scheme_fixture.h"

static void test_key_depends_on_product_and_token(void **state) {
    (void)state;
    uint8_t key[CONTENT_KEY_BYTES], same[CONTENT_KEY_BYTES], other[CONTENT_KEY_BYTES];
    struct g2 other_tau;
    content_key(&fixture.product, &fixture.tau, key);
    content_key(&fixture.product, &fixture.tau, same);
    assert_memory_equal(key, same, sizeof key);
    g2_generator(&other_tau);
    content_key(&fixture.product, &other_tau, other);
    assert_memory_not_equal(key, other, sizeof key);
    content_key(&fixture.messages[0], &fixture.tau, other);
    assert_memory_not_equal(key, other, sizeof key);
}

static void test_owner_and_reader_get_the_same(void **state) {
    (void)state;
    const struct codeword_symbol *pointers[K];
    uint8_t owners[CONTENT_KEY_BYTES], readers[CONTENT_KEY_BYTES];
    struct gt product;
    struct g2 d;
    symbol_pointers(fixture.symbols, 2, pointers);
    combined_d(&fixture.owner, 0, &fixture.tau, 1, &d);
    assert_int_equal(combine_product(pointers, K, &d, &product), OK);
    content_key(&product, &fixture.tau, readers);
    content_key(&fixture.product, &fixture.tau, owners);
    assert_memory_equal(owners, readers, sizeof owners);
}

static void test_commitment(void **state) {
    (void)state;
    uint8_t key[CONTENT_KEY_BYTES], commitment[KEY_COMMITMENT_BYTES];
    content_key(&fixture.product, &fixture.tau, key);
    content_key_commitment(key, commitment);
    assert_memory_not_equal(key, commitment, sizeof key);
    assert_int_equal(content_key_check(key, commitment), OK);
    key[31] ^= 1;
    assert_int_equal(content_key_check(key, commitment), INTEGRITY);
    key[31] ^= 1;
    commitment[0] ^= 0x80;
    assert_int_equal(content_key_check(key, commitment), INTEGRITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_depends_on_product_and_token),
        cmocka_unit_test(test_owner_and_reader_get_the_same),
        cmocka_unit_test(test_commitment),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
