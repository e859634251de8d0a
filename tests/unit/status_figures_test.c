/* A server's figures from its metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/status_figures.h"

static void test_figures_are_found(void **state) {
    (void)state;
    struct status_figures figures;
    status_figures_parse(view_of_string("# HELP myelin_key_shares 9\n# TYPE x gauge\n"
                                        "myelin_key_shares 2\nmyelin_key_log_entries 1.5e3\n"
                                        "myelin_key_opens_total{outcome=\"ok\"} 7\n"
                                        "myelin_storage_disk_free_bytes 77074190336"),
                         &figures);
    assert_true(figures.known[FIGURE_SHARES]);
    assert_int_equal(figures.of[FIGURE_SHARES], 2);
    assert_int_equal(figures.of[FIGURE_ENTRIES], 1500);
    assert_int_equal(figures.of[FIGURE_FREE], UINT64_C(77074190336));
    assert_false(figures.known[FIGURE_IMAGES]);
}

static void test_nonsense_is_not_known(void **state) {
    (void)state;
    static const char *const lines[] = {"myelin_key_shares",
                                        "myelin_key_shares ",
                                        "myelin_key_shares -1",
                                        "myelin_key_shares nan",
                                        "myelin_key_shares inf",
                                        "myelin_key_shares 1 2",
                                        "myelin_key_shares 1e19",
                                        "xmyelin_key_shares 1",
                                        "myelin_key_shares_total 1",
                                        "myelin_key_shares 1\x1b[m",
                                        "myelin_key_shares\t1",
                                        "",
                                        "myelin_key_shares 000000000000000000000000000000000001"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct status_figures figures;
        status_figures_parse(view_of_string(lines[i]), &figures);
        assert_false(figures.known[FIGURE_SHARES]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_are_found),
        cmocka_unit_test(test_nonsense_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
