/* The scrub's looks: what other servers list is mended here, who lists without end ends, and a
 * change is carried out only once every server has heard of it. */
#include "mend_image.h"

#include "storage/scrub.h"
#include "system/ca.h"
#include "system/change.h"

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

/* The next version of the description, in the place of the one before, which is given out. */
static void change_world(struct description *out_before) {
    struct change change;
    struct description next;
    AUTO_CA struct ca *ca = NULL;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/manager", world.dir);
    assert_int_equal(ca_load(folder, &ca), OK);
    assert_int_equal(change_begin(&world.description, false, &change), OK);
    assert_int_equal(change_weight(&change, host_name(0), 50), OK);
    assert_int_equal(change_sign(&change, ca, &next), OK);
    *out_before = world.description;
    world.description = next;
    for (unsigned i = 0; i < N; i++) {
        storage_set_description(world.hosts[i].storage, &world.description);
        assert_int_equal(peers_set_description(world.hosts[i].peers, &world.description), OK);
    }
}

static void test_who_has_not_heard_of_a_change_settles_nothing(void **state) {
    (void)state;
    AUTO_DESCRIPTION struct description before = {0};
    const struct scrub_options options = {.look_ms = LOOK_MS};
    struct host *host = &world.hosts[0];
    struct scrub *scrub;
    change_world(&before);
    world.hosts[1].heard = &before;
    assert_int_equal(scrub_start(host->storage, host->peers, host->mender, &options, &scrub), OK);
    bool has_looked = wait_for(scrub, "myelin_storage_scrub_looks_total", 2);
    double early = metric(scrub, "myelin_storage_settled_version");
    world.hosts[1].heard = NULL;
    bool has_settled = wait_for(scrub, "myelin_storage_settled_version",
                                (double)world.description.system->version);
    scrub_stop(scrub);
    assert_true(has_looked);
    assert_true(early < (double)world.description.system->version);
    assert_true(has_settled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_look_mends_what_others_list),
        TEST(test_a_list_without_end_ends),
        TEST(test_who_has_not_heard_of_a_change_settles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
