/*
 * Who is connected to a server and for how long he may be: what keeps one client, or ten thousand
 * of them, from taking the server away from all others.
 *
 * A connection is in one phase at a time, and each phase has its bound:
 *
 *     new      no request's headers are complete yet, so nobody   handshake_ms
 *              knows whose it is: also a handshake that never ends
 *     idle     between two requests                               idle_ms + header_ms
 *     headers  a request has begun, its headers are not there     header_ms
 *     body     an announced body comes                            at min_rate, grace_ms on top
 *     handler  this side works                                    none
 *     answer   the answer is being sent                           at min_rate, grace_ms on top
 *
 * Whoever is over his bound is cut. When no connection is free for one that knocks, the oldest new
 * one is cut for it, or else the longest idle one of the user who has the most. So whoever holds
 * connections without using them holds nobody up.
 *
 * A handshake is what costs a server most before it knows anybody. So an address has a bound on the
 * connections that it may begin a second (a token bucket), and gets the token back once it is known
 * whose the connection is. The machine's own address has none: who floods from there has the
 * machine.
 *
 * A user (one name in the certificates) has a bound on connections, on costly requests at one time
 * (more wait for their turn), on costly requests a second (a token bucket), and on memory. Servers
 * act for many users and get GUARD_SERVER_SHARES times as much.
 *
 * Safe from any thread. Times are milliseconds of a clock that only goes forward.
 */
#ifndef MYELIN_NET_GUARD_H
#define MYELIN_NET_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/result.h"
#include "net/server.h"

enum { GUARD_NAME_MAX = 63, GUARD_ADDRESS_BYTES = 16, GUARD_SERVER_SHARES = 8 };

enum guard_phase { GUARD_NEW, GUARD_IDLE, GUARD_HEADERS, GUARD_BODY, GUARD_HANDLER, GUARD_ANSWER };

/* One user, as long as he is connected or owes something. */
struct guard_account;

/* A connection's place in the guard, inside the server's own struct. */
struct guard_connection {
    struct guard_connection *next, *previous;
    struct guard_account *account; /* NULL: nobody knows yet whose it is */
    int fd;
    uint8_t address[GUARD_ADDRESS_BYTES]; /* of IPv6 the first half, which is one subscriber's */
    enum guard_phase phase;
    int64_t since_ms;           /* when the phase began */
    int64_t paused_ms;          /* of it, in handlers */
    atomic_uint_fast64_t moved; /* bytes in this phase */
    uint64_t expected;          /* of an answer: all its bytes where they are not counted */
    bool is_cut;
    bool has_token; /* of its address, to be given back */
};

struct guard;

/* Starts its thread. `limits` is copied; zeros stand for the defaults of server.h. NO_MEMORY. */
MUST_CHECK result guard_start(const struct server_limits *limits, struct guard **out_guard);
/* Whoever waits for his turn is refused from now on. */
void guard_halt(struct guard *guard);
/* All connections are closed. NULL is fine. */
void guard_stop(struct guard *guard);
const struct server_limits *guard_limits(const struct guard *guard);

/* ---- Connections ---- */

/* Makes room for a connection from `address`; false where it has to be refused. */
bool guard_admit(struct guard *guard, const struct sockaddr *address);
void guard_open(struct guard *guard, struct guard_connection *connection, int fd,
                const struct sockaddr *address);
void guard_close(struct guard *guard, struct guard_connection *connection);

/* A phase begins; `expected` is an answer's length where guard_moved is not called for it. */
void guard_enter(struct guard *guard, struct guard_connection *connection, enum guard_phase phase,
                 uint64_t expected);
/* So many bytes came, or went. */
void guard_moved(struct guard_connection *connection, uint64_t bytes);
/* A handler ran for so long between two parts of a body. */
void guard_paused(struct guard *guard, struct guard_connection *connection, int64_t ms);

/* ---- Users ---- */

/* Whose the connection is. NO_MEMORY where he has too many. */
MUST_CHECK result guard_login(struct guard *guard, struct guard_connection *connection,
                              const char *name, bool is_server);

/* Before a costly request: takes `cost` tokens and waits for a free place among the user's running
 * ones. NO_MEMORY where he has spent his tokens, with the seconds until he has them again, or where
 * no place becomes free. After OK, guard_finish. */
MUST_CHECK result guard_begin(struct guard *guard, struct guard_connection *connection,
                              unsigned cost, unsigned *out_retry_s);
void guard_finish(struct guard *guard, struct guard_connection *connection);

/* Memory of the process's budget (base/budget.h) on behalf of the connection's user, who may have
 * half of it. NO_MEMORY. */
MUST_CHECK result guard_take_memory(struct guard *guard, struct guard_connection *connection,
                                    size_t bytes);
void guard_give_memory(struct guard *guard, struct guard_connection *connection, size_t bytes);

/* ---- What it has done ---- */

struct guard_counters {
    uint64_t refused_connections; /* no place was free */
    uint64_t refused_addresses;   /* an address began too many */
    uint64_t evicted;             /* cut for others */
    uint64_t cut_slow;            /* over the bound of their phase */
    uint64_t refused_users;       /* a user's connections */
    uint64_t refused_rate;
    uint64_t refused_running;
    uint64_t refused_memory; /* a user's memory; budget_refusals counts the process's */
};
void guard_count(struct guard *guard, struct guard_counters *out_counters);

#endif
