/* Scalars: canonical parsing, the field's laws, and hashing to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/secret.h"
#include "group/scalar.h"

static const char order[] = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
static const char order_less_one[] =
    "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000";

static result parse_hex(const char *digits, struct scalar *out) {
    uint8_t bytes[SCALAR_BYTES];
    assert_int_equal(hex_decode(digits, bytes, sizeof bytes), OK);
    return scalar_parse("coefficient", view_of(bytes, sizeof bytes), out);
}

static void test_parsing_is_canonical(void **state) {
    (void)state;
    struct scalar a, zero, one, sum;
    assert_int_equal(parse_hex(order, &a), PROTOCOL);
    assert_non_null(strstr(error_text(), "coefficient"));
    uint8_t all_ones[SCALAR_BYTES];
    memset(all_ones, 0xff, sizeof all_ones);
    assert_int_equal(scalar_parse("c", view_of(all_ones, sizeof all_ones), &a), PROTOCOL);
    assert_int_equal(parse_hex(order_less_one, &a), OK);
    scalar_from_u64(0, &zero);
    scalar_from_u64(1, &one);
    scalar_add(&a, &one, &sum);
    assert_true(scalar_is_zero(&sum));
    assert_true(scalar_equal(&sum, &zero));
}

static void test_zero_is_no_secret(void **state) {
    (void)state;
    uint8_t zero[SCALAR_BYTES] = {0};
    struct scalar a;
    assert_int_equal(scalar_parse("a1", view_of(zero, sizeof zero), &a), OK);
    assert_int_equal(scalar_parse_nonzero("a1", view_of(zero, sizeof zero), &a), PROTOCOL);
    assert_non_null(strstr(error_text(), "a1: is zero"));
}

static void test_wrong_lengths(void **state) {
    (void)state;
    uint8_t bytes[SCALAR_BYTES + 1] = {0};
    struct scalar a;
    assert_int_equal(scalar_parse("s1", view_of(bytes, 0), &a), PROTOCOL);
    assert_int_equal(scalar_parse("s1", view_of(bytes, SCALAR_BYTES - 1), &a), PROTOCOL);
    assert_int_equal(scalar_parse("s1", view_of(bytes, SCALAR_BYTES + 1), &a), PROTOCOL);
    assert_non_null(strstr(error_text(), "s1: 33 bytes, expected 32"));
}

static void test_bytes_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct scalar a, back;
        uint8_t bytes[SCALAR_BYTES];
        scalar_random(&a);
        assert_false(scalar_is_zero(&a));
        scalar_to_bytes(&a, bytes);
        assert_int_equal(scalar_parse("a", view_of(bytes, sizeof bytes), &back), OK);
        assert_true(scalar_equal(&a, &back));
    }
    struct scalar small;
    uint8_t bytes[SCALAR_BYTES], expected[SCALAR_BYTES] = {0};
    scalar_from_u64(0x0102030405060708, &small);
    scalar_to_bytes(&small, bytes);
    store_be64(expected + 24, 0x0102030405060708);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

static void test_field_laws(void **state) {
    (void)state;
    struct scalar a, b, one, inverse, left, right;
    scalar_random(&a);
    scalar_random(&b);
    scalar_from_u64(1, &one);
    scalar_inverse(&a, &inverse);
    scalar_mul(&a, &inverse, &left);
    assert_true(scalar_equal(&left, &one));
    scalar_add(&a, &b, &left);
    scalar_sub(&left, &b, &left);
    assert_true(scalar_equal(&left, &a));
    scalar_add(&a, &b, &left);
    scalar_mul(&left, &left, &left);
    struct scalar aa, bb, ab;
    scalar_mul(&a, &a, &aa);
    scalar_mul(&b, &b, &bb);
    scalar_mul(&a, &b, &ab);
    scalar_add(&aa, &bb, &right);
    scalar_add(&right, &ab, &right);
    scalar_add(&right, &ab, &right);
    assert_true(scalar_equal(&left, &right));
    struct scalar zero;
    scalar_from_u64(0, &zero);
    scalar_inverse(&zero, &inverse);
    assert_true(scalar_is_zero(&inverse));
}

static void test_hash_depends_on_domain_and_message(void **state) {
    (void)state;
    struct scalar a, same, other_domain, other_message, empty;
    scalar_hash("MYELIN-TEST-A", view_of_string("message"), &a);
    scalar_hash("MYELIN-TEST-A", view_of_string("message"), &same);
    scalar_hash("MYELIN-TEST-B", view_of_string("message"), &other_domain);
    scalar_hash("MYELIN-TEST-A", view_of_string("messagf"), &other_message);
    scalar_hash("MYELIN-TEST-A", view_of(NULL, 0), &empty);
    assert_true(scalar_equal(&a, &same));
    assert_false(scalar_equal(&a, &other_domain));
    assert_false(scalar_equal(&a, &other_message));
    assert_false(scalar_equal(&a, &empty));
}

static void test_wiped_scalars_are_zero(void **state) {
    (void)state;
    struct scalar a;
    scalar_random(&a);
    scalar_wipe(&a);
    assert_true(scalar_is_zero(&a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsing_is_canonical),
        cmocka_unit_test(test_zero_is_no_secret),
        cmocka_unit_test(test_wrong_lengths),
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_field_laws),
        cmocka_unit_test(test_hash_depends_on_domain_and_message),
        cmocka_unit_test(test_wiped_scalars_are_zero),
    };
    if (secret_start() != OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
