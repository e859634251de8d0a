/* GT: only elements of the subgroup of order r other than 1 get in; all three exponentiations agree
 * with square-and-multiply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/secret.h"
#include "group/gt.h"

/* Has an order that divides the cyclotomic polynomial p^4 - p^2 + 1, but not r. */
static const char cyclotomic_only[] =
    "0a843c39d73080bb9afd229a0643f5455b1602597c7625c8d408756d9483c6f1f14770e2c56f1295e512d5b3"
    "fd8019d21610126a9c577434d4434be7e409b25e9e6c2051934bf962691eb7a5d25122226341429af3fb6c27"
    "91545dd8c76af209011c9afdd6a61a08a4513c15365ac793131f17bb9003086c2a14f713e76a66d7efd9ec36"
    "8ea992003f9252344b9c288d0a6645798587b452da7d5997839907f3fc75fe084c5ac1711bea4c6893097649"
    "082cf41daf94e8c7c769190acb601c36085ba6e85d9652d8fd97ce738e5f555906cda5deae0779ff31068a76"
    "35394803562fd5fe7f58865ef26b42842d28c3d600ec8b82be37a266fa5260e0688c042dfb2fec75d7b34364"
    "31e49306ad3e33449c2ebe4f6ea20db183f339d8e961787116d65cd19fbc6f7ef8ff55eb29077d202e7ae808"
    "638969c5b4acc500eb5f3d0d4040d8e7158f014d6bc256a4533fba0a00a5dabb5eec2a5f8b7b19d384e99a63"
    "50456c1d50de12bfbb15e3e977bc4f8b8eed5614410e4cd22dd2b02d709fcb4916600d2c91b6b456bf473ce3"
    "50dc772862387faf57b3fbd8bf8e2978d32a39b3c7b2510c5212ac5d8b54f561cd50da0301aee4d7138b972a"
    "97ea7f65002d1728ff0c148105e3453903bbb5a2066ebef4f1df68c66d656863481a9f8132d85ddd10352278"
    "2f60cbcedaa0901eb8fd19e8ee5001277ceb5b129dc871771b7be6f63a9db80def9ed7cad259968cff0a78a4"
    "0e05038fcb7c9f7aed77a02e3910dc16d91243155ab32a4fc4b5757931ac75a0fdcb648ee7adb373e34480f4"
    "5e7ea1f5";

static const char modulus[] = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
                              "1eabfffeb153ffffb9feffffffffaaab";

static void assert_refused(const uint8_t bytes[GT_BYTES], const char *why) {
    struct gt element;
    assert_int_equal(gt_parse("gamma", view_of(bytes, GT_BYTES), &element), PROTOCOL);
    assert_non_null(strstr(error_text(), "gamma"));
    if (strstr(error_text(), why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error_text(), why);
}

static void random_element(struct gt *out) {
    struct scalar s;
    scalar_random(&s);
    gt_exp_generator(&s, out);
}

/* The definition, bit by bit. */
static void plain_exp(const struct gt *base, const struct scalar *exponent, struct gt *out) {
    uint8_t e[SCALAR_BYTES];
    scalar_to_bytes(exponent, e);
    gt_identity(out);
    for (size_t bit = 0; bit < 256; bit++) {
        gt_mul(out, out, out);
        if (e[bit / 8] >> (7 - bit % 8) & 1)
            gt_mul(out, base, out);
    }
}

static void test_bytes_round_trip(void **state) {
    (void)state;
    struct gt element, back;
    uint8_t bytes[GT_BYTES];
    random_element(&element);
    gt_to_bytes(&element, bytes);
    assert_int_equal(gt_parse("gamma", view_of(bytes, sizeof bytes), &back), OK);
    assert_true(gt_equal(&element, &back));
    assert_int_equal(gt_parse("gamma", view_of(bytes, GT_BYTES - 1), &back), PROTOCOL);
    assert_int_equal(gt_parse("gamma", view_of(bytes, 0), &back), PROTOCOL);
    assert_non_null(strstr(error_text(), "gamma: 0 bytes, expected 576"));
}

static void test_one_and_zero_are_refused(void **state) {
    (void)state;
    uint8_t bytes[GT_BYTES] = {0};
    assert_refused(bytes, "subgroup");
    bytes[47] = 1;
    assert_refused(bytes, "identity");
    struct gt identity;
    uint8_t own[GT_BYTES];
    gt_identity(&identity);
    gt_to_bytes(&identity, own);
    assert_memory_equal(own, bytes, sizeof own);
}

static void test_elements_out_of_the_subgroup(void **state) {
    (void)state;
    uint8_t bytes[GT_BYTES] = {0};
    bytes[47] = 2;
    assert_refused(bytes, "subgroup");
    assert_int_equal(hex_decode(cyclotomic_only, bytes, sizeof bytes), OK);
    assert_refused(bytes, "subgroup");
    struct gt element;
    for (size_t i = 0; i < GT_BYTES; i += 31) { /* a flipped bit anywhere */
        random_element(&element);
        gt_to_bytes(&element, bytes);
        bytes[i] ^= 1;
        assert_refused(bytes, "");
    }
}

/* The same element written with a coordinate plus the modulus. */
static void test_encodings_that_are_not_canonical(void **state) {
    (void)state;
    uint8_t p[48];
    assert_int_equal(hex_decode(modulus, p, sizeof p), OK);
    for (size_t coordinate = 0; coordinate < 12; coordinate++) {
        struct gt element;
        uint8_t bytes[GT_BYTES];
        unsigned carry = 0;
        random_element(&element);
        gt_to_bytes(&element, bytes);
        for (size_t i = 48; i-- > 0;) {
            unsigned sum = bytes[coordinate * 48 + i] + p[i] + carry;
            bytes[coordinate * 48 + i] = (uint8_t)sum;
            carry = sum >> 8;
        }
        assert_refused(bytes, "canonical");
    }
}

static void check_exponent(const struct scalar *s) {
    struct gt base, expected, power;
    random_element(&base);
    plain_exp(&base, s, &expected);
    gt_exp(&base, s, &power);
    assert_true(gt_equal(&power, &expected));
    gt_exp_public(&base, s, &power);
    assert_true(gt_equal(&power, &expected));
    gt_generator(&base);
    plain_exp(&base, s, &expected);
    gt_exp_generator(s, &power);
    assert_true(gt_equal(&power, &expected));
}

static void test_exponents_at_the_edges(void **state) {
    (void)state;
    struct scalar s, zero, u, power_of_u, one;
    scalar_from_u64(0, &zero);
    scalar_from_u64(1, &one);
    for (uint64_t i = 0; i < 20; i++) {
        scalar_from_u64(i, &s);
        check_exponent(&s);
        scalar_sub(&zero, &s, &s);
        check_exponent(&s);
    }
    scalar_from_u64(UINT64_MAX, &s);
    check_exponent(&s);
    scalar_from_u64(0xd201000000010000, &u); /* the radix of the split */
    power_of_u = one;
    for (int i = 0; i < 5; i++) {
        scalar_sub(&power_of_u, &one, &s);
        check_exponent(&s);
        check_exponent(&power_of_u);
        scalar_add(&power_of_u, &one, &s);
        check_exponent(&s);
        scalar_mul(&power_of_u, &u, &power_of_u);
    }
}

static void test_random_exponents(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct scalar s;
        scalar_random(&s);
        check_exponent(&s);
    }
}

static void test_products_of_powers(void **state) {
    (void)state;
    enum { MOST = 11 };
    struct gt bases[MOST], expected, product, power;
    struct scalar exponents[MOST];
    gt_identity(&expected);
    for (size_t count = 0; count < MOST; count++) {
        gt_multi_exp_public(bases, exponents, count, &product);
        assert_true(gt_equal(&product, &expected));
        random_element(&bases[count]);
        scalar_random(&exponents[count]);
        if (count == 4)
            scalar_from_u64(0, &exponents[count]);
        if (count == 6)
            gt_identity(&bases[count]);
        plain_exp(&bases[count], &exponents[count], &power);
        gt_mul(&expected, &power, &expected);
    }
}

static void test_inverses(void **state) {
    (void)state;
    struct gt element, inverse;
    random_element(&element);
    gt_inverse(&element, &inverse);
    assert_false(gt_equal(&element, &inverse));
    gt_mul(&element, &inverse, &inverse);
    assert_true(gt_is_identity(&inverse));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_one_and_zero_are_refused),
        cmocka_unit_test(test_elements_out_of_the_subgroup),
        cmocka_unit_test(test_encodings_that_are_not_canonical),
        cmocka_unit_test(test_exponents_at_the_edges),
        cmocka_unit_test(test_random_exponents),
        cmocka_unit_test(test_products_of_powers),
        cmocka_unit_test(test_inverses),
    };
    if (secret_start() != OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
