#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "net/server_private.h"

enum {
    /* A refused body with at most this much still to come is read first and then answered, which
     * keeps the connection; a longer one is answered at once. */
    READ_BEFORE_REFUSAL_MAX = 64 << 10,
    /* A stranger is not listened to for longer than this. */
    STRANGER_DRAIN_MAX = 1 << 20,
    /* A handler that took longer than this starts the connection's idle time anew. */
    SLOW_HANDLER_MS = 1000,
};

static void refuse(struct server_exchange *exchange, unsigned status, const char *text) {
    refusal_set(&exchange->refusal, status, text);
}

static void refuse_result(struct server_exchange *exchange, result code) {
    refuse(exchange, result_http_status(code), error_text());
}

static void enter(struct server_exchange *exchange, enum guard_phase phase, uint64_t expected) {
    guard_enter(exchange->server->guard, &exchange->connection->guarded, phase, expected);
}

/* ---- The peer ---- */

static result judge_connection(struct server_exchange *exchange) {
    struct server_connection *connection = exchange->connection;
    const struct tls_identity *identity = exchange->server->options.identity;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned count = 0;
    const gnutls_datum_t *chain =
        info == NULL ? NULL : gnutls_certificate_get_peers(info->tls_session, &count);
    if (chain == NULL || count == 0)
        return FAIL(DENIED, "no certificate of this system was shown");
    if (chain[0].size > sizeof connection->certificate)
        return FAIL(DENIED, "a certificate of %u bytes", chain[0].size);
    memcpy(connection->certificate, chain[0].data, chain[0].size);
    TRY(tls_peer_check(view_of(connection->certificate, chain[0].size), tls_identity_ca(identity),
                       time(NULL), &connection->peer));
    if (strcmp(connection->peer.system, tls_identity_self(identity)->system) != 0)
        return FAIL(DENIED, "the certificate of %s is for another system", connection->peer.name);
    return OK;
}

static bool is_peer_welcome(struct server_exchange *exchange) {
    struct server_connection *connection = exchange->connection;
    if (!connection->is_judged || time(NULL) > connection->peer.expires) {
        connection->is_judged = true;
        if (judge_connection(exchange) != OK)
            refusal_set(&connection->verdict, MHD_HTTP_FORBIDDEN, error_text());
    }
    exchange->refusal = connection->verdict;
    if (connection->verdict.status != 0)
        exchange->drain_limit = STRANGER_DRAIN_MAX;
    return connection->verdict.status == 0;
}

static bool is_peer_admitted(struct server_exchange *exchange) {
    struct server_connection *connection = exchange->connection;
    bool is_server =
        connection->peer.role == TLS_ROLE_KEY || connection->peer.role == TLS_ROLE_STORAGE;
    result code = guard_login(exchange->server->guard, &connection->guarded, connection->peer.name,
                              is_server);
    if (code != OK)
        refuse_result(exchange, code);
    return code == OK;
}

/* ---- The route ---- */

static bool route_serves(const struct server_route *route, const char *method) {
    return strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void add_allowed(struct server_exchange *exchange, const char *method) {
    size_t len = strlen(exchange->allow);
    snprintf(exchange->allow + len, sizeof exchange->allow - len, "%s%s", len == 0 ? "" : ", ",
             method);
}

static bool find_route(struct server_exchange *exchange, const char *method) {
    const struct server_options *options = &exchange->server->options;
    if (exchange->target_refusal.status != 0) {
        exchange->refusal = exchange->target_refusal;
        return false;
    }
    for (size_t i = 0; i < options->route_count; i++) {
        const struct server_route *route = &options->routes[i];
        if (!route_matches(route->pattern, &exchange->target))
            continue;
        if (route_serves(route, method)) {
            exchange->route = route;
            return true;
        }
        add_allowed(exchange, route->method);
    }
    if (exchange->allow[0] == '\0')
        refuse(exchange, MHD_HTTP_NOT_FOUND, "there is nothing of this name");
    else
        refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "this method is not served here");
    return false;
}

/* ---- The body ---- */

static bool read_length(struct server_exchange *exchange) {
    const char *coding = MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_TRANSFER_ENCODING);
    const char *length =
        MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    exchange->length = coding != NULL ? SERVER_LENGTH_UNKNOWN : 0;
    if (coding == NULL && length != NULL && route_number(length, &exchange->length) != OK) {
        refuse(exchange, MHD_HTTP_BAD_REQUEST, "a Content-Length that is no number");
        return false;
    }
    return true;
}

/* The bytes that a body may have in all. */
static uint64_t body_limit(const struct server_route *route) {
    if (route->body == SERVER_BODY_NONE)
        return 0;
    if (route->body == SERVER_BODY_STREAMED && route->body_limit == 0)
        return SERVER_LENGTH_UNKNOWN - 1;
    return route->body_limit;
}

static bool is_length_allowed(struct server_exchange *exchange, uint64_t length) {
    uint64_t limit = body_limit(exchange->route);
    char text[80];
    if (length <= limit)
        return true;
    snprintf(text, sizeof text, "a body of over %llu bytes", (unsigned long long)limit);
    refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, text);
    return false;
}

/* ---- Handlers ---- */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

static void abandon(struct server_exchange *exchange) {
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

static void call_begin(struct server_exchange *exchange) {
    int64_t started = now_ms();
    enter(exchange, GUARD_HANDLER, 0);
    result code = exchange->route->begin == NULL ? OK : exchange->route->begin(exchange);
    forgive_handler_time(exchange, started);
    if (code == OK)
        exchange->has_begun = true;
    else
        refuse_result(exchange, code);
}

static void drop_memory(struct server_exchange *exchange) {
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

static result take_part(struct server_exchange *exchange, struct view part) {
    return exchange->route->body == SERVER_BODY_BUFFERED ? keep_part(exchange, part)
                                                         : exchange->route->part(exchange, part);
}

static void call_part(struct server_exchange *exchange, struct view part) {
    int64_t started = now_ms();
    if (is_length_allowed(exchange, exchange->received)) {
        result code = take_part(exchange, part);
        if (code != OK)
            refuse_result(exchange, code);
    }
    guard_paused(exchange->server->guard, &exchange->connection->guarded, now_ms() - started);
    forgive_handler_time(exchange, started);
    if (exchange->refusal.status != 0) {
        abandon(exchange);
        drop_memory(exchange);
    }
}

static void call_end(struct server_exchange *exchange) {
    int64_t started = now_ms();
    enter(exchange, GUARD_HANDLER, 0);
    result code = take_turn(exchange);
    if (code != OK) {
        abandon(exchange);
    } else {
        exchange->has_begun = false;
        code = exchange->route->end(exchange);
    }
    end_turn(exchange);
    forgive_handler_time(exchange, started);
    if (code != OK)
        refuse_result(exchange, code);
}

/* ---- A request's steps ---- */

void *exchange_new(void *server, const char *uri, struct MHD_Connection *mhd) {
    struct server_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->server = server;
    exchange->mhd = mhd;
    exchange->drain_limit = UINT64_MAX;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange->connection = info == NULL ? NULL : info->socket_context;
    if (exchange->connection != NULL)
        enter(exchange, GUARD_HEADERS, 0);
    atomic_fetch_add(&exchange->server->exchanges, 1);
    if (route_target_parse(uri, &exchange->target) != OK)
        refusal_set(&exchange->target_refusal, MHD_HTTP_BAD_REQUEST, error_text());
    return exchange;
}

/* True where the client waits for a word before it sends its body. */
static bool is_client_waiting(struct server_exchange *exchange) {
    const char *expect =
        MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
    return expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

static bool is_rest_long(const struct server_exchange *exchange) {
    return exchange->length == SERVER_LENGTH_UNKNOWN ||
           exchange->length - exchange->received > READ_BEFORE_REFUSAL_MAX;
}

static enum MHD_Result step_headers(struct server_exchange *exchange, const char *method) {
    exchange->headers_seen = true;
    if (exchange->connection == NULL)
        return MHD_NO;
    bool is_served = is_peer_welcome(exchange) && is_peer_admitted(exchange) &&
                     find_route(exchange, method) && read_length(exchange) &&
                     (exchange->length == SERVER_LENGTH_UNKNOWN ||
                      is_length_allowed(exchange, exchange->length));
    if (is_served)
        call_begin(exchange);
    else
        (void)read_length(exchange);
    enter(exchange, GUARD_BODY, 0);
    if (exchange->refusal.status == 0)
        return MHD_YES;
    if (exchange->length != 0 && is_client_waiting(exchange))
        return answer_queue(exchange);
    if (exchange->length != 0 && is_rest_long(exchange) && !answer_refuse_early(exchange))
        return MHD_NO;
    return MHD_YES;
}

static enum MHD_Result step_part(struct server_exchange *exchange, struct view part) {
    exchange->received += part.len;
    guard_moved(&exchange->connection->guarded, part.len);
    atomic_fetch_add(&exchange->server->bytes_received, part.len);
    if (exchange->refusal.status == 0) {
        call_part(exchange, part);
        if (exchange->refusal.status != 0 && is_rest_long(exchange) &&
            !answer_refuse_early(exchange))
            return MHD_NO;
    }
    return exchange->received > exchange->drain_limit ? MHD_NO : MHD_YES;
}

static enum MHD_Result step_end(struct server_exchange *exchange) {
    if (exchange->is_answered)
        return MHD_NO; /* it said that it closes the connection */
    if (exchange->refusal.status == 0) {
        if (exchange->length != SERVER_LENGTH_UNKNOWN && exchange->received != exchange->length)
            return MHD_NO;
        call_end(exchange);
    }
    return answer_queue(exchange);
}

enum MHD_Result exchange_step(void *server, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **exchange_at) {
    (void)server, (void)mhd, (void)url, (void)version;
    struct server_exchange *exchange = *exchange_at;
    if (exchange == NULL)
        return MHD_NO;
    if (!exchange->headers_seen)
        return step_headers(exchange, method);
    if (*data_len == 0)
        return step_end(exchange);
    enum MHD_Result outcome = step_part(exchange, view_of(data, *data_len));
    *data_len = 0;
    return outcome;
}

void exchange_completed(void *server_pointer, struct MHD_Connection *mhd, void **exchange_at,
                        enum MHD_RequestTerminationCode reason) {
    (void)mhd;
    struct server *server = server_pointer;
    struct server_exchange *exchange = *exchange_at;
    if (exchange == NULL)
        return;
    *exchange_at = NULL;
    abandon(exchange);
    if (reason != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        atomic_fetch_add(&server->abandoned, 1);
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    drop_memory(exchange);
    if (exchange->connection != NULL)
        enter(exchange, GUARD_IDLE, 0);
    free(exchange);
    atomic_fetch_sub(&server->exchanges, 1);
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
