/*
 * Whole request sequences against a daemon's own table of routes, in process: what stands between a
 * TLS connection and a store, without the connection. An input is a list of steps, eight bytes
 * each, some followed by bytes of their own:
 *
 *     who, route, image or put, object, other user, kind of body, a, b
 *
 * A harness makes the request's target from the route's pattern and a right body for it; `kind`
 * says what becomes of the body. So most steps are requests that a client could make, in any order
 * and by anybody, and the others are those with something wrong in them.
 */
#ifndef MYELIN_TESTS_SEQUENCE_H
#define MYELIN_TESTS_SEQUENCE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/budget.h"
#include "net/server_private.h"

enum {
    SEQUENCE_STEPS_MAX = 64,
    SEQUENCE_BODY_MAX = 1 << 16,
    SEQUENCE_PEOPLE_MAX = 8,
    SEQUENCE_MEMORY = 64 << 20,
};

enum sequence_kind {
    BODY_RIGHT,
    BODY_FLIPPED, /* bit a of byte b */
    BODY_CUT,     /* after b bytes of 256 */
    BODY_LONGER,  /* by a bytes of b */
    BODY_OTHERS,  /* right for the next image or put */
    BODY_RAW,     /* from the input: 256 a + b bytes */
    BODY_EMPTY,
    BODY_ABANDONED, /* a streamed one: half of it, and no end */
    BODY_KINDS
};

struct step {
    unsigned who, route, thing, object, user, kind, a, b;
    struct view raw;
};

struct sequence {
    struct server server;
    struct server_connection people[SEQUENCE_PEOPLE_MAX];
    size_t people_count;
};

static inline void must(result code) {
    if (code == OK)
        return;
    fprintf(stderr, "%s\n", error_text());
    abort();
}

static inline void sequence_start(const struct server_route *routes, size_t count,
                                  struct sequence *out) {
    static const struct server_limits limits = {.user_running = 1 << 20, .user_rate = 1 << 20};
    *out = (struct sequence){.server = {.options = {.routes = routes, .route_count = count}}};
    budget_set_limit(SEQUENCE_MEMORY);
    must(guard_start(&limits, &out->server.guard));
}

static inline void sequence_add(struct sequence *sequence, const struct tls_peer *peer) {
    struct server_connection *connection = &sequence->people[sequence->people_count++];
    connection->peer = *peer;
    must(guard_login(sequence->server.guard, &connection->guarded, peer->name, false));
}

/* ---- One request ---- */

static inline result sequence_run(struct server_exchange *exchange, struct view body,
                                  bool is_abandoned) {
    const struct server_route *route = exchange->route;
    uint64_t limit = route->body == SERVER_BODY_NONE ? 0 : route->body_limit;
    bool is_streamed = route->body == SERVER_BODY_STREAMED;
    if (body.len > limit && !(is_streamed && limit == 0))
        return FAIL(INVALID, "a body that the server refuses before a handler hears of it");
    if (route->begin != NULL)
        TRY(route->begin(exchange));
    result code = OK;
    if (is_streamed) {
        size_t half = body.len / 2;
        if (half > 0)
            code = route->part(exchange, view_of(body.data, half));
        if (code == OK && !is_abandoned)
            code = route->part(exchange, view_of(body.data + half, body.len - half));
        if (code != OK || is_abandoned) {
            if (route->abandon != NULL)
                route->abandon(exchange);
            return code == OK ? FAIL(TIMEOUT, "abandoned") : code;
        }
    } else {
        TRY(exchange_reserve(exchange, body.len));
        TRY(bytes_append(&exchange->body, body));
    }
    return route->end(exchange);
}

static inline const struct server_route *sequence_route(const struct sequence *sequence,
                                                        const char *method,
                                                        const struct route_target *target) {
    const struct server_options *options = &sequence->server.options;
    for (size_t i = 0; i < options->route_count; i++)
        if (route_matches(options->routes[i].pattern, target) &&
            strcmp(options->routes[i].method, method) == 0)
            return &options->routes[i];
    return NULL;
}

/* What the handlers make of a request. A defect is what they call INTERNAL. */
static inline result sequence_ask(struct sequence *sequence, unsigned who, const char *method,
                                  const char *target, struct view body, bool is_abandoned) {
    struct server_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        abort();
    exchange->server = &sequence->server;
    exchange->connection = &sequence->people[who % sequence->people_count];
    exchange->length = body.len;
    result code = route_target_parse(target, &exchange->target);
    if (code == OK) {
        exchange->route = sequence_route(sequence, method, &exchange->target);
        code = exchange->route == NULL ? FAIL(NOT_FOUND, "no route")
                                       : sequence_run(exchange, body, is_abandoned);
    }
    if (code == INTERNAL) {
        fprintf(stderr, "%s %s: %s\n", method, target, error_text());
        abort();
    }
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    bytes_free(&exchange->body);
    guard_give_memory(sequence->server.guard, &exchange->connection->guarded, exchange->reserved);
    free(exchange);
    return code;
}

/* ---- Steps ---- */

static inline bool sequence_next(struct view *input, struct step *out_step) {
    struct view head;
    if (!view_take(input, 8, &head))
        return false;
    const uint8_t *b = head.data;
    *out_step = (struct step){b[0], b[1], b[2], b[3], b[4], b[5] % BODY_KINDS, b[6], b[7], {0}};
    size_t raw = 256 * (size_t)b[6] + b[7];
    if (out_step->kind == BODY_RAW &&
        !view_take(input, raw < input->len ? raw : input->len, &out_step->raw))
        return false;
    return true;
}

/* Makes of a right body what the step says. */
static inline void sequence_spoil(const struct step *step, struct bytes *body) {
    if (step->kind == BODY_FLIPPED && body->len > 0)
        body->data[(step->b * 257 + step->a) % body->len] ^= (uint8_t)(1U << (step->a % 8));
    if (step->kind == BODY_CUT)
        body->len = body->len * step->b / 256;
    if (step->kind == BODY_LONGER) {
        uint8_t more[256];
        memset(more, (int)step->b, sizeof more);
        must(bytes_append(body, view_of(more, step->a)));
    }
    if (step->kind == BODY_RAW || step->kind == BODY_EMPTY)
        body->len = 0;
    if (step->kind == BODY_RAW)
        must(bytes_append(body, step->raw));
}

/* Writes `pattern` with each "{name}" replaced by what `value` gives for it. */
static inline void sequence_target(const char *pattern, const char *(*value)(const char *name),
                                   char out[ROUTE_TARGET_MAX]) {
    size_t used = 0;
    while (*pattern != '\0') {
        size_t len = strcspn(pattern, "{");
        used += (size_t)snprintf(out + used, ROUTE_TARGET_MAX - used, "%.*s", (int)len, pattern);
        pattern += len;
        if (*pattern == '\0')
            break;
        char name[32];
        len = strcspn(pattern, "}");
        snprintf(name, sizeof name, "%.*s", (int)len - 1, pattern + 1);
        used += (size_t)snprintf(out + used, ROUTE_TARGET_MAX - used, "%s", value(name));
        pattern += len + 1;
    }
    out[used] = '\0';
}

#endif
