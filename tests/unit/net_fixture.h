/*
 * A server for tests: routes that do what a test wants to see done, and identities to call it with.
 */
#ifndef MYELIN_TESTS_NET_FIXTURE_H
#define MYELIN_TESTS_NET_FIXTURE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/secret.h"
#include "net/client.h"
#include "net/server.h"
#include "net_certificates.h"

enum { TEST_FILE_BYTES = 300000, TEST_FILE_HEAD = 100, TEST_BODY_LIMIT = 100000 };

/* What the handlers saw. */
static atomic_int uploads_begun;
static atomic_int uploads_ended;
static atomic_int uploads_abandoned;
static atomic_int sources_done;
static atomic_int refused_parts;
static atomic_int bodies_held;
static atomic_bool is_stuck;

static struct test_ca ca;
static struct test_ca other_ca;
static struct tls_identity *server_identity;
static struct tls_identity *alice;
static struct server *server;

/* The bytes of every streamed body here. */
static inline uint8_t pattern_byte(uint64_t position) {
    return (uint8_t)(position * 31 + (position >> 12));
}

static inline void pattern_fill(uint64_t position, uint8_t *out, size_t len) {
    for (size_t i = 0; i < len; i++)
        out[i] = pattern_byte(position + i);
}

static inline void sleep_ms(unsigned ms) {
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

static inline int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until `*counter` is `value`; false after three seconds. */
static inline bool wait_for(atomic_int *counter, int value) {
    for (int i = 0; i < 600; i++) {
        if (atomic_load(counter) == value)
            return true;
        sleep_ms(5);
    }
    return false;
}

/* ---- Handlers ---- */

static inline result answer_text(struct server_exchange *exchange, const char *text) {
    AUTO_BYTES struct bytes body = {0};
    TRY(bytes_append(&body, view_of_string(text)));
    return exchange_answer(exchange, "text/plain", &body);
}

static inline result handle_who(struct server_exchange *exchange) {
    char text[512];
    const struct tls_peer *peer = exchange_peer(exchange);
    const char *query = exchange_query(exchange, "q");
    snprintf(text, sizeof text, "%s %s %s %s %s", peer->name, tls_role_name(peer->role),
             exchange_param(exchange, "name"), query == NULL ? "-" : query,
             (const char *)exchange_context(exchange));
    return answer_text(exchange, text);
}

static inline result handle_echo(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes body = {0};
    TRY(bytes_append(&body, exchange_body(exchange)));
    return exchange_answer(exchange, "application/octet-stream", &body);
}

static inline result handle_sleep(struct server_exchange *exchange) {
    uint64_t ms = 0;
    TRY(exchange_query_number(exchange, "ms", 0, &ms));
    sleep_ms((unsigned)ms);
    return answer_text(exchange, "slept");
}

static inline result handle_conflict(struct server_exchange *exchange) {
    (void)exchange;
    char filler[ERROR_TEXT_BYTES];
    memset(filler, 'x', sizeof filler);
    filler[sizeof filler - 1] = '\0';
    return FAIL(CONFLICT, "put 7 is prepared %s", filler);
}

static inline result upload_begin(struct server_exchange *exchange) {
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return FAIL(NO_MEMORY, "no memory");
    digest_start(digest);
    exchange_set_state(exchange, digest);
    atomic_fetch_add(&uploads_begun, 1);
    return OK;
}

static inline result upload_part(struct server_exchange *exchange, struct view part) {
    digest_update(exchange_state(exchange), part);
    return OK;
}

static inline result upload_end(struct server_exchange *exchange) {
    uint8_t hash[DIGEST_BYTES];
    char text[2 * DIGEST_BYTES + 1];
    digest_finish(exchange_state(exchange), hash);
    free(exchange_state(exchange));
    hex_encode(view_of(hash, sizeof hash), text);
    atomic_fetch_add(&uploads_ended, 1);
    return answer_text(exchange, text);
}

static inline void upload_abandon(struct server_exchange *exchange) {
    digest_abandon(exchange_state(exchange));
    free(exchange_state(exchange));
    atomic_fetch_add(&uploads_abandoned, 1);
}

static inline result refuse_begin(struct server_exchange *exchange) {
    (void)exchange;
    return FAIL(DENIED, "alice may not write here");
}

static inline result refused_part(struct server_exchange *exchange, struct view part) {
    (void)exchange, (void)part;
    atomic_fetch_add(&refused_parts, 1);
    return OK;
}

/* Refuses once a megabyte has come. */
static inline result break_part(struct server_exchange *exchange, struct view part) {
    static _Thread_local size_t seen;
    TRY(upload_part(exchange, part));
    seen += part.len;
    if (seen < 1 << 20)
        return OK;
    seen = 0;
    return FAIL(INTEGRITY, "slice 3: hash differs");
}

static inline result stuck_part(struct server_exchange *exchange, struct view part) {
    (void)exchange, (void)part;
    while (atomic_load(&is_stuck))
        sleep_ms(10);
    return OK;
}

static inline result handle_hold(struct server_exchange *exchange) {
    atomic_fetch_add(&bodies_held, 1);
    while (atomic_load(&is_stuck))
        sleep_ms(10);
    return answer_text(exchange, "held");
}

static inline result handle_nothing(struct server_exchange *exchange) {
    (void)exchange;
    return OK;
}

static inline result pattern_read(void *context, uint64_t position, uint8_t *out, size_t capacity,
                                  size_t *out_len) {
    const uint64_t *cut = context;
    if (cut != NULL && position >= *cut)
        return FAIL(IO, "the disk is gone");
    pattern_fill(position, out, capacity);
    *out_len = capacity;
    return OK;
}

static inline void pattern_done(void *context) {
    free(context);
    atomic_fetch_add(&sources_done, 1);
}

static inline result handle_pattern(struct server_exchange *exchange) {
    uint64_t total = 0;
    uint64_t cut = 0;
    TRY(exchange_query_number(exchange, "bytes", 0, &total));
    TRY(exchange_query_number(exchange, "cut", 0, &cut));
    struct exchange_source source = {NULL, pattern_read, pattern_done};
    if (cut != 0) {
        uint64_t *context = malloc(sizeof *context);
        if (context == NULL)
            return FAIL(NO_MEMORY, "no memory");
        *context = cut;
        source.context = context;
    }
    return exchange_answer_stream(exchange, NULL, source, total);
}

/* A byte now and then. */
static inline result drip_read(void *context, uint64_t position, uint8_t *out, size_t capacity,
                               size_t *out_len) {
    (void)context, (void)capacity;
    sleep_ms(50);
    pattern_fill(position, out, 1);
    *out_len = 1;
    return OK;
}

static inline result handle_drip(struct server_exchange *exchange) {
    return exchange_answer_stream(exchange, NULL, (struct exchange_source){NULL, drip_read, NULL},
                                  100);
}

static inline result handle_bytes(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes body = {0};
    TRY(bytes_reserve(&body, TEST_FILE_BYTES));
    pattern_fill(0, body.data, TEST_FILE_BYTES);
    body.len = TEST_FILE_BYTES;
    return exchange_answer_bytes(exchange, &body);
}

static inline result handle_file(struct server_exchange *exchange) {
    static uint8_t contents[TEST_FILE_HEAD + TEST_FILE_BYTES];
    int fd = memfd_create("test", MFD_CLOEXEC);
    pattern_fill(0, contents + TEST_FILE_HEAD, TEST_FILE_BYTES);
    TRY(file_write_all(fd, view_of(contents, sizeof contents), "test"));
    return exchange_answer_file(exchange, fd, TEST_FILE_HEAD, TEST_FILE_BYTES);
}

static inline result handle_metrics(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes text = {0};
    TRY(server_metrics_text(exchange_server(exchange), &text));
    return exchange_answer(exchange, "text/plain; version=0.0.4", &text);
}

static const struct server_route routes[] = {
    {.method = "GET", .pattern = "/v1/who/{name}", .end = handle_who},
    {.method = "POST",
     .pattern = "/v1/echo",
     .body = SERVER_BODY_BUFFERED,
     .body_limit = TEST_BODY_LIMIT,
     .end = handle_echo},
    {.method = "POST",
     .pattern = "/v1/hold",
     .body = SERVER_BODY_BUFFERED,
     .body_limit = TEST_BODY_LIMIT,
     .end = handle_hold},
    {.method = "GET", .pattern = "/v1/sleep", .end = handle_sleep},
    {.method = "GET", .pattern = "/v1/costly", .cost = 5, .end = handle_sleep},
    {.method = "GET", .pattern = "/v1/conflict", .end = handle_conflict},
    {.method = "GET", .pattern = "/v1/pattern", .end = handle_pattern},
    {.method = "GET", .pattern = "/v1/drip", .end = handle_drip},
    {.method = "GET", .pattern = "/v1/bytes", .end = handle_bytes},
    {.method = "GET", .pattern = "/v1/file", .end = handle_file},
    {.method = "GET", .pattern = "/metrics", .end = handle_metrics},
    {.method = "DELETE", .pattern = "/v1/who/{name}", .end = handle_nothing},
    {.method = "PUT",
     .pattern = "/v1/upload",
     .body = SERVER_BODY_STREAMED,
     .begin = upload_begin,
     .part = upload_part,
     .end = upload_end,
     .abandon = upload_abandon},
    {.method = "PUT",
     .pattern = "/v1/refused",
     .body = SERVER_BODY_STREAMED,
     .begin = refuse_begin,
     .part = refused_part,
     .end = handle_nothing,
     .abandon = upload_abandon},
    {.method = "PUT",
     .pattern = "/v1/broken",
     .body = SERVER_BODY_STREAMED,
     .begin = upload_begin,
     .part = break_part,
     .end = upload_end,
     .abandon = upload_abandon},
    {.method = "PUT",
     .pattern = "/v1/stuck",
     .body = SERVER_BODY_STREAMED,
     .part = stuck_part,
     .end = handle_nothing},
    {.method = "PUT",
     .pattern = "/v1/limited",
     .body = SERVER_BODY_STREAMED,
     .body_limit = TEST_BODY_LIMIT,
     .begin = upload_begin,
     .part = upload_part,
     .end = upload_end,
     .abandon = upload_abandon},
};

/* ---- Starting ---- */

static inline struct server_options test_server_options(const char *listen) {
    static char context[] = "context";
    return (struct server_options){
        .listen = listen,
        .identity = server_identity,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .context = context,
    };
}

static inline struct server *test_server_start(const struct server_options *options) {
    struct server *started = NULL;
    if (server_start(options, &started) != OK) {
        fprintf(stderr, "%s\n", error_text());
        abort();
    }
    return started;
}

static inline struct http_client_options test_client_options(uint16_t port) {
    static _Thread_local char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    struct http_client_options options = {
        .name = "storage-1", .address = address, .identity = alice};
    memcpy(options.server_identity, tls_identity_self(server_identity)->identity, TLS_KEY_BYTES);
    return options;
}

static inline struct http_client *test_client_of(const struct http_client_options *options) {
    struct http_client *client = NULL;
    if (http_client_new(options, &client) != OK) {
        fprintf(stderr, "%s\n", error_text());
        abort();
    }
    return client;
}

static inline struct http_client *test_client(void) {
    struct http_client_options options = test_client_options(server_port(server));
    return test_client_of(&options);
}

static int fixture_set_up(void **state) {
    (void)state;
    if (secret_start() != OK)
        return -1;
    test_ca_new("ca", &ca);
    test_ca_new("ca", &other_ca);
    server_identity = test_identity(&ca, test_subject_of("storage-1", "storage"));
    alice = test_identity(&ca, test_subject_of("alice", "user"));
    const struct server_options options = test_server_options("127.0.0.1:0");
    server = test_server_start(&options);
    return 0;
}

static int fixture_tear_down(void **state) {
    (void)state;
    server_stop(server, 1000);
    tls_identity_free(alice);
    tls_identity_free(server_identity);
    test_ca_free(&ca);
    test_ca_free(&other_ca);
    return 0;
}

#endif
