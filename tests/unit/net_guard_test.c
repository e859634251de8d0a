/* One client, or very many connections, do not take a server away from the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/budget.h"
#include "net/guard.h"
#include "net_calls.h"

/* ---- A server with bounds of the test's own ---- */

static struct server *guarded;
static struct http_client_options to;

static void start_guarded(struct server_limits limits) {
    struct server_options options = test_server_options("127.0.0.1:0");
    options.limits = limits;
    guarded = test_server_start(&options);
    to = test_client_options(server_port(guarded));
    to.busy_timeout_ms = 1;
}

static int stop_guarded(void **state) {
    (void)state;
    server_stop(guarded, 1000);
    guarded = NULL;
    return 0;
}

static void assert_guarded(const char *reason, unsigned at_least) {
    AUTO_BYTES struct bytes text = {0};
    char line[80];
    unsigned value = 0;
    assert_ok(server_metrics_text(guarded, &text));
    assert_ok(bytes_append(&text, view_of("", 1)));
    snprintf(line, sizeof line, "myelin_http_guarded_total{reason=\"%s\"} ", reason);
    const char *found = strstr((const char *)text.data, line);
    assert_non_null(found);
    assert_int_equal(sscanf(found + strlen(line), "%u", &value), 1);
    if (value < at_least)
        fail_msg("%s%u, expected %u or more", line, value, at_least);
}

/* A TCP connection that says nothing, or `text`, which is no TLS. */
static int knock(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server_port(guarded)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (text[0] != '\0')
        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    return fd;
}

static bool is_closed_within(int fd, int ms) {
    struct pollfd waited = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&waited, 1, ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* ---- Connections ---- */

static void silent_connections_make_room(void **state) {
    enum { SILENT = 40 };
    int fds[SILENT];
    (void)state;
    start_guarded((struct server_limits){.connections = 8});
    for (size_t i = 0; i < SILENT; i++)
        fds[i] = knock("");
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    assert_ok(get(client, "/v1/who/x", NULL));
    assert_true(is_closed_within(fds[0], 1000));
    for (size_t i = 0; i < SILENT; i++)
        close(fds[i]);
    assert_ok(get(client, "/v1/who/x", NULL));
    assert_guarded("evicted", SILENT - 8);
}

/* The longest idle one of whoever has the most goes, not the newcomer and not a user with one. */
static void an_idle_connection_makes_room(void **state) {
    enum { HELD = 7 };
    struct http_client *held[HELD];
    (void)state;
    start_guarded((struct server_limits){.connections = HELD + 1, .user_connections = 100});
    struct tls_identity *bob = test_identity(&ca, test_subject_of("bob", "user"));
    struct http_client_options his = to;
    his.identity = bob;
    struct http_client *bobs = test_client_of(&his);
    assert_ok(get(bobs, "/v1/who/x", NULL));
    struct http_traffic before = http_client_traffic(bobs);
    for (size_t i = 0; i < HELD; i++) {
        held[i] = test_client_of(&to);
        assert_ok(get(held[i], "/v1/who/x", NULL));
    }
    struct http_client *fresh = test_client_of(&to);
    assert_ok(get(fresh, "/v1/who/x", NULL));
    assert_guarded("evicted", 1);
    assert_ok(get(bobs, "/v1/who/x", NULL));
    assert_ok(get(held[0], "/v1/who/x", NULL)); /* on a new connection */
    struct server_counters counters;
    server_count(guarded, &counters);
    assert_in_range(counters.connections, 1, HELD + 2);
    assert_true(http_client_traffic(bobs).sent > before.sent);
    http_client_free(bobs);
    http_client_free(fresh);
    for (size_t i = 0; i < HELD; i++)
        http_client_free(held[i]);
    tls_identity_free(bob);
}

static void one_address_has_so_many_unknown_connections(void **state) {
    int fds[5];
    (void)state;
    start_guarded((struct server_limits){.connections = 100, .address_strangers = 4});
    for (size_t i = 0; i < 5; i++)
        fds[i] = knock("");
    assert_true(is_closed_within(fds[0], 1000));
    assert_false(is_closed_within(fds[4], 50));
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
}

static void a_user_has_so_many_connections(void **state) {
    (void)state;
    start_guarded((struct server_limits){.user_connections = 2});
    struct http_client *first = test_client_of(&to);
    AUTO_HTTP_CLIENT struct http_client *second = test_client_of(&to);
    AUTO_HTTP_CLIENT struct http_client *third = test_client_of(&to);
    assert_ok(get(first, "/v1/who/x", NULL));
    assert_ok(get(second, "/v1/who/x", NULL));
    assert_int_equal(get(third, "/v1/who/x", NULL), NO_MEMORY);
    assert_text("alice has 2 connections");
    http_client_free(first);
    sleep_ms(200);
    assert_ok(get(third, "/v1/who/x", NULL));
    assert_guarded("user_connections", 1);
}

/* ---- Slow ones ---- */

static void a_handshake_has_its_time(void **state) {
    (void)state;
    start_guarded((struct server_limits){.handshake_ms = 400});
    int fds[] = {knock(""), knock("\x16\x03\x01\x01"), knock("GET / HTTP/1.1\r\n")};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        assert_true(is_closed_within(fds[i], 2000));
        close(fds[i]);
    }
    assert_guarded("slow", 2);
}

/* A byte now and then is never idle, and yet too slow. */
static result drip(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    unsigned *left = context;
    (void)capacity;
    sleep_ms(50);
    out[0] = 'x';
    *out_len = (*left)-- > 0 ? 1 : 0;
    return OK;
}

static void a_body_has_its_rate(void **state) {
    (void)state;
    start_guarded((struct server_limits){.grace_ms = 300, .min_rate = 1000});
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    unsigned bytes = 200;
    int abandoned = atomic_load(&uploads_abandoned);
    assert_int_equal(http_upload(client, "/v1/upload", 200, drip, &bytes, 100, NULL), TIMEOUT);
    assert_true(bytes > 20);
    assert_true(wait_for(&uploads_abandoned, abandoned + 1));
    assert_guarded("slow", 1);
    struct source source = {.end = 300000};
    assert_ok(http_upload(client, "/v1/upload", 300000, pull_pattern, &source, 100, NULL));
}

/* A reader who stops does not keep a thread and a file open for ever. */
static result take_slowly(void *context, struct view part) {
    uint64_t *taken = context;
    *taken += part.len;
    sleep_ms(5);
    return OK;
}

static void an_answer_has_its_rate(void **state) {
    (void)state;
    start_guarded((struct server_limits){.grace_ms = 300, .min_rate = 1 << 30});
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    uint64_t taken = 0;
    const uint64_t whole = 64 << 20;
    assert_int_equal(
        http_download(client, "/v1/pattern?bytes=67108864", 0, whole, take_slowly, &taken),
        TIMEOUT);
    assert_true(taken < whole);
    assert_guarded("slow", 1);
}

/* ---- Costly requests ---- */

static void a_user_spends_his_tokens(void **state) {
    (void)state;
    start_guarded((struct server_limits){.user_rate = 1, .user_burst = 10});
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    for (int i = 0; i < 2; i++)
        assert_ok(get(client, "/v1/costly?ms=0", NULL));
    assert_int_equal(get(client, "/v1/costly?ms=0", NULL), NO_MEMORY);
    assert_text("alice asks too much at a time; try again in");
    assert_ok(get(client, "/v1/who/x", NULL));
    struct tls_identity *bob = test_identity(&ca, test_subject_of("bob", "user"));
    struct http_client_options his = to;
    his.identity = bob;
    struct http_client *bobs = test_client_of(&his);
    assert_ok(get(bobs, "/v1/costly?ms=0", NULL));
    http_client_free(bobs);
    tls_identity_free(bob);
    assert_guarded("user_rate", 1);
}

static void a_busy_server_is_asked_again(void **state) {
    (void)state;
    start_guarded((struct server_limits){.user_rate = 10, .user_burst = 5});
    to.busy_timeout_ms = 5000;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    int64_t started = now_ms();
    for (int i = 0; i < 2; i++)
        assert_ok(get(client, "/v1/costly?ms=0", NULL));
    assert_true(now_ms() - started >= 1000);
    assert_guarded("user_rate", 1);
}

static void *ask_costly(void *outcome) {
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    if (get(client, "/v1/costly?ms=200", NULL) == OK)
        atomic_fetch_add((atomic_int *)outcome, 1);
    return NULL;
}

static void costly_requests_wait_for_their_turn(void **state) {
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    atomic_int answered = 0;
    (void)state;
    start_guarded((struct server_limits){.user_running = 2});
    int64_t started = now_ms();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_costly, &answered), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&answered), THREADS);
    assert_true(now_ms() - started >= THREADS / 2 * 200);
}

static int stop_apart(void **state) {
    are_apart = false;
    return stop_guarded(state);
}
#define GUARDED(name) cmocka_unit_test_teardown(name, stop_guarded)

/* ---- Addresses ---- */

static bool begins(struct guard *guard, uint32_t address) {
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    return guard_admit(guard, (const struct sockaddr *)&from);
}

static bool begins_v6(struct guard *guard, const char *address) {
    struct sockaddr_in6 from = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, address, &from.sin6_addr), 1);
    return guard_admit(guard, (const struct sockaddr *)&from);
}

/* Of connections of which nobody knows whose they are; each address for itself. */
static void test_an_address_begins_so_many(void **state) {
    (void)state;
    struct guard *guard = NULL;
    struct guard_counters counters;
    const uint32_t from = 0x0a000001;
    assert_ok(guard_start(&(struct server_limits){.address_rate = 1, .address_burst = 5}, &guard));
    for (unsigned i = 0; i < 5; i++)
        assert_true(begins(guard, from));
    assert_false(begins(guard, from));
    assert_true(begins(guard, from + 1));
    for (unsigned i = 0; i < 5; i++)
        assert_true(begins_v6(guard, i % 2 == 0 ? "2001:db8::1" : "2001:db8::ffff:2"));
    assert_false(begins_v6(guard, "2001:db8::3")); /* one subscriber's */
    assert_true(begins_v6(guard, "2001:db8:0:1::3"));
    assert_false(begins_v6(guard, "::ffff:10.0.0.1"));
    for (unsigned i = 0; i < 100; i++)
        assert_true(begins(guard, INADDR_LOOPBACK) && begins_v6(guard, "::1"));
    guard_count(guard, &counters);
    assert_int_equal(counters.refused_addresses, 3);
    /* Ten thousand others do not make it forget one that has begun too many. */
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(begins(guard, 0x0b000000 + i));
    assert_false(begins(guard, from));
    guard_stop(guard);
}

static void test_who_is_known_has_his_token_back(void **state) {
    (void)state;
    struct guard *guard = NULL;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    const struct sockaddr *address = (const struct sockaddr *)&from;
    assert_ok(guard_start(&(struct server_limits){.address_rate = 1, .address_burst = 3}, &guard));
    for (unsigned i = 0; i < 50; i++) {
        struct guard_connection connection;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(guard_admit(guard, address));
        guard_open(guard, &connection, fd, address);
        assert_ok(guard_login(guard, &connection, "alice", false));
        assert_ok(guard_login(guard, &connection, "alice", false)); /* gives nothing more */
        guard_close(guard, &connection);
        close(fd);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(guard_admit(guard, address));
    assert_false(guard_admit(guard, address));
    guard_stop(guard);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_begins_so_many),
        cmocka_unit_test(test_who_is_known_has_his_token_back),
        GUARDED(silent_connections_make_room),
        GUARDED(an_idle_connection_makes_room),
        GUARDED(one_address_has_so_many_unknown_connections),
        GUARDED(a_user_has_so_many_connections),
        GUARDED(a_handshake_has_its_time),
        GUARDED(a_body_has_its_rate),
        GUARDED(an_answer_has_its_rate),
        GUARDED(a_user_spends_his_tokens),
        GUARDED(a_busy_server_is_asked_again),
        cmocka_unit_test_setup_teardown(a_busy_server_is_asked_again, go_apart, stop_apart),
        GUARDED(costly_requests_wait_for_their_turn),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
