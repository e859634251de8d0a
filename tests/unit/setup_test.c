/* SetUp: which numbers of servers are possible, and that the refusal says why. */
#include "scheme_fixture.h"

static result check(unsigned n, unsigned k, unsigned m, unsigned t) {
    return setup_check(&(struct setup){.n = n, .k = k, .m = m, .t = t});
}

static void test_the_bounds_themselves_are_fine(void **state) {
    (void)state;
    assert_int_equal(check(1, 1, 1, 1), OK);
    assert_int_equal(check(255, 255, 255, 255), OK);
    assert_int_equal(check(255, 1, 255, 1), OK);
    assert_int_equal(check(6, 3, 5, 3), OK);
}

static void test_beyond_the_bounds(void **state) {
    (void)state;
    assert_int_equal(check(0, 0, 1, 1), INVALID);
    assert_int_equal(check(256, 1, 1, 1), INVALID);
    assert_error_says("256 storage servers");
    assert_int_equal(check(6, 0, 5, 3), INVALID);
    assert_error_says("k = 0");
    assert_int_equal(check(6, 7, 5, 3), INVALID);
    assert_error_says("k = 7");
    assert_int_equal(check(6, 3, 0, 0), INVALID);
    assert_error_says("0 key servers");
    assert_int_equal(check(6, 3, 256, 3), INVALID);
    assert_int_equal(check(6, 3, 5, 0), INVALID);
    assert_error_says("t = 0");
    assert_int_equal(check(6, 3, 5, 6), INVALID);
    assert_error_says("t = 6");
}

static void test_copies(void **state) {
    (void)state;
    const struct setup setup = {.n = 6, .k = 3, .m = 5, .t = 3};
    assert_int_equal(setup_check_copies(&setup, 0), INVALID);
    assert_int_equal(setup_check_copies(&setup, 3), INVALID);
    assert_error_says("at least n - k + 1 = 4");
    assert_int_equal(setup_check_copies(&setup, 4), OK);
    assert_int_equal(setup_check_copies(&setup, 6), OK);
    assert_int_equal(setup_check_copies(&setup, 7), INVALID);
    assert_error_says("v = 7");
}

static unsigned default_copies(unsigned n, unsigned k) {
    return setup_default_copies(&(struct setup){.n = n, .k = k, .m = 1, .t = 1});
}

/* v = b ln k with b > 5a, n = ak: all servers for a small k, ever fewer of them for a large one. */
static void test_default_copies(void **state) {
    (void)state;
    assert_int_equal(default_copies(6, 3), 6);
    assert_int_equal(default_copies(14, 10), 14);
    assert_int_equal(default_copies(24, 12), 24);
    assert_int_equal(default_copies(40, 20), 30);   /* 5 * 2 * ln 20 = 29.96 */
    assert_int_equal(default_copies(255, 200), 56); /* 33.8 would do for chance, not for all */
    assert_int_equal(default_copies(255, 250), 29);
    assert_int_equal(default_copies(3, 1), 3);
    assert_int_equal(default_copies(1, 1), 1);
    for (unsigned n = 1; n <= 255; n++)
        for (unsigned k = 1; k <= n; k++) {
            const struct setup setup = {.n = n, .k = k, .m = 1, .t = 1};
            assert_int_equal(setup_check_copies(&setup, setup_default_copies(&setup)), OK);
        }
}

static void test_fan_out(void **state) {
    (void)state;
    const struct setup setup = {.n = 12, .k = 8, .m = 5, .t = 3};
    assert_int_equal(setup_check_fan_out(&setup, 0), INVALID);
    assert_int_equal(setup_check_fan_out(&setup, 2), INVALID);
    assert_error_says("k = 8");
    assert_int_equal(setup_check_fan_out(&setup, 3), OK);
    assert_int_equal(setup_check_fan_out(&setup, 12), OK);
    assert_int_equal(setup_check_fan_out(&setup, 13), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bounds_themselves_are_fine),
        cmocka_unit_test(test_beyond_the_bounds),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_default_copies),
        cmocka_unit_test(test_fan_out),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
