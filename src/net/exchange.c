/* A request's steps: who asks, for what, how much comes, and when its route's handlers are called.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/server_private.h"

enum {
    /* A refused body with at most this much still to come is read first and then answered, which
     * keeps the connection; a longer one is answered at once. */
    READ_BEFORE_REFUSAL_MAX = 64 << 10,
    /* A stranger is not listened to for longer than this. */
    STRANGER_DRAIN_MAX = 1 << 20,
};

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
        exchange_refuse_result(exchange, code);
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
        exchange_refuse(exchange, MHD_HTTP_NOT_FOUND, "there is nothing of this name");
    else
        exchange_refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "this method is not served here");
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
        exchange_refuse(exchange, MHD_HTTP_BAD_REQUEST, "a Content-Length that is no number");
        return false;
    }
    return true;
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
        exchange_enter(exchange, GUARD_HEADERS, 0);
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
                      exchange_allows_length(exchange, exchange->length));
    if (is_served)
        exchange_call_begin(exchange);
    else
        (void)read_length(exchange);
    exchange_enter(exchange, GUARD_BODY, 0);
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
        exchange_call_part(exchange, part);
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
        exchange_call_end(exchange);
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
    exchange_abandon(exchange);
    if (reason != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        atomic_fetch_add(&server->abandoned, 1);
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    exchange_drop_memory(exchange);
    if (exchange->connection != NULL)
        exchange_enter(exchange, GUARD_IDLE, 0);
    free(exchange);
    atomic_fetch_sub(&server->exchanges, 1);
}
