/*
 * What the server's own files share: server.c (sockets, connections), exchange.c (a request's
 * steps), exchange_handlers.c, answer.c (its answer), metrics.c. guard.c has no business with HTTP.
 */
#ifndef MYELIN_NET_SERVER_PRIVATE_H
#define MYELIN_NET_SERVER_PRIVATE_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "net/guard.h"
#include "net/route.h"
#include "net/server.h"

enum {
    REFUSAL_TEXT_MAX = 400,
    /* The statuses counted one by one, and one place for all others. */
    STATUS_KINDS = 18,
    /* No route matched. */
    ROUTE_NONE = SERVER_ROUTES_MAX,
};

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
    atomic_uint_fast64_t version; /* of the system description; 0: not said */
    atomic_uint_fast64_t mark;    /* of that version; 0, as while it changes: not said */
    atomic_uint connections;
    atomic_uint exchanges; /* requests under way */
    struct guard *guard;
    atomic_uint_fast64_t requests[SERVER_ROUTES_MAX + 1][STATUS_KINDS];
    atomic_uint_fast64_t abandoned;
    atomic_uint_fast64_t bytes_received;
    atomic_uint_fast64_t bytes_sent;
};

/* A refusal: a status and its words. Status 0: none. */
struct refusal {
    unsigned status;
    unsigned retry_s; /* of a 503; 0: 1 */
    char text[REFUSAL_TEXT_MAX + 1];
};

/* One TLS connection: its peer is judged at the first request, its expiry at each. */
struct server_connection {
    struct guard_connection guarded;
    bool is_judged;
    struct refusal verdict;
    struct tls_peer peer;
    uint8_t certificate[TLS_CERTIFICATE_MAX];
};

struct server_exchange {
    struct server *server;
    struct MHD_Connection *mhd;
    struct server_connection *connection;
    const struct server_route *route; /* NULL: none matched */
    void *state;
    struct bytes body;
    size_t reserved;      /* of the budget: the body, and what handlers asked for */
    uint64_t length;      /* of the body by its header */
    uint64_t received;    /* of the body until now */
    uint64_t drain_limit; /* what is read and dropped after an early answer */
    bool headers_seen;
    bool is_running;  /* guard_begin gave OK */
    bool has_begun;   /* begin gave OK, neither end nor abandon was called */
    bool is_streamed; /* the answer's bytes are counted as they go */
    bool is_answered; /* an early answer went out by refuse_early */
    char allow[64];   /* the methods that the path has, for a 405 */
    struct refusal refusal;
    struct MHD_Response *response;
    unsigned status;
    uint64_t response_bytes;
    struct refusal target_refusal;
    struct route_target target;
};

/* ---- exchange.c: libmicrohttpd's callbacks ---- */

void *exchange_new(void *server, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_step(void *server, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **exchange);
void exchange_completed(void *server, struct MHD_Connection *mhd, void **exchange,
                        enum MHD_RequestTerminationCode reason);

/* ---- exchange_handlers.c ---- */

void exchange_refuse(struct server_exchange *exchange, unsigned status, const char *text);
/* By a result and this thread's error text. */
void exchange_refuse_result(struct server_exchange *exchange, result code);
void exchange_enter(struct server_exchange *exchange, enum guard_phase phase, uint64_t expected);

/* Whether the route takes a body of so many bytes; refuses it where not. */
bool exchange_allows_length(struct server_exchange *exchange, uint64_t length);

/* Call the route's handlers; what goes wrong is the exchange's refusal. */
void exchange_call_begin(struct server_exchange *exchange);
void exchange_call_part(struct server_exchange *exchange, struct view part);
void exchange_call_end(struct server_exchange *exchange);
/* Tells a handler that was begun that its request will not come to its end. */
void exchange_abandon(struct server_exchange *exchange);
void exchange_drop_memory(struct server_exchange *exchange);

/* ---- answer.c ---- */

/* Sets a refusal from a result and this thread's error text. */
void refusal_set(struct refusal *refusal, unsigned status, const char *text);

/* Queues what the exchange has: its refusal, its response, or an empty 200. */
enum MHD_Result answer_queue(struct server_exchange *exchange);

/* Sends the refusal at once, by the connection's TLS session, though the body is not read yet: the
 * library itself would close the connection unread, and the reset would overtake the answer. False
 * where the connection is dead. */
bool answer_refuse_early(struct server_exchange *exchange);

/* ---- metrics.c ---- */

void metrics_count(struct server *server, const struct server_route *route, unsigned status);

#endif
