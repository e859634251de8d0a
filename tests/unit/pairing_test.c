/* The pairing: bilinear, not degenerate, and the same in all its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/digest.h"
#include "base/secret.h"
#include "group/pairing.h"

struct pair {
    struct scalar a, b;
    struct g1 p;
    struct g2 q;
};

static void random_pair(struct pair *out) {
    scalar_random(&out->a);
    scalar_random(&out->b);
    g1_exp_generator(&out->a, &out->p);
    g2_exp_generator(&out->b, &out->q);
}

static void test_generator_is_blsts(void **state) {
    (void)state;
    struct gt generator;
    uint8_t bytes[GT_BYTES], hash[DIGEST_BYTES];
    char digits[2 * DIGEST_BYTES + 1];
    gt_generator(&generator);
    gt_to_bytes(&generator, bytes);
    digest_sha256(view_of(bytes, sizeof bytes), hash);
    hex_encode(view_of(hash, sizeof hash), digits);
    assert_string_equal(digits, "4bb3f049849e856bd6879346f3978c28b031a407701c01ebb19d74a35c645520");
}

static void test_bilinear(void **state) {
    (void)state;
    struct pair pair;
    struct scalar product;
    struct gt left, right;
    random_pair(&pair);
    pairing(&pair.p, &pair.q, &left);
    scalar_mul(&pair.a, &pair.b, &product);
    gt_exp_generator(&product, &right);
    assert_true(gt_equal(&left, &right));
    assert_false(gt_is_identity(&left));
}

static void test_prepared_lines_change_nothing(void **state) {
    (void)state;
    struct pair pair;
    struct pairing_lines lines;
    struct gt plain, prepared;
    random_pair(&pair);
    pairing_prepare(&pair.q, &lines);
    for (int i = 0; i < 3; i++) {
        g1_mul(&pair.p, &pair.p, &pair.p);
        pairing(&pair.p, &pair.q, &plain);
        pairing_prepared(&pair.p, &lines, &prepared);
        assert_true(gt_equal(&plain, &prepared));
    }
}

static void test_products(void **state) {
    (void)state;
    struct g1 p[4];
    struct g2 q[4];
    struct gt expected, one, product;
    gt_identity(&expected);
    for (size_t count = 0; count < 4; count++) {
        struct pair pair;
        pairing_product(p, q, count, &product);
        assert_true(gt_equal(&product, &expected));
        random_pair(&pair);
        p[count] = pair.p;
        q[count] = pair.q;
        pairing(&pair.p, &pair.q, &one);
        gt_mul(&expected, &one, &expected);
    }
}

static void test_the_identity_on_either_side(void **state) {
    (void)state;
    struct pair pair;
    struct g1 p_identity;
    struct g2 q_identity;
    struct pairing_lines lines;
    struct gt result_gt;
    random_pair(&pair);
    g1_identity(&p_identity);
    g2_identity(&q_identity);
    pairing(&p_identity, &pair.q, &result_gt);
    assert_true(gt_is_identity(&result_gt));
    pairing(&pair.p, &q_identity, &result_gt);
    assert_true(gt_is_identity(&result_gt));
    pairing_prepare(&q_identity, &lines);
    pairing_prepared(&pair.p, &lines, &result_gt);
    assert_true(gt_is_identity(&result_gt));
    pairing_prepare(&pair.q, &lines);
    pairing_prepared(&p_identity, &lines, &result_gt);
    assert_true(gt_is_identity(&result_gt));
}

static void test_equality_of_two_pairings(void **state) {
    (void)state;
    struct pair pair;
    struct g1 g, p_b;
    struct g2 h, q_a;
    random_pair(&pair);
    g1_generator(&g);
    g2_generator(&h);
    g2_exp(&pair.q, &pair.a, &q_a);
    g1_exp(&pair.p, &pair.b, &p_b);
    assert_true(pairing_equal(&g, &q_a, &pair.p, &pair.q));
    assert_true(pairing_equal(&p_b, &h, &pair.p, &pair.q));
    assert_false(pairing_equal(&g, &pair.q, &pair.p, &pair.q));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_is_blsts),
        cmocka_unit_test(test_bilinear),
        cmocka_unit_test(test_prepared_lines_change_nothing),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_the_identity_on_either_side),
        cmocka_unit_test(test_equality_of_two_pairings),
    };
    if (secret_start() != OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
