/*
 * Shared by guard.c (connections) and guard_account.c (users).
 */
#ifndef MYELIN_NET_GUARD_PRIVATE_H
#define MYELIN_NET_GUARD_PRIVATE_H

#include <pthread.h>

#include "net/guard.h"

/* A user without a debt or a connection needs none. */
enum { GUARD_ACCOUNTS_MAX = 4096 };

struct guard_account {
    struct guard_account *next;
    char name[GUARD_NAME_MAX + 1];
    unsigned shares;
    unsigned connections;
    unsigned running;
    uint64_t memory;
    double tokens;
    int64_t filled_ms; /* when `tokens` was right */
};

/* One address's bucket. */
struct guard_bucket {
    uint8_t address[GUARD_ADDRESS_BYTES];
    double tokens;
    int64_t filled_ms; /* when `tokens` was right; 0: nobody's */
};

/* Buckets are found by the address's hash, in one of so many neighbours. The fullest goes for
 * another address. */
enum { GUARD_BUCKETS = 4096, GUARD_NEIGHBOURS = 8 };

struct guard {
    struct server_limits limits;
    pthread_mutex_t lock; /* of all below, and of every connection but its `moved` */
    pthread_cond_t finished;
    pthread_cond_t stopped;
    pthread_t keeper;
    bool is_stopping;
    struct guard_connection *connections; /* the newest first */
    unsigned live;                        /* not cut */
    struct guard_account *accounts;
    unsigned account_count;
    struct guard_counters counters;
    uint64_t bucket_seed; /* so that nobody can choose addresses that share a place */
    struct guard_bucket buckets[GUARD_BUCKETS];
};

int64_t guard_now_ms(void);

/* Under the lock: drops accounts that nobody needs. */
void guard_drop_accounts(struct guard *guard, int64_t now_ms);
/* Under the lock: a token of the address's, who may begin a connection then; and back again. */
bool guard_spend_address(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES],
                         int64_t now_ms);
void guard_refund_address(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES]);
/* Under the lock: takes the connection off its account. */
void guard_logout(struct guard_connection *connection);

#endif
