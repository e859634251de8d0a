/* Calls: what goes there and what comes back, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_calls.h"

static void handler_sees_peer_path_and_query(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    AUTO_BYTES struct bytes answer = {0};
    assert_ok(get(client, "/v1/who/b%6fb?q=1%202&unknown=3", &answer));
    assert_answer(&answer, "alice user bob 1 2 context");
}

static void bodies_of_calls_go_round(void **state) {
    static const size_t sizes[] = {0, 1, 1000, 16384, 70000, TEST_BODY_LIMIT};
    static uint8_t body[TEST_BODY_LIMIT];
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    pattern_fill(0, body, sizeof body);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AUTO_BYTES struct bytes answer = {0};
        assert_ok(call(client, "POST", "/v1/echo", view_of(body, sizes[i]), "text/plain",
                       ANSWER_LIMIT, &answer));
        assert_true(view_equal(bytes_view(&answer), view_of(body, sizes[i])));
    }
    assert_ok(call(client, "DELETE", "/v1/who/bob", view_of(NULL, 0), NULL, 0, NULL));
}

static void connection_is_kept(void **state) {
    (void)state;
    const struct server_options options = test_server_options("127.0.0.1:0");
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    struct server_counters counters;
    for (int i = 0; i < 20; i++) {
        AUTO_BYTES struct bytes answer = {0};
        assert_ok(get(client, "/v1/who/bob", &answer));
        server_count(fresh, &counters);
        assert_int_equal(counters.connections, 1);
    }
    /* Not even a refusal costs the connection. */
    assert_int_equal(get(client, "/v1/conflict", NULL), CONFLICT);
    assert_ok(get(client, "/v1/who/bob", NULL));
    server_count(fresh, &counters);
    assert_int_equal(counters.connections, 1);
    assert_int_equal(counters.requests, 22);
    assert_int_equal(counters.refused, 1);
    server_stop(fresh, 1000);
}

static void errors_carry_the_servers_words(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    assert_int_equal(get(client, "/v1/conflict", NULL), CONFLICT);
    assert_text("storage-1: put 7 is prepared xxx");
    assert_int_equal(strlen(error_text()), strlen("storage-1: ") + 400);
    assert_int_equal(get(client, "/v1/nothing", NULL), NOT_FOUND);
    assert_int_equal(get(client, "/v1/%2e%2e/who", NULL), INVALID);
    assert_text("path segment");
    assert_int_equal(get(client, "/v1/echo", NULL), PROTOCOL);
    assert_text("method is not served");
    assert_int_equal(get(client, "/v1/sleep?ms=x", NULL), INVALID);
    assert_text("query parameter ms: 'x' is not a number");
    assert_int_equal(call(client, "DELETE", "/v1/who/bob", view_of("x", 1), "text/plain", 0, NULL),
                     PROTOCOL);
    assert_text("body of over 0 bytes");
}

static void lengths_are_bounded_on_both_sides(void **state) {
    static uint8_t body[TEST_BODY_LIMIT + 1];
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    AUTO_BYTES struct bytes answer = {0};
    assert_int_equal(call(client, "POST", "/v1/echo", view_of(body, sizeof body), "text/plain",
                          ANSWER_LIMIT, &answer),
                     PROTOCOL);
    assert_text("storage-1: a body of over 100000 bytes");
    assert_int_equal(
        call(client, "GET", "/v1/pattern?bytes=1001", view_of(NULL, 0), NULL, 1000, &answer),
        PROTOCOL);
    assert_text("an answer of over 1000 bytes");
    assert_int_equal(answer.len, 0);
    assert_ok(call(client, "GET", "/v1/pattern?bytes=1000", view_of(NULL, 0), NULL, 1000, &answer));
    assert_int_equal(answer.len, 1000);
}

enum { TOGETHER = 12 };

/* Each sleeps for its time, all at once; some of them fail, each with its own words. */
static void many_calls_share_a_thread(void **state) {
    struct http_client *client[TOGETHER];
    struct http_started *started[TOGETHER];
    static uint8_t body[TEST_BODY_LIMIT];
    (void)state;
    pattern_fill(0, body, sizeof body);
    for (unsigned i = 0; i < TOGETHER; i++)
        client[i] = test_client();
    for (unsigned round = 0; round < 2; round++) { /* on new connections, and on kept ones */
        int64_t began = now_ms();
        for (unsigned i = 0; i < TOGETHER; i++) {
            const char *path = i % 3 == 0   ? "/v1/sleep?ms=400"
                               : i % 3 == 1 ? "/v1/echo"
                                            : "/v1/conflict";
            assert_ok(http_call_start(client[i], i % 3 == 1 ? "POST" : "GET", path,
                                      view_of(body, i % 3 == 1 ? sizeof body : 0), "text/plain",
                                      ANSWER_LIMIT, &started[i]));
        }
        unsigned done = 0;
        while (done < TOGETHER) {
            http_calls_wait(started, TOGETHER, 50);
            done = 0;
            for (unsigned i = 0; i < TOGETHER; i++)
                done += http_call_is_done(started[i]);
        }
        for (unsigned i = 0; i < TOGETHER; i++) {
            AUTO_BYTES struct bytes answer = {0};
            result ended = http_call_end(started[i], &answer);
            assert_int_equal(ended, i % 3 == 2 ? CONFLICT : OK);
            if (i % 3 == 0)
                assert_answer(&answer, "slept");
            else if (i % 3 == 1)
                assert_true(view_equal(bytes_view(&answer), view_of(body, sizeof body)));
            else
                assert_text("storage-1: put 7 is prepared");
        }
        assert_true(now_ms() - began < 1500); /* one after the other: 1600 */
    }
    for (unsigned i = 0; i < TOGETHER; i++)
        http_client_free(client[i]);
}

/* Given up at once, and the client is as good as before. */
static void a_started_call_can_be_given_up(void **state) {
    struct http_started *started = NULL;
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    assert_ok(get(client, "/v1/who/x", NULL));
    assert_ok(http_call_start(client, "GET", "/v1/sleep?ms=3000", view_of(NULL, 0), NULL,
                              ANSWER_LIMIT, &started));
    http_calls_wait(&started, 1, 50);
    int64_t began = now_ms();
    assert_false(http_call_is_done(started));
    assert_int_equal(http_call_end(started, NULL), TIMEOUT);
    assert_text("given up");
    assert_ok(get(client, "/v1/who/x", NULL));
    assert_true(now_ms() - began < 1000);
}

static void head_has_no_body(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    AUTO_BYTES struct bytes answer = {0};
    assert_ok(call(client, "HEAD", "/v1/pattern?bytes=5000", view_of(NULL, 0), NULL, 10, &answer));
    assert_int_equal(answer.len, 0);
    assert_ok(get(client, "/v1/who/x", &answer));
}

static void ipv6_addresses_work(void **state) {
    (void)state;
    const struct server_options options = test_server_options("[::1]:0");
    struct server *fresh = NULL;
    char address[32];
    if (server_start(&options, &fresh) != OK) { /* a machine without IPv6 */
        assert_text("[::1]:0");
        return;
    }
    struct http_client_options to = test_client_options(server_port(fresh));
    snprintf(address, sizeof address, "[::1]:%u", server_port(fresh));
    to.address = address;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    assert_ok(get(client, "/v1/who/x", NULL));
    server_stop(fresh, 1000);
}

static void bad_options_are_invalid(void **state) {
    (void)state;
    struct server_options options = test_server_options("127.0.0.1");
    struct server *fresh = NULL;
    assert_int_equal(server_start(&options, &fresh), INVALID);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", server_port(server));
    options.listen = address;
    assert_int_equal(server_start(&options, &fresh), IO);
    assert_text("in use");
    struct http_client *client = NULL;
    struct http_client_options to = test_client_options(1);
    to.name = "Storage";
    assert_int_equal(http_client_new(&to, &client), INVALID);
    to.name = "127.0.0.1";
    assert_int_equal(http_client_new(&to, &client), INVALID);
    to = test_client_options(1);
    to.address = "nowhere";
    assert_int_equal(http_client_new(&to, &client), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(handler_sees_peer_path_and_query),
        BOTH_WAYS(bodies_of_calls_go_round),
        BOTH_WAYS(connection_is_kept),
        BOTH_WAYS(errors_carry_the_servers_words),
        BOTH_WAYS(lengths_are_bounded_on_both_sides),
        cmocka_unit_test(many_calls_share_a_thread),
        cmocka_unit_test(a_started_call_can_be_given_up),
        BOTH_WAYS(head_has_no_body),
        BOTH_WAYS(ipv6_addresses_work),
        cmocka_unit_test(bad_options_are_invalid),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
