/* A route's handlers, called with what they may cost, and what they may ask of their request. */
#include <stdio.h>

#include "base/clock.h"
#include "net/server_private.h"

/* A handler that took longer than this starts the connection's idle time anew. */
enum { SLOW_HANDLER_MS = 1000 };

void exchange_refuse(struct server_exchange *exchange, unsigned status, const char *text) {
    refusal_set(&exchange->refusal, status, text);
}

void exchange_refuse_result(struct server_exchange *exchange, result code) {
    exchange_refuse(exchange, result_http_status(code), error_text());
}

void exchange_enter(struct server_exchange *exchange, enum guard_phase phase, uint64_t expected) {
    guard_enter(exchange->server->guard, &exchange->connection->guarded, phase, expected);
}

/* ---- Memory ---- */

void exchange_drop_memory(struct server_exchange *exchange) {
    bytes_free(&exchange->body);
    if (exchange->reserved > 0)
        guard_give_memory(exchange->server->guard, &exchange->connection->guarded,
                          exchange->reserved);
    exchange->reserved = 0;
}

result exchange_reserve(struct server_exchange *exchange, size_t bytes) {
    if (bytes <= exchange->reserved)
        return OK;
    TRY(guard_take_memory(exchange->server->guard, &exchange->connection->guarded,
                          bytes - exchange->reserved));
    exchange->reserved = bytes;
    return OK;
}

/* Each body has its bound, and all memory of requests together has one, or some hundred callers
 * who send long bodies would take all there is. */
static result keep_part(struct server_exchange *exchange, struct view part) {
    struct bytes *body = &exchange->body;
    size_t wanted = body->len + part.len;
    if (wanted > body->capacity) {
        size_t capacity = wanted < body->capacity * 2 ? body->capacity * 2 : wanted;
        if (exchange->length != SERVER_LENGTH_UNKNOWN && capacity > exchange->length)
            capacity = (size_t)exchange->length < wanted ? wanted : (size_t)exchange->length;
        TRY(exchange_reserve(exchange, capacity));
        TRY(bytes_reserve(body, capacity));
    }
    return bytes_append(body, part);
}

/* ---- The calls ---- */

/* The bytes that a body may have in all. */
static uint64_t body_limit(const struct server_route *route) {
    if (route->body == SERVER_BODY_NONE)
        return 0;
    if (route->body == SERVER_BODY_STREAMED && route->body_limit == 0)
        return SERVER_LENGTH_UNKNOWN - 1;
    return route->body_limit;
}

bool exchange_allows_length(struct server_exchange *exchange, uint64_t length) {
    uint64_t limit = body_limit(exchange->route);
    char text[80];
    if (length <= limit)
        return true;
    snprintf(text, sizeof text, "a body of over %llu bytes", (unsigned long long)limit);
    exchange_refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, text);
    return false;
}

static int64_t now_ms(void) {
    return (int64_t)clock_ms();
}

/* The library counts idle time from the last byte: without this, an answer that took longer than
 * the idle timeout to work out would never be sent. Setting a timeout where there was none starts
 * the count. */
static void forgive_handler_time(struct server_exchange *exchange, int64_t started_ms) {
    if (now_ms() - started_ms < SLOW_HANDLER_MS)
        return;
    MHD_set_connection_option(exchange->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    MHD_set_connection_option(exchange->mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                              (guard_limits(exchange->server->guard)->idle_ms + 999) / 1000);
}

void exchange_abandon(struct server_exchange *exchange) {
    if (exchange->has_begun && exchange->route->abandon != NULL)
        exchange->route->abandon(exchange);
    exchange->has_begun = false;
}

/* A costly request's place among its user's, for as long as a handler runs. */
static result take_turn(struct server_exchange *exchange) {
    unsigned cost = exchange->route->cost, retry_s = 0;
    if (cost == 0)
        return OK;
    result code =
        guard_begin(exchange->server->guard, &exchange->connection->guarded, cost, &retry_s);
    exchange->is_running = code == OK;
    exchange->refusal.retry_s = retry_s;
    return code;
}

static void end_turn(struct server_exchange *exchange) {
    if (exchange->is_running)
        guard_finish(exchange->server->guard, &exchange->connection->guarded);
    exchange->is_running = false;
}

void exchange_call_begin(struct server_exchange *exchange) {
    int64_t started = now_ms();
    exchange_enter(exchange, GUARD_HANDLER, 0);
    result code = exchange->route->begin == NULL ? OK : exchange->route->begin(exchange);
    forgive_handler_time(exchange, started);
    if (code == OK)
        exchange->has_begun = true;
    else
        exchange_refuse_result(exchange, code);
}

static result take_part(struct server_exchange *exchange, struct view part) {
    return exchange->route->body == SERVER_BODY_BUFFERED ? keep_part(exchange, part)
                                                         : exchange->route->part(exchange, part);
}

void exchange_call_part(struct server_exchange *exchange, struct view part) {
    int64_t started = now_ms();
    if (exchange_allows_length(exchange, exchange->received)) {
        result code = take_part(exchange, part);
        if (code != OK)
            exchange_refuse_result(exchange, code);
    }
    guard_paused(exchange->server->guard, &exchange->connection->guarded, now_ms() - started);
    forgive_handler_time(exchange, started);
    if (exchange->refusal.status != 0) {
        exchange_abandon(exchange);
        exchange_drop_memory(exchange);
    }
}

void exchange_call_end(struct server_exchange *exchange) {
    int64_t started = now_ms();
    exchange_enter(exchange, GUARD_HANDLER, 0);
    result code = take_turn(exchange);
    if (code != OK) {
        exchange_abandon(exchange);
    } else {
        exchange->has_begun = false;
        code = exchange->route->end(exchange);
    }
    end_turn(exchange);
    forgive_handler_time(exchange, started);
    if (code != OK)
        exchange_refuse_result(exchange, code);
}

/* ---- For handlers ---- */

void *exchange_context(const struct server_exchange *exchange) {
    return exchange->server->options.context;
}

const struct server *exchange_server(const struct server_exchange *exchange) {
    return exchange->server;
}

const struct tls_peer *exchange_peer(const struct server_exchange *exchange) {
    return &exchange->connection->peer;
}

const char *exchange_param(const struct server_exchange *exchange, const char *name) {
    return route_param(exchange->route->pattern, &exchange->target, name);
}

const char *exchange_query(const struct server_exchange *exchange, const char *name) {
    return route_query(&exchange->target, name);
}

result exchange_query_number(const struct server_exchange *exchange, const char *name,
                             uint64_t fallback, uint64_t *out_number) {
    const char *text = exchange_query(exchange, name);
    *out_number = fallback;
    if (text != NULL && route_number(text, out_number) != OK)
        return error_at(INVALID, "query parameter %s", name);
    return OK;
}

struct view exchange_body(const struct server_exchange *exchange) {
    return bytes_view(&exchange->body);
}

uint64_t exchange_body_length(const struct server_exchange *exchange) {
    return exchange->length;
}

void *exchange_state(const struct server_exchange *exchange) {
    return exchange->state;
}

void exchange_set_state(struct server_exchange *exchange, void *state) {
    exchange->state = state;
}
