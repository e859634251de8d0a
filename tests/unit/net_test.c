/* The client and the server against each other, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net_fixture.h"

enum { ANSWER_LIMIT = 1 << 20 };

static void assert_text(const char *words) {
    if (strstr(error_text(), words) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), words);
}

#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        result code_ = (expression);                                                               \
        if (code_ != OK)                                                                           \
            fail_msg("%s: %s", result_name(code_), error_text());                                  \
    } while (0)

static result get(struct http_client *client, const char *path, struct bytes *out) {
    return http_call(client, "GET", path, view_of(NULL, 0), NULL, ANSWER_LIMIT, out);
}

static void assert_answer(const struct bytes *answer, const char *text) {
    if (!view_equal(bytes_view(answer), view_of_string(text)))
        fail_msg("'%.*s' is not '%s'", (int)answer->len, (const char *)answer->data, text);
}

/* ---- Bodies ---- */

struct source {
    uint64_t position;
    uint64_t end;      /* gives 0 bytes there */
    size_t step;       /* the most at once; 0: as many as fit */
    uint64_t fail_at;  /* 0: never */
    unsigned pause_ms; /* before each */
    struct http_client *cancel;
};

static result pull_pattern(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    struct source *source = context;
    uint64_t left = source->end - source->position;
    size_t len = source->step != 0 && source->step < capacity ? source->step : capacity;
    len = left < len ? (size_t)left : len;
    if (source->pause_ms > 0)
        sleep_ms(source->pause_ms);
    if (source->fail_at != 0 && source->position >= source->fail_at)
        return FAIL(IO, "disk: cannot be read");
    pattern_fill(source->position, out, len);
    source->position += len;
    *out_len = len;
    return OK;
}

struct sink {
    uint64_t position;
    bool differs;
    unsigned pause_ms;
    uint64_t fail_at;
};

static result push_pattern(void *context, struct view part) {
    struct sink *sink = context;
    if (sink->pause_ms > 0)
        sleep_ms(sink->pause_ms);
    if (sink->fail_at != 0 && sink->position >= sink->fail_at)
        return FAIL(IO, "disk: full");
    for (size_t i = 0; i < part.len; i++)
        if (part.data[i] != pattern_byte(sink->position + i))
            sink->differs = true;
    sink->position += part.len;
    return OK;
}

static void pattern_hash(uint64_t len, char out[2 * DIGEST_BYTES + 1]) {
    struct digest digest;
    uint8_t hash[DIGEST_BYTES];
    uint8_t block[4096];
    digest_start(&digest);
    for (uint64_t at = 0; at < len; at += sizeof block) {
        size_t part = len - at < sizeof block ? (size_t)(len - at) : sizeof block;
        pattern_fill(at, block, part);
        digest_update(&digest, view_of(block, part));
    }
    digest_finish(&digest, hash);
    hex_encode(view_of(hash, sizeof hash), out);
}

/* ---- Calls ---- */

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
        assert_ok(http_call(client, "POST", "/v1/echo", view_of(body, sizes[i]), "text/plain",
                            ANSWER_LIMIT, &answer));
        assert_true(view_equal(bytes_view(&answer), view_of(body, sizes[i])));
    }
    assert_ok(http_call(client, "DELETE", "/v1/who/bob", view_of(NULL, 0), NULL, 0, NULL));
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
    assert_int_equal(
        http_call(client, "DELETE", "/v1/who/bob", view_of("x", 1), "text/plain", 0, NULL),
        PROTOCOL);
    assert_text("body of over 0 bytes");
}

static void lengths_are_bounded_on_both_sides(void **state) {
    static uint8_t body[TEST_BODY_LIMIT + 1];
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    AUTO_BYTES struct bytes answer = {0};
    assert_int_equal(http_call(client, "POST", "/v1/echo", view_of(body, sizeof body), "text/plain",
                               ANSWER_LIMIT, &answer),
                     PROTOCOL);
    assert_text("storage-1: a body of over 100000 bytes");
    assert_int_equal(
        http_call(client, "GET", "/v1/pattern?bytes=1001", view_of(NULL, 0), NULL, 1000, &answer),
        PROTOCOL);
    assert_text("an answer of over 1000 bytes");
    assert_int_equal(answer.len, 0);
    assert_ok(
        http_call(client, "GET", "/v1/pattern?bytes=1000", view_of(NULL, 0), NULL, 1000, &answer));
    assert_int_equal(answer.len, 1000);
}

static void head_has_no_body(void **state) {
    (void)state;
    AUTO_HTTP_CLIENT struct http_client *client = test_client();
    AUTO_BYTES struct bytes answer = {0};
    assert_ok(
        http_call(client, "HEAD", "/v1/pattern?bytes=5000", view_of(NULL, 0), NULL, 10, &answer));
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

/* ---- Uploads ---- */

static void check_upload(struct http_client *client, uint64_t len, bool is_chunked, size_t step) {
    char expected[2 * DIGEST_BYTES + 1];
    AUTO_BYTES struct bytes answer = {0};
    struct source source = {.end = len, .step = step};
    pattern_hash(len, expected);
    assert_ok(http_upload(client, "/v1/upload", is_chunked ? HTTP_LENGTH_UNKNOWN : len,
                          pull_pattern, &source, 100, &answer));
    assert_answer(&answer, expected);
}

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

/* Each byte comes in time, and the whole would take five seconds. */
static void a_dripping_answer_is_cut(void **state) {
    (void)state;
    struct http_client_options to = test_client_options(server_port(server));
    to.stall_timeout_ms = 400;
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&to);
    AUTO_BYTES struct bytes answer = {0};
    struct sink sink = {0};
    int64_t started = now_ms();
    assert_int_equal(http_call(client, "GET", "/v1/drip", view_of(NULL, 0), NULL, 100, &answer),
                     TIMEOUT);
    assert_text("its answer comes too slowly");
    assert_int_equal(http_download(client, "/v1/drip", 0, 100, push_pattern, &sink), TIMEOUT);
    assert_true(now_ms() - started < 3000);
}

/* ---- Downloads ---- */

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

/* ---- Who is let in ---- */

static void expect_denied_by(struct http_client_options options, const char *words) {
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&options);
    assert_int_equal(get(client, "/v1/who/x", NULL), DENIED);
    assert_text("storage-1");
    assert_text(words);
}

/* A client that shows `subject`'s certificate, signed by `issuer`. */
static void expect_stranger(const struct test_ca *issuer, struct test_subject subject,
                            const char *words) {
    struct http_client_options options = test_client_options(server_port(server));
    struct test_certificate certificate;
    struct tls_identity *identity = NULL;
    test_certificate_new(issuer, subject, &certificate);
    if (tls_identity_new(bytes_view(&certificate.der), certificate.key.seed,
                         bytes_view(&issuer->der), &identity) != OK) {
        assert_text(words); /* it cannot even be loaded */
    } else {
        options.identity = identity;
        expect_denied_by(options, words);
    }
    tls_identity_free(identity);
    bytes_free(&certificate.der);
}

static void strangers_are_told_why(void **state) {
    (void)state;
    struct test_subject subject = test_subject_of("alice", "user");
    subject.from = 1735689600;
    subject.until = 1735776000;
    expect_stranger(&ca, subject, "the certificate of alice expired on 2025-01-02");
    subject = test_subject_of("alice", "user");
    subject.system = "445566";
    expect_stranger(&ca, subject, "for another system");
    expect_stranger(&ca, test_subject_of("alice", "admin"), "has no role");
    expect_stranger(&ca, test_subject_of("Alice", "user"), "without a valid name");
}

/* A plain GnuTLS client: what libcurl would never do. */
static void raw_request(const char *request, size_t len,
                        gnutls_certificate_credentials_t credentials, char *out, size_t size) {
    gnutls_session_t session = NULL;
    size_t got = 0;
    const struct timeval patience = {.tv_sec = 3};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    test_must(gnutls_init(&session, GNUTLS_CLIENT));
    test_must(gnutls_set_default_priority(session));
    test_must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(session, fd);
    test_must(gnutls_handshake(session));
    while (len > 0) {
        ssize_t sent = gnutls_record_send(session, request, len);
        if (sent <= 0)
            break;
        request += sent;
        len -= (size_t)sent;
    }
    for (ssize_t more = 1; more > 0 && got<size - 1; got += more> 0 ? (size_t)more : 0)
        more = gnutls_record_recv(session, out + got, size - 1 - got);
    out[got] = '\0';
    gnutls_deinit(session);
}

static void no_or_foreign_certificate_is_refused(void **state) {
    static const char request[] = "GET /v1/who/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request(request, strlen(request), credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "no certificate of this system was shown"));
    gnutls_certificate_free_credentials(credentials);

    /* Of a CA with the same name, so that GnuTLS shows it. */
    struct tls_identity *mallory = test_identity(&other_ca, test_subject_of("alice", "user"));
    const char *pem = tls_identity_certificate_pem(mallory);
    const char *key = tls_identity_key_pem(mallory);
    gnutls_datum_t certificate_text = {NULL, (unsigned)strlen(pem)};
    gnutls_datum_t key_text = {NULL, (unsigned)strlen(key)};
    certificate_text.data = (unsigned char *)gnutls_strdup(pem);
    key_text.data = (unsigned char *)gnutls_strdup(key);
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    test_must(gnutls_certificate_set_x509_key_mem(credentials, &certificate_text, &key_text,
                                                  GNUTLS_X509_FMT_PEM));
    raw_request(request, strlen(request), credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "the certificate of alice is from another CA"));
    gnutls_certificate_free_credentials(credentials);
    gnutls_free(certificate_text.data);
    gnutls_free(key_text.data);
    tls_identity_free(mallory);
}

static void strangers_upload_is_refused_early(void **state) {
    static char request[700000] = "PUT /v1/upload HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 100000000\r\n\r\n";
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    int begun = atomic_load(&uploads_begun);
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request(request, sizeof request, credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "Connection: close"));
    assert_int_equal(atomic_load(&uploads_begun), begun);
    gnutls_certificate_free_credentials(credentials);
}

static void broken_requests_leave_nothing_behind(void **state) {
    static char request[200000];
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request("nonsense\r\n\r\n", 12, credentials, answer, sizeof answer);
    int len = snprintf(request, sizeof request, "GET /v1/who/x HTTP/1.1\r\nHost: x\r\nLong: ");
    memset(request + len, 'x', sizeof request - (size_t)len);
    raw_request(request, sizeof request, credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 4"));
    len = snprintf(request, sizeof request, "GET /%%00/v1/who HTTP/1.1\r\nHost: x\r\nX\r\n\r\n");
    raw_request(request, (size_t)len, credentials, answer, sizeof answer);
    gnutls_certificate_free_credentials(credentials);
}

/* A handshake with `priorities`, and nothing more. */
static int handshake(const char *priorities) {
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_session_t session = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    test_must(gnutls_init(&session, GNUTLS_CLIENT));
    test_must(gnutls_priority_set_direct(session, priorities, NULL));
    test_must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(session, fd);
    int code = gnutls_handshake(session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    return code;
}

static void older_tls_is_refused(void **state) {
    (void)state;
    assert_int_equal(handshake("NORMAL:-VERS-ALL:+VERS-TLS1.3"), GNUTLS_E_SUCCESS);
    assert_int_not_equal(handshake("NORMAL:-VERS-ALL:+VERS-TLS1.2"), GNUTLS_E_SUCCESS);
}

static void wrong_servers_are_not_talked_to(void **state) {
    (void)state;
    struct http_client_options options = test_client_options(server_port(server));
    options.server_identity[5] ^= 1;
    expect_denied_by(options, "its identity key is not the one in the system description");

    struct tls_identity *carol = test_identity(&other_ca, test_subject_of("carol", "user"));
    options = test_client_options(server_port(server));
    options.identity = carol;
    expect_denied_by(options, "the certificate of storage-1 is from another CA");
    tls_identity_free(carol);

    options = test_client_options(server_port(server));
    options.name = "storage-2";
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&options);
    assert_int_equal(get(client, "/v1/who/x", NULL), DENIED);
    assert_text("storage-2");
    assert_text("it shows the certificate of storage-1");
}

static void expired_server_is_not_talked_to(void **state) {
    struct test_subject subject = test_subject_of("storage-1", "storage");
    (void)state;
    subject.from = 1735689600;
    subject.until = 1735776000;
    struct tls_identity *old = test_identity(&ca, subject);
    struct server_options options = test_server_options("127.0.0.1:0");
    options.identity = old;
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    memcpy(to.server_identity, tls_identity_self(old)->identity, TLS_KEY_BYTES);
    expect_denied_by(to, "the certificate of storage-1 expired on 2025-01-02");
    server_stop(fresh, 1000);
    tls_identity_free(old);
}

/* ---- Faults and bounds in time ---- */

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

static void handler_may_take_longer_than_the_idle_timeout(void **state) {
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    options.idle_timeout_s = 1;
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

/* ---- Many at once ---- */

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

/* Each is within its own bound; a refused one takes no room either. */
static void bodies_are_bounded_together(void **state) {
    pthread_t thread;
    void *outcome = NULL;
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    options.buffer_limit = TEST_BODY_LIMIT * 3 / 2;
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
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
    assert_text("too much is being sent at once");
    assert_null(outcome);
    for (int i = 0; i < 3; i++)
        assert_ok(post_long(client, "/v1/echo"));
    server_stop(fresh, 1000);
}

static void connections_over_the_limit_wait(void **state) {
    (void)state;
    struct server_options options = test_server_options("127.0.0.1:0");
    options.connection_limit = 2;
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    to.connect_timeout_ms = 500;
    AUTO_HTTP_CLIENT struct http_client *first = test_client_of(&to);
    struct http_client *second = test_client_of(&to);
    AUTO_HTTP_CLIENT struct http_client *third = test_client_of(&to);
    assert_ok(get(first, "/v1/who/x", NULL));
    assert_ok(get(second, "/v1/who/x", NULL));
    assert_int_equal(get(third, "/v1/who/x", NULL), TIMEOUT);
    http_client_free(second);
    sleep_ms(100);
    assert_ok(get(third, "/v1/who/x", NULL));
    server_stop(fresh, 0);
}

/* ---- Counters ---- */

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
        cmocka_unit_test(handler_sees_peer_path_and_query),
        cmocka_unit_test(bodies_of_calls_go_round),
        cmocka_unit_test(connection_is_kept),
        cmocka_unit_test(errors_carry_the_servers_words),
        cmocka_unit_test(lengths_are_bounded_on_both_sides),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(ipv6_addresses_work),
        cmocka_unit_test(uploads_arrive_whole),
        cmocka_unit_test(upload_of_another_length_is_invalid),
        cmocka_unit_test(failing_source_ends_the_upload),
        cmocka_unit_test(upload_refused_at_its_head_is_not_sent),
        cmocka_unit_test(upload_refused_in_the_middle_is_told_why),
        cmocka_unit_test(streamed_bodies_are_bounded),
        cmocka_unit_test(slow_source_is_no_stall),
        cmocka_unit_test(stuck_server_stalls_an_upload),
        cmocka_unit_test(a_dripping_answer_is_cut),
        cmocka_unit_test(downloads_are_the_bytes_asked_for),
        cmocka_unit_test(downloads_of_other_lengths_are_refused),
        cmocka_unit_test(source_that_fails_cuts_a_download),
        cmocka_unit_test(failing_sink_ends_the_download),
        cmocka_unit_test(strangers_are_told_why),
        cmocka_unit_test(no_or_foreign_certificate_is_refused),
        cmocka_unit_test(strangers_upload_is_refused_early),
        cmocka_unit_test(broken_requests_leave_nothing_behind),
        cmocka_unit_test(older_tls_is_refused),
        cmocka_unit_test(wrong_servers_are_not_talked_to),
        cmocka_unit_test(expired_server_is_not_talked_to),
        cmocka_unit_test(hung_server_costs_the_connect_timeout),
        cmocka_unit_test(absent_server_is_said_to_refuse),
        cmocka_unit_test(slow_answer_costs_the_answer_timeout),
        cmocka_unit_test(handler_may_take_longer_than_the_idle_timeout),
        cmocka_unit_test(cancel_ends_a_running_call),
        cmocka_unit_test(cancel_ends_a_running_upload),
        cmocka_unit_test(server_that_stops_cuts_uploads_and_abandons),
        cmocka_unit_test(stop_lets_requests_end),
        cmocka_unit_test(client_finds_a_restarted_server),
        cmocka_unit_test(many_connections_at_once),
        cmocka_unit_test(bodies_are_bounded_together),
        cmocka_unit_test(connections_over_the_limit_wait),
        cmocka_unit_test(traffic_is_counted_as_http_has_it),
        cmocka_unit_test(metrics_name_route_and_status),
        cmocka_unit_test(bad_options_are_invalid),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
