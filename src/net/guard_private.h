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
};

int64_t guard_now_ms(void);

/* Under the lock: drops accounts that nobody needs. */
void guard_drop_accounts(struct guard *guard, int64_t now_ms);
/* Under the lock: takes the connection off its account. */
void guard_logout(struct guard_connection *connection);

#endif
