/*
 * An HTTPS server with a fixed table of routes, one thread per connection, so that a handler may
 * block on a disk or compute.
 *
 *     static const struct server_route routes[] = {
 *         {"GET", "/healthz", .end = answer_health},
 *         {"POST", "/v1/images/{image}/puts/{put}", SERVER_BODY_BUFFERED, 1 << 20, .end =
 * begin_put},
 *         {"PUT", "/v1/images/{image}/puts/{put}/objects/{object}", SERVER_BODY_STREAMED,
 *          .begin = upload_begin, .part = upload_part, .end = upload_end, .abandon =
 * upload_abandon},
 *     };
 *
 * The life of a request (an exchange), all in one thread:
 *
 *     begin    headers are there, the body is not         may refuse, may set the state
 *     part     each part of a streamed body, in turn      1 byte .. about 64 KiB
 *     end      the whole body is there                    sets the answer
 *     abandon  instead of end: begin gave OK, but the client died, the upload was cut, a part was
 *              refused, or the server stops. So where begin gave OK exactly one of end and abandon
 *              is called, once, and drops the state.
 *
 * A handler that gives anything but OK refuses the request: the answer is the result's HTTP status
 * and the first 400 bytes of error_text(), as plain text. An upload that is refused early is
 * answered at once and the rest of its body is read and dropped, so a client that keeps sending
 * neither hangs nor misses the answer.
 *
 * A peer without a certificate of this system gets 403 and a text; no handler hears of it. So do
 * unknown paths (404), other methods (405), bodies over the limit (413). Who asks for more than his
 * share gets 503 with a Retry-After header; guard.h has the bounds.
 */
#ifndef MYELIN_NET_SERVER_H
#define MYELIN_NET_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"
#include "net/tls.h"

/* One request and its answer. */
struct server_exchange;

enum server_body {
    SERVER_BODY_NONE,     /* a request with a body is refused */
    SERVER_BODY_BUFFERED, /* at most body_limit bytes, whole at `end` */
    SERVER_BODY_STREAMED, /* handed to `part`; at most body_limit bytes, 0: no limit */
};

struct server_route {
    const char *method;  /* a GET route also answers HEAD */
    const char *pattern; /* "/v1/users/{user}"; see route.h */
    enum server_body body;
    uint64_t body_limit;
    unsigned cost; /* tokens of the user's bucket: see guard.h. 0: as often as he likes */
    result (*begin)(struct server_exchange *exchange); /* may be NULL */
    result (*part)(struct server_exchange *exchange, struct view part);
    result (*end)(struct server_exchange *exchange);
    void (*abandon)(struct server_exchange *exchange); /* may be NULL */
};

/* 0 stands for the default behind each. */
struct server_limits {
    unsigned connections;       /* 512 */
    unsigned address_strangers; /* half of them: whose nobody knows yet, from one address */
    unsigned address_rate;      /* 50 connections a second from one address, and */
    unsigned address_burst;     /* 500 at once, that end before anybody knows whose they are */
    unsigned user_connections;  /* a quarter of them */
    unsigned user_running;      /* 16 costly requests at one time */
    unsigned user_rate;         /* 500 tokens a second */
    unsigned user_burst;        /* 2500 tokens */
    unsigned handshake_ms;      /* 10 s until the first request's headers are there */
    unsigned header_ms;         /* 10 s for the headers of a later one */
    unsigned idle_ms;           /* 30 s without a byte, in whole seconds */
    unsigned grace_ms;          /* 30 s in which a body or an answer need not move */
    unsigned min_rate;          /* 2048 bytes a second of either after that */
};

struct server_options {
    const char *listen; /* "127.0.0.1:4001", "[::]:4001"; port 0: any free one */
    const struct tls_identity *identity;
    const struct server_route *routes; /* the first that matches serves */
    size_t route_count;                /* at most SERVER_ROUTES_MAX */
    void *context;                     /* the daemon's own, for exchange_context */
    struct server_limits limits;
};

enum { SERVER_ROUTES_MAX = 64 };

struct server;

/* Starts to serve; the options' pointers must stay until server_stop. INVALID (address, routes),
 * IO (the address is in use), INTERNAL. */
MUST_CHECK result server_start(const struct server_options *options, struct server **out_server);

/* The port that it listens on. */
uint16_t server_port(const struct server *server);

/* Which version of the system description this server works by: every answer from now on says it in
 * the header SERVER_VERSION_HEADER, and with it in SERVER_MARK_HEADER its mark, by which two
 * descriptions of one number are told apart. 0, as at first: none does. From any thread. */
#define SERVER_VERSION_HEADER "Myelin-System"
#define SERVER_MARK_HEADER    "Myelin-System-Mark"
void server_set_version(struct server *server, uint64_t version, uint64_t mark);

/* Takes no new connection, lets requests under way end for up to `grace_ms`, cuts (abandons) the
 * rest, waits for handlers to return, and frees. NULL is fine. */
void server_stop(struct server *server, unsigned grace_ms);

/* ---- For handlers; a pointer or view they give is good until the exchange's end or abandon. ----
 */

void *exchange_context(const struct server_exchange *exchange);
const struct tls_peer *exchange_peer(const struct server_exchange *exchange);
/* The part of the path at "{name}" in the route's pattern, percent-decoded; never NULL for a name
 * that is there. Not checked for more than route.h says. */
const char *exchange_param(const struct server_exchange *exchange, const char *name);
/* The value of "?name=value", percent-decoded; NULL where it was not given. */
const char *exchange_query(const struct server_exchange *exchange, const char *name);
/* "?name=123": `fallback` where it is not given. INVALID where it is no decimal number. */
MUST_CHECK result exchange_query_number(const struct server_exchange *exchange, const char *name,
                                        uint64_t fallback, uint64_t *out_number);
/* A buffered body. */
struct view exchange_body(const struct server_exchange *exchange);
/* The body's length by the headers; SERVER_LENGTH_UNKNOWN for a chunked one. */
#define SERVER_LENGTH_UNKNOWN UINT64_MAX
uint64_t exchange_body_length(const struct server_exchange *exchange);

/* Memory of the process's budget for this exchange, `bytes` in all from now on (never less than
 * before), given back at its end: for what a handler keeps from one part to the next. NO_MEMORY. */
MUST_CHECK result exchange_reserve(struct server_exchange *exchange, size_t bytes);

void *exchange_state(const struct server_exchange *exchange);
void exchange_set_state(struct server_exchange *exchange, void *state);

/* ---- Answers, from `end`. Without one, OK means 200 and an empty body. ---- */

/* 200 and the bytes of `body`, which is taken over and left empty. */
MUST_CHECK result exchange_answer(struct server_exchange *exchange, const char *content_type,
                                  struct bytes *body);

/* 200 with `total` bytes of the file from `offset` on as an octet stream, or, where the request has
 * a Range header, 206 with that part of them (416 where there is none). Takes `fd` over and closes
 * it, also where it fails. Read while it is sent: a file that is cut meanwhile cuts the answer. */
MUST_CHECK result exchange_answer_file(struct server_exchange *exchange, int fd, uint64_t offset,
                                       uint64_t total);

/* The same for the bytes of `body`, which is taken over and left empty, but where it fails. What
 * they take of the budget is for the caller to reserve. */
MUST_CHECK result exchange_answer_bytes(struct server_exchange *exchange, struct bytes *body);

/* The same for bytes from elsewhere: `read` puts 1 .. capacity bytes of the whole, from `position`
 * (0 .. total) on, at `out`; a failure of it is logged and cuts the connection. `done` is called
 * once, at the end or where this function fails; may be NULL. `content_type` NULL: octet stream. */
struct exchange_source {
    void *context;
    result (*read)(void *context, uint64_t position, uint8_t *out, size_t capacity,
                   size_t *out_len);
    void (*done)(void *context);
};
MUST_CHECK result exchange_answer_stream(struct server_exchange *exchange, const char *content_type,
                                         struct exchange_source source, uint64_t total);

/* ---- Metrics ---- */

struct server_counters {
    uint64_t requests;       /* answered, also with a refusal */
    uint64_t refused;        /* of those: any status of 400 or more */
    uint64_t abandoned;      /* ended before their answer was sent */
    uint64_t bytes_received; /* request bodies */
    uint64_t bytes_sent;     /* answers' bodies */
    uint32_t connections;    /* open now */
};
void server_count(const struct server *server, struct server_counters *out_counters);

/* Appends all of them, requests also by route and status, as Prometheus text. NO_MEMORY. */
MUST_CHECK result server_metrics_text(const struct server *server, struct bytes *out_text);
/* The server that an exchange came in by, for a /metrics route. */
const struct server *exchange_server(const struct server_exchange *exchange);

#endif
