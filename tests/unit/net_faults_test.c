/* Servers that hang, drip or stop, and callers that give up: all within bounds of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net_calls.h"

static uint16_t listen_silently(int *out_fd) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *out_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*out_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(*out_fd, 10), 0);
    assert_int_equal(getsockname(*out_fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static void hung_server_costs_the_connect_timeout(void **state) {
    AUTO_FD int fd = -1;
    (void)state;
    struct http_client_options to = test_client_options(listen_silently(&fd));
    to.connect_timeout_ms = 300;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    int64_t started = now_ms();
    assert_int_equal(get(client, "/v1/who/x", NULL), TIMEOUT);
    int64_t took = now_ms() - started;
    assert_text("no connection within 300 ms");
    assert_true(took >= 300 && took < 600);
}

static void absent_server_is_said_to_refuse(void **state) {
    AUTO_FD int fd = -1;
    (void)state;
    struct http_client_options to = test_client_options(listen_silently(&fd));
    file_close_at(&fd);
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    assert_int_equal(get(client, "/v1/who/x", NULL), TIMEOUT);
    assert_text("storage-1 (127.0.0.1:");
    assert_text("): connection refused");
}

static void slow_answer_costs_the_answer_timeout(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    http_client_set_answer_timeout(client, 300);
    int64_t started = now_ms();
    assert_int_equal(get(client, "/v1/sleep?ms=1500", NULL), TIMEOUT);
    int64_t took = now_ms() - started;
    assert_text("no answer within 300 ms");
    assert_true(took >= 300 && took < 700);
    http_client_set_answer_timeout(client, 5000);
    AUTO_BYTES struct bytes answer = {0};
    assert_ok(get(client, "/v1/sleep?ms=500", &answer));
    assert_answer(&answer, "slept");
}

/* Each byte comes in time, and the whole would take five seconds. */
static void a_dripping_answer_is_cut(void **state) {
    (void)state;
    struct http_client_options to = test_client_options(server_port(server));
    to.stall_timeout_ms = 400;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    AUTO_BYTES struct bytes answer = {0};
    struct sink sink = {0};
    int64_t started = now_ms();
    assert_int_equal(call(client, "GET", "/v1/drip", view_of(NULL, 0), NULL, 100, &answer),
                     TIMEOUT);
    assert_text("its answer comes too slowly");
    assert_int_equal(http_download(client, "/v1/drip", 0, 100, push_pattern, &sink), TIMEOUT);
    assert_true(now_ms() - started < 3000);
}

static void handler_may_take_longer_than_the_idle_timeout(void **state) {
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    options.limits.idle_ms = 1000;
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    AUTO_BYTES struct bytes answer = {0};
    assert_ok(get(client, "/v1/sleep?ms=2600", &answer));
    assert_answer(&answer, "slept");
    /* And an idle connection is closed, which the next call does not notice. */
    struct server_counters counters = {.connections = 1};
    for (int i = 0; i < 60 && counters.connections > 0; i++) {
        sleep_ms(100);
        server_count(fresh, &counters);
    }
    assert_int_equal(counters.connections, 0);
    assert_ok(get(client, "/v1/who/x", NULL));
    server_stop(fresh, 1000);
}

static void *cancel_later(void *client) {
    sleep_ms(200);
    http_client_cancel(client);
    return NULL;
}

static void cancel_ends_a_running_call(void **state) {
    pthread_t thread;
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    assert_ok(get(client, "/v1/who/x", NULL));
    int64_t started = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, client), 0);
    assert_int_equal(get(client, "/v1/sleep?ms=2000", NULL), TIMEOUT);
    int64_t took = now_ms() - started;
    assert_text("cancelled");
    assert_true(took < 300);
    pthread_join(thread, NULL);
    assert_int_equal(get(client, "/v1/who/x", NULL), TIMEOUT);
    http_client_resume(client);
    assert_ok(get(client, "/v1/who/x", NULL));
}

static void cancel_ends_a_running_upload(void **state) {
    pthread_t thread;
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    struct source source = {.end = UINT64_C(1) << 40};
    int abandoned = atomic_load(&uploads_abandoned);
    int64_t started = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, client), 0);
    assert_int_equal(
        http_upload(client, "/v1/upload", source.end, pull_pattern, &source, 100, NULL), TIMEOUT);
    assert_true(now_ms() - started < 400);
    pthread_join(thread, NULL);
    assert_true(wait_for(&uploads_abandoned, abandoned + 1));
}

static void *stop_later(void *victim) {
    sleep_ms(200);
    server_stop(victim, 0);
    return NULL;
}

static void server_that_stops_cuts_uploads_and_abandons(void **state) {
    pthread_t thread;
    (void)state;
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        const struct server_options options = test_server_options("127.0.0.1:0");
        struct server *victim = test_server_start(&options);
        struct http_client_options to = test_client_options(server_port(victim));
        AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
        struct source source = {.end = UINT64_C(1) << 40};
        int abandoned = atomic_load(&uploads_abandoned);
        int ended = atomic_load(&uploads_ended);
        assert_int_equal(pthread_create(&thread, NULL, stop_later, victim), 0);
        assert_int_equal(http_upload(client, "/v1/upload",
                                     is_chunked ? HTTP_LENGTH_UNKNOWN : source.end, pull_pattern,
                                     &source, 100, NULL),
                         TIMEOUT);
        assert_text("storage-1 (127.0.0.1:");
        pthread_join(thread, NULL);
        assert_int_equal(atomic_load(&uploads_abandoned), abandoned + 1);
        assert_int_equal(atomic_load(&uploads_ended), ended);
        assert_int_equal(get(client, "/v1/who/x", NULL), TIMEOUT);
    }
}

static void *call_sleep(void *options) {
    static char outcome[] = "failed";
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(options);
    return get(client, "/v1/sleep?ms=600", NULL) == OK ? NULL : outcome;
}

static void stop_lets_requests_end(void **state) {
    pthread_t thread;
    void *outcome = NULL;
    (void)state;
    const struct server_options options = test_server_options("127.0.0.1:0");
    struct server *victim = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(victim));
    assert_int_equal(pthread_create(&thread, NULL, call_sleep, &to), 0);
    sleep_ms(300);
    int64_t started = now_ms();
    server_stop(victim, 5000);
    assert_true(now_ms() - started < 1500);
    pthread_join(thread, &outcome);
    assert_null(outcome);
}

static void client_finds_a_restarted_server(void **state) {
    char address[32];
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    struct server *first = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(first));
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    assert_ok(get(client, "/v1/who/x", NULL));
    snprintf(address, sizeof address, "127.0.0.1:%u", server_port(first));
    server_stop(first, 0);
    options.listen = address;
    struct server *second = test_server_start(&options);
    assert_ok(get(client, "/v1/who/x", NULL));
    server_stop(second, 0);
    struct server *third = test_server_start(&options);
    check_upload(client, 2000000, false, 0);
    server_stop(third, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(hung_server_costs_the_connect_timeout),
        BOTH_WAYS(absent_server_is_said_to_refuse),
        BOTH_WAYS(slow_answer_costs_the_answer_timeout),
        BOTH_WAYS(a_dripping_answer_is_cut),
        cmocka_unit_test(handler_may_take_longer_than_the_idle_timeout),
        BOTH_WAYS(cancel_ends_a_running_call),
        cmocka_unit_test(cancel_ends_a_running_upload),
        cmocka_unit_test(server_that_stops_cuts_uploads_and_abandons),
        cmocka_unit_test(stop_lets_requests_end),
        BOTH_WAYS(client_finds_a_restarted_server),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
