/* G2: only points of the subgroup of order r get in, and the group's laws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/secret.h"
#include "group/g2.h"

/* The field's modulus. */
static const char modulus[] = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
                              "1eabfffeb153ffffb9feffffffffaaab";

static result parse(const uint8_t bytes[G2_BYTES]) {
    struct g2 point;
    return g2_parse("alpha", view_of(bytes, G2_BYTES), &point);
}

static void assert_refused(const uint8_t bytes[G2_BYTES], const char *why) {
    assert_int_equal(parse(bytes), PROTOCOL);
    assert_non_null(strstr(error_text(), "alpha"));
    if (strstr(error_text(), why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error_text(), why);
}

static void random_point(struct g2 *out) {
    struct scalar s;
    scalar_random(&s);
    g2_exp_generator(&s, out);
}

static void test_bytes_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct g2 point, back;
        uint8_t bytes[G2_BYTES];
        random_point(&point);
        g2_to_bytes(&point, bytes);
        assert_int_equal(g2_parse("alpha", view_of(bytes, sizeof bytes), &back), OK);
        assert_true(g2_equal(&point, &back));
        bytes[0] ^= 0x20; /* the other root: the inverse */
        assert_int_equal(g2_parse("alpha", view_of(bytes, sizeof bytes), &back), OK);
        assert_false(g2_equal(&point, &back));
        g2_mul(&point, &back, &back);
        assert_true(g2_is_identity(&back));
    }
}

static void test_wrong_lengths(void **state) {
    (void)state;
    uint8_t bytes[2 * G2_BYTES] = {0};
    struct g2 point;
    g2_generator(&point);
    g2_to_bytes(&point, bytes);
    const size_t lengths[] = {0, 1, G2_BYTES - 1, G2_BYTES + 1, 2 * G2_BYTES};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(g2_parse("alpha", view_of(bytes, lengths[i]), &point), PROTOCOL);
        assert_non_null(strstr(error_text(), "expected 96"));
    }
}

static void test_the_identity_is_refused(void **state) {
    (void)state;
    uint8_t bytes[G2_BYTES] = {0xc0};
    assert_refused(bytes, "identity");
    struct g2 identity;
    uint8_t own[G2_BYTES];
    g2_identity(&identity);
    g2_to_bytes(&identity, own);
    assert_memory_equal(own, bytes, sizeof bytes);
}

static void test_encodings_that_are_not_canonical(void **state) {
    (void)state;
    uint8_t bytes[G2_BYTES] = {0};
    assert_refused(bytes, "canonical"); /* no compression flag */
    bytes[0] = 0xe0;
    assert_refused(bytes, "canonical"); /* the identity with a sign */
    bytes[0] = 0xc0;
    bytes[G2_BYTES - 1] = 1;
    assert_refused(bytes, "canonical"); /* the identity with a coordinate */
    for (size_t offset = 0; offset < G2_BYTES; offset += 48) {
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(hex_decode(modulus, bytes + offset, 48), OK);
        bytes[0] |= 0x80;
        assert_refused(bytes, "canonical"); /* a coordinate that is the modulus, not 0 */
    }
}

static void test_points_off_the_curve_and_out_of_the_subgroup(void **state) {
    (void)state;
    int off_the_curve = 0, out_of_the_subgroup = 0;
    for (uint8_t x = 0; x < 60; x++) {
        uint8_t bytes[G2_BYTES] = {0x80};
        bytes[G2_BYTES - 1] = x;
        assert_int_equal(parse(bytes), PROTOCOL);
        off_the_curve += strstr(error_text(), "alpha: not on the curve") != NULL;
        out_of_the_subgroup += strstr(error_text(), "alpha: not in the subgroup") != NULL;
    }
    assert_true(off_the_curve > 10);
    assert_true(out_of_the_subgroup > 10);
    assert_int_equal(off_the_curve + out_of_the_subgroup, 60);
}

static void test_exponents(void **state) {
    (void)state;
    struct g2 base, sum, power;
    struct scalar s, minus_s, zero;
    random_point(&base);
    g2_identity(&sum);
    for (uint8_t i = 0; i < 20; i++) {
        scalar_from_u64(i, &s);
        g2_exp(&base, &s, &power);
        assert_true(g2_equal(&power, &sum));
        g2_exp_small_public(&base, i, &power);
        assert_true(g2_equal(&power, &sum));
        g2_mul(&sum, &base, &sum);
    }
    scalar_random(&s);
    scalar_from_u64(0, &zero);
    scalar_sub(&zero, &s, &minus_s);
    struct g2 inverse;
    g2_exp(&base, &s, &power);
    g2_exp(&base, &minus_s, &inverse);
    g2_inverse(&inverse, &inverse);
    assert_true(g2_equal(&power, &inverse));
    g2_exp_small_public(&base, 255, &power);
    scalar_from_u64(255, &s);
    g2_exp(&base, &s, &sum);
    assert_true(g2_equal(&power, &sum));
}

static void test_products_of_powers(void **state) {
    (void)state;
    enum { MOST = 40 };
    struct g2 bases[MOST], expected, product;
    struct scalar exponents[MOST];
    g2_identity(&expected);
    for (size_t count = 0; count < MOST; count++) {
        assert_int_equal(g2_multi_exp_public(bases, exponents, count, &product), OK);
        assert_true(g2_equal(&product, &expected));
        random_point(&bases[count]);
        scalar_random(&exponents[count]);
        if (count % 7 == 3) /* neither may disturb the others */
            scalar_from_u64(0, &exponents[count]);
        if (count % 7 == 5)
            g2_identity(&bases[count]);
        struct g2 power;
        g2_exp(&bases[count], &exponents[count], &power);
        g2_mul(&expected, &power, &expected);
    }
}

static void test_a_product_of_equal_and_opposite_bases(void **state) {
    (void)state;
    struct g2 bases[3], product;
    struct scalar exponents[3];
    random_point(&bases[0]);
    bases[1] = bases[0];
    g2_inverse(&bases[0], &bases[2]);
    for (size_t i = 0; i < 3; i++)
        scalar_from_u64(i < 2 ? 21 : 42, &exponents[i]);
    assert_int_equal(g2_multi_exp_public(bases, exponents, 3, &product), OK);
    assert_true(g2_is_identity(&product));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_wrong_lengths),
        cmocka_unit_test(test_the_identity_is_refused),
        cmocka_unit_test(test_encodings_that_are_not_canonical),
        cmocka_unit_test(test_points_off_the_curve_and_out_of_the_subgroup),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_products_of_powers),
        cmocka_unit_test(test_a_product_of_equal_and_opposite_bases),
    };
    if (secret_start() != OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
