/* Connections: their phases, who is over his bound, who goes when another comes. */
#include "net/guard.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/guard_private.h"

enum { LOOK_MS = 250, REPORT_MS = 10000 };

int64_t guard_now_ms(void) {
    return (int64_t)clock_ms();
}

/* ---- Who is over his bound ---- */

/* Of a phase in which bytes move: the bytes so far pay for so much time. */
static int64_t allowed_ms(const struct guard *guard, const struct guard_connection *connection) {
    uint64_t bytes = atomic_load(&connection->moved) + connection->expected;
    return (int64_t)(bytes * 1000 / guard->limits.min_rate) + guard->limits.grace_ms +
           connection->paused_ms;
}

static bool is_overdue(const struct guard *guard, const struct guard_connection *connection,
                       int64_t now_ms) {
    const struct server_limits *limits = &guard->limits;
    int64_t age = now_ms - connection->since_ms;
    switch (connection->phase) {
    case GUARD_NEW:
        return age > limits->handshake_ms;
    case GUARD_IDLE:
        return age > (int64_t)limits->idle_ms + limits->header_ms;
    case GUARD_HEADERS:
        return age > limits->header_ms;
    case GUARD_BODY:
    case GUARD_ANSWER:
        return age > allowed_ms(guard, connection);
    case GUARD_HANDLER:
        return false;
    }
    return false;
}

/* The connection's thread finds its socket at an end. The descriptor is still the connection's: it
 * is closed after guard_close. */
static void cut(struct guard *guard, struct guard_connection *connection) {
    shutdown(connection->fd, SHUT_RDWR);
    connection->is_cut = true;
    guard->live--;
}

static void cut_overdue(struct guard *guard, int64_t now_ms) {
    for (struct guard_connection *c = guard->connections; c != NULL; c = c->next)
        if (!c->is_cut && is_overdue(guard, c, now_ms)) {
            cut(guard, c);
            guard->counters.cut_slow++;
        }
}

/* One line for all that was refused or cut since the last one, where there is something. */
static void report(const struct guard *guard, struct guard_counters *last) {
    const struct guard_counters *now = &guard->counters;
    if (memcmp(now, last, sizeof *now) == 0)
        return;
    log_event(LOG_INFO, "guarded",
              "connections=%" PRIu64 " address_rate=%" PRIu64 " evicted=%" PRIu64 " slow=%" PRIu64
              " user_connections=%" PRIu64 " user_rate=%" PRIu64 " user_running=%" PRIu64
              " user_memory=%" PRIu64,
              now->refused_connections - last->refused_connections,
              now->refused_addresses - last->refused_addresses, now->evicted - last->evicted,
              now->cut_slow - last->cut_slow, now->refused_users - last->refused_users,
              now->refused_rate - last->refused_rate, now->refused_running - last->refused_running,
              now->refused_memory - last->refused_memory);
    *last = *now;
}

static void *keep(void *guard_pointer) {
    struct guard *guard = guard_pointer;
    struct guard_counters reported = {0};
    int64_t reported_ms = guard_now_ms();
    pthread_mutex_lock(&guard->lock);
    while (!guard->is_stopping) {
        int64_t now = guard_now_ms();
        cut_overdue(guard, now);
        if (now - reported_ms > REPORT_MS) {
            guard_drop_accounts(guard, now);
            report(guard, &reported);
            reported_ms = now;
        }
        clock_wait(&guard->stopped, &guard->lock, LOOK_MS);
    }
    pthread_mutex_unlock(&guard->lock);
    return NULL;
}

/* ---- Room for one more ---- */

static void read_address(const struct sockaddr *address, uint8_t out[GUARD_ADDRESS_BYTES]) {
    memset(out, 0, GUARD_ADDRESS_BYTES);
    if (address != NULL && address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(out + 8, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        memcpy(out + (is_mapped ? 8 : 0), v6.sin6_addr.s6_addr + (is_mapped ? 12 : 0),
               is_mapped ? 4 : 8);
    }
}

/* The oldest connection of which nobody knows whose it is; from `address` alone unless NULL. Their
 * number too. */
static struct guard_connection *oldest_stranger(const struct guard *guard, const uint8_t *address,
                                                unsigned *out_count) {
    struct guard_connection *oldest = NULL;
    *out_count = 0;
    for (struct guard_connection *c = guard->connections; c != NULL; c = c->next) {
        bool is_his = address == NULL || memcmp(c->address, address, GUARD_ADDRESS_BYTES) == 0;
        if (c->is_cut || c->account != NULL || c->phase == GUARD_HANDLER || !is_his)
            continue;
        ++*out_count;
        if (oldest == NULL || c->since_ms <= oldest->since_ms)
            oldest = c;
    }
    return oldest;
}

static double share_of(const struct guard_connection *connection) {
    return (double)connection->account->connections / connection->account->shares;
}

/* The longest idle connection of whoever has the most. */
static struct guard_connection *idlest(const struct guard *guard) {
    struct guard_connection *found = NULL;
    for (struct guard_connection *c = guard->connections; c != NULL; c = c->next) {
        if (c->is_cut || c->account == NULL || c->phase != GUARD_IDLE)
            continue;
        if (found == NULL || share_of(c) > share_of(found) ||
            (c->account == found->account && c->since_ms < found->since_ms))
            found = c;
    }
    return found;
}

static bool evict(struct guard *guard, struct guard_connection *victim) {
    if (victim == NULL)
        return false;
    cut(guard, victim);
    guard->counters.evicted++;
    return true;
}

static bool make_room(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES]) {
    unsigned count = 0;
    struct guard_connection *own = oldest_stranger(guard, address, &count);
    if (count >= guard->limits.address_strangers)
        return evict(guard, own);
    if (guard->live < guard->limits.connections)
        return true;
    return evict(guard, oldest_stranger(guard, NULL, &count)) || evict(guard, idlest(guard));
}

bool guard_admit(struct guard *guard, const struct sockaddr *address) {
    uint8_t bytes[GUARD_ADDRESS_BYTES];
    read_address(address, bytes);
    pthread_mutex_lock(&guard->lock);
    bool may_begin = guard_spend_address(guard, bytes, guard_now_ms());
    bool is_admitted = may_begin && make_room(guard, bytes);
    guard->counters.refused_addresses += !may_begin;
    guard->counters.refused_connections += may_begin && !is_admitted;
    pthread_mutex_unlock(&guard->lock);
    return is_admitted;
}

/* ---- A connection's life ---- */

void guard_open(struct guard *guard, struct guard_connection *connection, int fd,
                const struct sockaddr *address) {
    *connection = (struct guard_connection){
        .fd = fd, .phase = GUARD_NEW, .since_ms = guard_now_ms(), .has_token = true};
    read_address(address, connection->address);
    pthread_mutex_lock(&guard->lock);
    connection->next = guard->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    guard->connections = connection;
    guard->live++;
    pthread_mutex_unlock(&guard->lock);
}

void guard_close(struct guard *guard, struct guard_connection *connection) {
    pthread_mutex_lock(&guard->lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        guard->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    guard->live -= !connection->is_cut;
    guard_logout(connection);
    pthread_mutex_unlock(&guard->lock);
}

void guard_enter(struct guard *guard, struct guard_connection *connection, enum guard_phase phase,
                 uint64_t expected) {
    pthread_mutex_lock(&guard->lock);
    /* A stranger's first request does not start his time anew. */
    if (connection->account != NULL || phase >= GUARD_BODY) {
        connection->phase = phase;
        connection->since_ms = guard_now_ms();
        connection->paused_ms = 0;
        connection->expected = expected;
        atomic_store(&connection->moved, 0);
    }
    pthread_mutex_unlock(&guard->lock);
}

void guard_moved(struct guard_connection *connection, uint64_t bytes) {
    atomic_fetch_add(&connection->moved, bytes);
}

void guard_paused(struct guard *guard, struct guard_connection *connection, int64_t ms) {
    if (ms == 0)
        return;
    pthread_mutex_lock(&guard->lock);
    connection->paused_ms += ms;
    pthread_mutex_unlock(&guard->lock);
}

/* ---- Start and stop ---- */

static void set_default(unsigned *limit, unsigned value) {
    if (*limit == 0)
        *limit = value;
}

static void fill_limits(struct server_limits *limits) {
    set_default(&limits->connections, 512);
    set_default(&limits->address_strangers, limits->connections / 2 + 1);
    set_default(&limits->address_rate, 50);
    set_default(&limits->address_burst, 500);
    set_default(&limits->user_connections, limits->connections / 4 + 1);
    set_default(&limits->user_running, 16);
    set_default(&limits->user_rate, 500);
    set_default(&limits->user_burst, 2500);
    set_default(&limits->handshake_ms, 10000);
    set_default(&limits->header_ms, 10000);
    set_default(&limits->idle_ms, 30000);
    set_default(&limits->grace_ms, 30000);
    set_default(&limits->min_rate, 2048);
}

static result start_keeper(struct guard *guard) {
    pthread_cond_init(&guard->finished, NULL);
    pthread_cond_init(&guard->stopped, NULL);
    pthread_mutex_init(&guard->lock, NULL);
    if (pthread_create(&guard->keeper, NULL, keep, guard) != 0)
        return FAIL(NO_MEMORY, "no thread to watch connections with");
    return OK;
}

result guard_start(const struct server_limits *limits, struct guard **out_guard) {
    struct guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL)
        return FAIL(NO_MEMORY, "no memory for a server");
    guard->limits = *limits;
    secret_random(&guard->bucket_seed, sizeof guard->bucket_seed);
    fill_limits(&guard->limits);
    result started = start_keeper(guard);
    if (started != OK) {
        free(guard);
        return started;
    }
    *out_guard = guard;
    return OK;
}

void guard_halt(struct guard *guard) {
    pthread_mutex_lock(&guard->lock);
    guard->is_stopping = true;
    pthread_cond_broadcast(&guard->stopped);
    pthread_cond_broadcast(&guard->finished);
    pthread_mutex_unlock(&guard->lock);
}

void guard_stop(struct guard *guard) {
    if (guard == NULL)
        return;
    guard_halt(guard);
    pthread_join(guard->keeper, NULL);
    while (guard->accounts != NULL) {
        struct guard_account *account = guard->accounts;
        guard->accounts = account->next;
        free(account);
    }
    pthread_cond_destroy(&guard->finished);
    pthread_cond_destroy(&guard->stopped);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

const struct server_limits *guard_limits(const struct guard *guard) {
    return &guard->limits;
}

void guard_count(struct guard *guard, struct guard_counters *out_counters) {
    pthread_mutex_lock(&guard->lock);
    *out_counters = guard->counters;
    pthread_mutex_unlock(&guard->lock);
}
