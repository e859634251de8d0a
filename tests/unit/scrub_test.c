/* The scrub's looks: what other servers list is mended here, and who lists without end ends. */
#include "mend_image.h"

#include "storage/scrub.h"

enum { WAIT_MS = 20000, LOOK_MS = 50 };

static double metric(struct scrub *scrub, const char *name) {
    AUTO_BYTES struct bytes text = {0};
    double value = -1;
    assert_int_equal(scrub_metrics_text(scrub, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    const char *line = strstr((const char *)text.data, name);
    while (line != NULL && line > (const char *)text.data && line[-1] != '\n')
        line = strstr(line + 1, name);
    assert_non_null(line);
    assert_int_equal(sscanf(line + strlen(name), " %lf", &value), 1);
    return value;
}

static bool wait_for(struct scrub *scrub, const char *name, double least) {
    const struct timespec pause = {.tv_nsec = 10 * 1000000};
    for (unsigned waited = 0; waited < WAIT_MS; waited += 10) {
        if (metric(scrub, name) >= least)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void look_at(enum lie lie) {
    AUTO_DRAWN struct drawn d;
    struct scrub *scrub;
    const struct scrub_options options = {.look_ms = LOOK_MS};
    image_draw(&d, &world.alice, "looked at");
    image_put_all(&d);
    image_lose(&d, 0);
    struct host *host = &world.hosts[d.host[0]];
    world.hosts[d.host[1]].lie = lie;
    assert_int_equal(scrub_start(host->storage, host->peers, host->mender, &options, &scrub), OK);
    bool has_looked = wait_for(scrub, "myelin_storage_scrub_looks_total", 1);
    scrub_stop(scrub);
    assert_true(has_looked);
    image_expect(&d, 0);
}

static void test_a_look_mends_what_others_list(void **state) {
    (void)state;
    look_at(HONEST);
}

static void test_a_list_without_end_ends(void **state) {
    (void)state;
    look_at(LISTS_WITHOUT_END);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_look_mends_what_others_list),
        TEST(test_a_list_without_end_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
