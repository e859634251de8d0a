/*
 * What the files library*.c share: the library's handles by the names that they have outside.
 */
#ifndef MYELIN_FLOW_LIBRARY_H
#define MYELIN_FLOW_LIBRARY_H

#include <pthread.h>

#include "flow/held.h"
#include "flow/session.h"

/* The sessions of older versions of the system description stay until the end: other threads, and
 * what is held, may still use them. */
struct myelin_session {
    struct session *_Atomic inner; /* the newest */
    pthread_mutex_t lock;          /* of all below, and of renewing */
    bool is_cancelled;
    size_t past_count;
    struct session **past;
};

struct myelin_held {
    struct held *inner;
    struct myelin_session *session;
    struct session *_Atomic used; /* of the session's, the one that `inner` goes by */
};

/* The end of every call that asked servers: where one of them named a newer version of the system
 * description, the calls after this one work by that. Gives `done`, with its error text. */
int library_done(struct myelin_session *session, result done);

/* Whether a call that failed went by `before`, and there is a newer session since, by which it may
 * do better. */
bool library_is_renewed(struct myelin_session *session, const struct session *before, int done);

#endif
