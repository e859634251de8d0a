/* Streamed bodies from a server: whole, of another length, broken off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_calls.h"

static void check_download(struct http_client *client, const char *path, uint64_t offset,
                           uint64_t len) {
    struct sink sink = {.position = offset};
    assert_ok(http_download(client, path, offset, len, push_pattern, &sink));
    assert_false(sink.differs);
    assert_int_equal(sink.position, offset + len);
}

static void downloads_are_the_bytes_asked_for(void **state) {
    static const char path[] = "/v1/pattern?bytes=3000000";
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    int done = atomic_load(&sources_done);
    check_download(client, path, 0, 3000000);
    check_download(client, path, 0, 1);
    check_download(client, path, 2999999, 1);
    check_download(client, path, 131071, 131074);
    check_download(client, path, 12345, 0);
    assert_true(wait_for(&sources_done, done + 4));
    check_download(client, "/v1/file", 0, TEST_FILE_BYTES);
    check_download(client, "/v1/file", 1000, 200000);
    check_download(client, "/v1/bytes", 0, TEST_FILE_BYTES);
    check_download(client, "/v1/bytes", 1000, 200000);
    struct sink sink = {0};
    assert_int_equal(http_download(client, "/v1/bytes", TEST_FILE_BYTES, 1, push_pattern, &sink),
                     PROTOCOL);
    assert_text("the range is outside of the");
}

static void downloads_of_other_lengths_are_refused(void **state) {
    static const char path[] = "/v1/pattern?bytes=1000";
    struct sink sink = {0};
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    assert_int_equal(http_download(client, path, 0, 1001, push_pattern, &sink), PROTOCOL);
    assert_int_equal(http_download(client, path, 1000, 1, push_pattern, &sink), PROTOCOL);
    assert_text("the range is outside of the 1000 bytes");
    assert_int_equal(http_download(client, "/v1/who/x", 0, 10, push_pattern, &sink), PROTOCOL);
    assert_int_equal(http_download(client, "/v1/who/x", 3, 2, push_pattern, &sink), PROTOCOL);
    assert_int_equal(sink.position, 0);
    assert_int_equal(http_download(client, "/v1/nothing", 0, 10, push_pattern, &sink), NOT_FOUND);
}

static void source_that_fails_cuts_a_download(void **state) {
    struct sink sink = {0};
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    int done = atomic_load(&sources_done);
    assert_int_equal(http_download(client, "/v1/pattern?bytes=3000000&cut=1000000", 0, 3000000,
                                   push_pattern, &sink),
                     TIMEOUT);
    assert_text("storage-1 (127.0.0.1:");
    assert_false(sink.differs);
    assert_true(sink.position < 3000000);
    assert_true(wait_for(&sources_done, done + 1));
}

static void failing_sink_ends_the_download(void **state) {
    struct sink sink = {.fail_at = 500000};
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    int done = atomic_load(&sources_done);
    assert_int_equal(
        http_download(client, "/v1/pattern?bytes=300000000", 0, 300000000, push_pattern, &sink),
        IO);
    assert_string_equal(error_text(), "disk: full");
    assert_true(wait_for(&sources_done, done + 1));
    check_download(client, "/v1/pattern?bytes=1000", 0, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(downloads_are_the_bytes_asked_for),
        cmocka_unit_test(downloads_of_other_lengths_are_refused),
        cmocka_unit_test(source_that_fails_cuts_a_download),
        cmocka_unit_test(failing_sink_ends_the_download),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
