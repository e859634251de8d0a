/* A key server's files damaged, and what its log and metrics say. */
#include "key_service.h"

#include <signal.h>
#include <sys/resource.h>

#include "format/hash.h"

static void test_damaged_share_concerns_its_user(void **state) {
    char path[PATH_MAX];
    (void)state;
    enrol_all();
    snprintf(path, sizeof path, "%.2000s/shares/bob.share", world.store);
    flip_bit(path, 300, 2);
    assert_int_equal(try_open(&world.bob, 0), INTEGRITY);
    assert_error_has("share file of bob");
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.bob, "enroll:ok open:integrity error ");
}

static void test_damaged_log_is_told(void **state) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes text = {0};
    (void)state;
    enrol_all();
    snprintf(path, sizeof path, "%.2000s/access.log", world.store);
    flip_bit(path, 30, 1);
    service_reopen();
    assert_int_equal(service_metrics(&world.service, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    assert_non_null(strstr((char *)text.data, "myelin_key_log_damaged 1\n"));
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.alice, "open:ok ");
}

/* Nothing is opened that is not in the log. */
static void test_no_log_no_opening(void **state) {
    struct rlimit before, none;
    (void)state;
    enrol_all();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 1;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    result opened = try_open(&world.alice, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(opened, IO);
    assert_error_has("access log");
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.alice, "enroll:ok open:ok ");
}

static void test_audit_of_an_image(void **state) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditPage *page = NULL;
    uint8_t image[DIGEST_BYTES];
    char digits[2 * DIGEST_BYTES + 1];
    (void)state;
    enrol_all();
    assert_int_equal(try_open(&world.bob, 0), OK);
    format_image_id(world.tau_bytes, image);
    hex_encode(view_of(image, sizeof image), digits);
    assert_int_equal(service_audit(&world.service, &world.alice.peer, digits, 0, &wire), OK);
    assert_int_equal(format_parse_audit_page(bytes_view(&wire), &page), OK);
    assert_int_equal(page->n_entry, 1);
    assert_int_equal(service_audit(&world.service, &world.alice.peer, "xy", 0, &wire), INVALID);
}

static void test_metrics(void **state) {
    AUTO_BYTES struct bytes text = {0};
    (void)state;
    enrol_all();
    storage_stop(2);
    assert_int_equal(try_open(&world.alice, N), OK);
    assert_int_equal(try_open(&world.mallory, 0), DENIED);
    assert_int_equal(service_metrics(&world.service, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    static const char *const lines[] = {
        "myelin_key_opens_total{outcome=\"ok\"} 1\n",
        "myelin_key_opens_total{outcome=\"refused\"} 1\n",
        "myelin_key_open_seconds_count 2\n",
        "myelin_key_shares 3\n",
        "myelin_key_log_entries 5\n",
        "myelin_key_log_damaged 0\n",
        "myelin_key_storage_failures_total{server=\"storage-1\"} 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr((char *)text.data, lines[i]) == NULL)
            fail_msg("no line %s in %s", lines[i], (char *)text.data);
    assert_null(strstr((char *)text.data, "{server=\"storage-3\"} 0\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_damaged_share_concerns_its_user),
        SERVICE_TEST(test_damaged_log_is_told),
        SERVICE_TEST(test_no_log_no_opening),
        SERVICE_TEST(test_audit_of_an_image),
        SERVICE_TEST(test_metrics),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
