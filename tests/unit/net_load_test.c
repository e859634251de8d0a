/* Many at once, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/budget.h"
#include "net_calls.h"

static void *work(void *outcome) {
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    char expected[2 * DIGEST_BYTES + 1];
    pattern_hash(300000, expected);
    for (int i = 0; i < 10; i++) {
        AUTO_BYTES struct bytes answer = {0};
        struct source source = {.end = 300000};
        struct sink sink = {0};
        if (get(client, "/v1/who/x", NULL) != OK ||
            http_upload(client, "/v1/upload", 300000, pull_pattern, &source, 100, &answer) != OK ||
            !view_equal(bytes_view(&answer), view_of_string(expected)) ||
            http_download(client, "/v1/pattern?bytes=300000", 0, 300000, push_pattern, &sink) !=
                OK ||
            sink.differs)
            return NULL;
    }
    atomic_fetch_add((atomic_int *)outcome, 1);
    return NULL;
}

static void many_connections_at_once(void **state) {
    enum { THREADS = 12 };
    pthread_t threads[THREADS];
    atomic_int worked = 0;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &worked), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&worked), THREADS);
}

static result post_long(struct http_client *client, const char *path) {
    static const uint8_t body[TEST_BODY_LIMIT];
    AUTO_BYTES struct bytes answer = {0};
    return http_call(client, "POST", path, view_of(body, sizeof body), NULL, TEST_BODY_LIMIT,
                     &answer);
}

static void *hold_body(void *options) {
    static char outcome[] = "failed";
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(options);
    return post_long(client, "/v1/hold") == OK ? NULL : outcome;
}

/* Each is within its own bound; a refused one takes no room either. A body and its echo are twice
 * the limit, and one user may have 2.25 times. */
static void bodies_are_bounded_together(void **state) {
    pthread_t thread;
    void *outcome = NULL;
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    budget_set_limit(TEST_BODY_LIMIT * 9 / 2);
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    to.busy_timeout_ms = 1;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    int held = atomic_load(&bodies_held);
    atomic_store(&is_stuck, true);
    assert_int_equal(pthread_create(&thread, NULL, hold_body, &to), 0);
    bool is_held = wait_for(&bodies_held, held + 1);
    result refused[2] = {post_long(client, "/v1/echo"), post_long(client, "/v1/echo")};
    atomic_store(&is_stuck, false);
    pthread_join(thread, &outcome);
    assert_true(is_held);
    assert_int_equal(refused[0], NO_MEMORY);
    assert_int_equal(refused[1], NO_MEMORY);
    assert_text("alice sends too much at once");
    assert_null(outcome);
    for (int i = 0; i < 3; i++)
        assert_ok(post_long(client, "/v1/echo"));
    server_stop(fresh, 1000);
    assert_int_equal(budget_used(), 0);
    budget_set_limit(0);
}

static void traffic_is_counted_as_http_has_it(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    struct http_traffic before = http_client_traffic(client);
    assert_int_equal(before.sent + before.received, 0);
    struct source source = {.end = 100000};
    assert_ok(http_upload(client, "/v1/upload", 100000, pull_pattern, &source, 100, NULL));
    struct http_traffic after = http_client_traffic(client);
    assert_in_range(after.sent, 100000 + 100, 100000 + 400);
    assert_in_range(after.received, 100, 500);
    before = after;
    static uint8_t body[50000];
    assert_ok(http_call(client, "POST", "/v1/echo", view_of(body, sizeof body), "text/plain",
                        ANSWER_LIMIT, NULL));
    after = http_client_traffic(client);
    assert_in_range(after.sent - before.sent, 50000 + 50, 50000 + 400);
    assert_in_range(after.received - before.received, 50000 + 50, 50000 + 400);
}

static void metrics_name_route_and_status(void **state) {
    (void)state;
    const struct server_options options = test_server_options("127.0.0.1:0");
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    AUTO_BYTES struct bytes text = {0};
    struct source source = {.end = 1000};
    assert_ok(get(client, "/v1/who/x", NULL));
    assert_int_equal(get(client, "/v1/conflict", NULL), CONFLICT);
    assert_int_equal(get(client, "/nothing", NULL), NOT_FOUND);
    assert_ok(http_upload(client, "/v1/upload", 1000, pull_pattern, &source, 100, NULL));
    assert_ok(get(client, "/metrics", &text));
    assert_ok(bytes_append(&text, view_of("", 1)));
    static const char *const lines[] = {
        "myelin_http_requests_total{method=\"GET\",route=\"/v1/who/{name}\",status=\"200\"} 1\n",
        "myelin_http_requests_total{method=\"GET\",route=\"/v1/conflict\",status=\"409\"} 1\n",
        "myelin_http_requests_total{method=\"\",route=\"\",status=\"404\"} 1\n",
        "myelin_http_received_bytes_total 1000\n",
        "myelin_http_connections 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strstr((char *)text.data, lines[i]) == NULL)
            fail_msg("no line %s in\n%s", lines[i], (char *)text.data);
    server_stop(fresh, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_connections_at_once),
        cmocka_unit_test(bodies_are_bounded_together),
        cmocka_unit_test(traffic_is_counted_as_http_has_it),
        cmocka_unit_test(metrics_name_route_and_status),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
