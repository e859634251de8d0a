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
    assert_int_equal(setup_check_copies(&setup, 1), OK);
    assert_int_equal(setup_check_copies(&setup, 6), OK);
    assert_int_equal(setup_check_copies(&setup, 7), INVALID);
    assert_error_says("v = 7");
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
        cmocka_unit_test(test_fan_out),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
