/*
 * Calls to the server of net_fixture.h, and the bodies that come and go with them. Include after
 * cmocka.h.
 */
#ifndef MYELIN_TESTS_NET_CALLS_H
#define MYELIN_TESTS_NET_CALLS_H

#include "net_fixture.h"

enum { ANSWER_LIMIT = 1 << 20 };

static inline void assert_text(const char *words) {
    if (strstr(error_text(), words) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), words);
}

#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        result code_ = (expression);                                                               \
        if (code_ != OK)                                                                           \
            fail_msg("%s: %s", result_name(code_), error_text());                                  \
    } while (0)

/* Whether calls go by http_call_start, beside others, and not by http_call: they are to be the
 * same.
 */
static bool are_apart;

static inline result call(struct http_client *client, const char *method, const char *path,
                          struct view body, const char *content_type, size_t answer_limit,
                          struct bytes *out_answer) {
    struct http_started *started = NULL;
    if (!are_apart)
        return http_call(client, method, path, body, content_type, answer_limit, out_answer);
    TRY(http_call_start(client, method, path, body, content_type, answer_limit, &started));
    while (!http_call_is_done(started))
        http_calls_wait(&started, 1, 50);
    return http_call_end(started, out_answer);
}

static inline int go_apart(void **state) {
    (void)state;
    are_apart = true;
    return 0;
}

static inline int go_together(void **state) {
    (void)state;
    are_apart = false;
    return 0;
}

/* A test of calls, once in each way. */
#define BOTH_WAYS(test)                                                                            \
    cmocka_unit_test(test), cmocka_unit_test_setup_teardown(test, go_apart, go_together)

static inline result get(struct http_client *client, const char *path, struct bytes *out) {
    return call(client, "GET", path, view_of(NULL, 0), NULL, ANSWER_LIMIT, out);
}

static inline void assert_answer(const struct bytes *answer, const char *text) {
    if (!view_equal(bytes_view(answer), view_of_string(text)))
        fail_msg("'%.*s' is not '%s'", (int)answer->len, (const char *)answer->data, text);
}

struct source {
    uint64_t position;
    uint64_t end;      /* gives 0 bytes there */
    size_t step;       /* the most at once; 0: as many as fit */
    uint64_t fail_at;  /* 0: never */
    unsigned pause_ms; /* before each */
    struct http_client *cancel;
};

static inline result pull_pattern(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
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

static inline result push_pattern(void *context, struct view part) {
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

static inline void pattern_hash(uint64_t len, char out[2 * DIGEST_BYTES + 1]) {
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

static inline void check_upload(struct http_client *client, uint64_t len, bool is_chunked,
                                size_t step) {
    char expected[2 * DIGEST_BYTES + 1];
    AUTO_BYTES struct bytes answer = {0};
    struct source source = {.end = len, .step = step};
    pattern_hash(len, expected);
    assert_ok(http_upload(client, "/v1/upload", is_chunked ? HTTP_LENGTH_UNKNOWN : len,
                          pull_pattern, &source, 100, &answer));
    assert_answer(&answer, expected);
}

#endif
