/*
 * One gathering under way; for src/keys/gather*.c.
 */
#ifndef MYELIN_KEYS_GATHER_PRIVATE_H
#define MYELIN_KEYS_GATHER_PRIVATE_H

#include <pthread.h>

#include "base/digest.h"
#include "keys/gather.h"

enum { GATHER_PATH_BYTES = 256 };

struct gatherer {
    struct storage_fleet *_Atomic fleet;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned calls; /* threads under way, of all gatherings */
};

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_ENDED };

/* What became of one server's call. */
struct call {
    enum call_state state;
    uint64_t started_ms;
    result ended; /* OK: `answer` is good */
    Myelin__SymbolAnswer *answer;
    uint64_t serial_ms;
};

/* One opening's calls. It lives until the last of them has ended, which may be after the answer was
 * given. */
struct gathering {
    struct gatherer *gatherer;
    struct storage_fleet *fleet;
    struct symbol_terms terms;
    uint8_t image[DIGEST_BYTES];
    char path[GATHER_PATH_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned references; /* the opening itself, and every thread */
    unsigned n, asked, running;
    int holders[FORMAT_SERVERS_MAX]; /* by slot: the server that has it now; -1 */
    unsigned order[FORMAT_SERVERS_MAX];
    struct call calls[FORMAT_SERVERS_MAX]; /* by server */
};

/* gather_calls.c; the gathering's lock is held. */

/* Asks the next server of the order, by a thread of its own. A thread that cannot be had is an
 * answer too: NO_MEMORY. */
void gather_ask_next(struct gathering *gathering, uint64_t now_ms);
/* Lets go of one reference, and of the lock. */
void gathering_release_locked(struct gathering *gathering);

/* gather_choice.c; the lock is held. Which servers' symbols are the best generation's, on distinct
 * slots (but all of them where their servers signed them: a reader then sees who claims another's
 * slot). Gives their number. */
unsigned gather_find_best(const struct gathering *gathering, bool out_chosen[FORMAT_SERVERS_MAX]);

#endif
