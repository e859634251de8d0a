/* Streamed bodies to a server: whole, broken off, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_calls.h"

static void uploads_arrive_whole(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    int abandoned = atomic_load(&uploads_abandoned);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        check_upload(client, 0, is_chunked, 0);
        check_upload(client, 1, is_chunked, 0);
        check_upload(client, 16385, is_chunked, 0);
        check_upload(client, 3000000, is_chunked, 0);
        check_upload(client, 300000, is_chunked, 777);
    }
    assert_int_equal(atomic_load(&uploads_abandoned), abandoned);
}

static void upload_of_another_length_is_invalid(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    int abandoned = atomic_load(&uploads_abandoned);
    struct source source = {.end = 5000};
    assert_int_equal(http_upload(client, "/v1/upload", 6000, pull_pattern, &source, 100, NULL),
                     INVALID);
    assert_true(wait_for(&uploads_abandoned, abandoned + 1));
    source = (struct source){.end = 7000, .step = 7000};
    assert_int_equal(http_upload(client, "/v1/upload", 6000, pull_pattern, &source, 100, NULL),
                     INVALID);
    check_upload(client, 1000, false, 0);
}

static void failing_source_ends_the_upload(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        int abandoned = atomic_load(&uploads_abandoned);
        int ended = atomic_load(&uploads_ended);
        struct source source = {.end = 5000000, .step = 100000, .fail_at = 2000000};
        assert_int_equal(http_upload(client, "/v1/upload",
                                     is_chunked ? HTTP_LENGTH_UNKNOWN : 5000000, pull_pattern,
                                     &source, 100, NULL),
                         IO);
        assert_string_equal(error_text(), "disk: cannot be read");
        assert_true(wait_for(&uploads_abandoned, abandoned + 1));
        assert_int_equal(atomic_load(&uploads_ended), ended);
    }
    check_upload(client, 1000, false, 0);
}

static void upload_refused_at_its_head_is_not_sent(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    struct source source = {.end = UINT64_C(1) << 40};
    int64_t started = now_ms();
    assert_int_equal(
        http_upload(client, "/v1/refused", source.end, pull_pattern, &source, 100, NULL), DENIED);
    assert_string_equal(error_text(), "storage-1: alice may not write here");
    source = (struct source){.end = UINT64_C(1) << 40};
    assert_int_equal(
        http_upload(client, "/v1/refused", HTTP_LENGTH_UNKNOWN, pull_pattern, &source, 100, NULL),
        DENIED);
    source = (struct source){.end = 500000}; /* too short for libcurl to ask first */
    assert_int_equal(http_upload(client, "/v1/refused", 500000, pull_pattern, &source, 100, NULL),
                     DENIED);
    assert_string_equal(error_text(), "storage-1: alice may not write here");
    source = (struct source){.end = 50000};
    assert_int_equal(http_upload(client, "/v1/refused", 50000, pull_pattern, &source, 100, NULL),
                     DENIED);
    assert_true(now_ms() - started < 2000);
    assert_int_equal(atomic_load(&refused_parts), 0);
    assert_ok(get(client, "/v1/who/x", NULL));
}

static void upload_refused_in_the_middle_is_told_why(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        int abandoned = atomic_load(&uploads_abandoned);
        struct source source = {.end = UINT64_C(1) << 40};
        assert_int_equal(http_upload(client, "/v1/broken",
                                     is_chunked ? HTTP_LENGTH_UNKNOWN : source.end, pull_pattern,
                                     &source, 100, NULL),
                         INTEGRITY);
        assert_string_equal(error_text(), "storage-1: slice 3: hash differs");
        assert_true(wait_for(&uploads_abandoned, abandoned + 1));
        assert_true(source.position < 200 << 20);
    }
}

static void streamed_bodies_are_bounded(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    struct source source = {.end = TEST_BODY_LIMIT};
    assert_ok(
        http_upload(client, "/v1/limited", HTTP_LENGTH_UNKNOWN, pull_pattern, &source, 100, NULL));
    source = (struct source){.end = TEST_BODY_LIMIT + 1};
    assert_int_equal(
        http_upload(client, "/v1/limited", HTTP_LENGTH_UNKNOWN, pull_pattern, &source, 100, NULL),
        PROTOCOL);
    assert_text("a body of over 100000 bytes");
    source = (struct source){.end = TEST_BODY_LIMIT + 1};
    assert_int_equal(
        http_upload(client, "/v1/limited", source.end, pull_pattern, &source, 100, NULL), PROTOCOL);
    assert_text("a body of over 100000 bytes");
}

static void slow_source_is_no_stall(void **state) {
    (void)state;
    struct http_client_options to = test_client_options(server_port(server));
    to.stall_timeout_ms = 200;
    to.answer_timeout_ms = 200;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    struct source source = {.end = 3000, .step = 1000, .pause_ms = 400};
    assert_ok(http_upload(client, "/v1/upload", 3000, pull_pattern, &source, 100, NULL));
    struct sink sink = {.pause_ms = 400};
    assert_ok(http_download(client, "/v1/pattern?bytes=40000", 0, 40000, push_pattern, &sink));
    assert_false(sink.differs);
}

static void stuck_server_stalls_an_upload(void **state) {
    (void)state;
    struct http_client_options to = test_client_options(server_port(server));
    to.stall_timeout_ms = 300;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    struct source source = {.end = 100 << 20};
    atomic_store(&is_stuck, true);
    int64_t started = now_ms();
    result code = http_upload(client, "/v1/stuck", source.end, pull_pattern, &source, 100, NULL);
    int64_t took = now_ms() - started;
    atomic_store(&is_stuck, false);
    assert_int_equal(code, TIMEOUT);
    assert_true(took >= 300 && took < 2500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploads_arrive_whole),
        cmocka_unit_test(upload_of_another_length_is_invalid),
        cmocka_unit_test(failing_source_ends_the_upload),
        cmocka_unit_test(upload_refused_at_its_head_is_not_sent),
        cmocka_unit_test(upload_refused_in_the_middle_is_told_why),
        cmocka_unit_test(streamed_bodies_are_bounded),
        cmocka_unit_test(slow_source_is_no_stall),
        cmocka_unit_test(stuck_server_stalls_an_upload),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
