/*
 * What the files session*.c share and no flow sees.
 */
#ifndef MYELIN_FLOW_SESSION_STATE_H
#define MYELIN_FLOW_SESSION_STATE_H

#include "audit/head.h"
#include "flow/session.h"
#include "flow/workers.h"
#include "seal/seal.h"

enum { SESSION_WARNINGS_MAX = 64 };

/* A connection; idle ones wait for the next thread that wants their server. */
struct session_connection {
    struct http_client *client;
    enum session_role role;
    unsigned server;
    bool busy;
    struct http_traffic traffic; /* when it was last given back */
    struct session_connection *next;
};

struct session_directory_entry {
    struct session_user user;
    struct session_directory_entry *next;
};

/* A description that was replaced: flows' names and keys may still point into it. */
struct session_past {
    struct description description;
    struct session_past *before;
};

struct session_state {
    const Myelin__Server *storage[FORMAT_SERVERS_MAX]; /* N */
    unsigned storage_count;
    struct session_past *past;
    uint64_t newest_version;          /* that a server named; under the lock */
    _Atomic uint64_t refused_version; /* nobody had it: it is not looked for again */
    pthread_mutex_t lock;             /* of all below but the progress callback */
    struct session_connection *connections;
    struct session_directory_entry *users;
    char *warnings[SESSION_WARNINGS_MAX];
    size_t warning_count, warnings_dropped;
    atomic_bool cancelled;
    atomic_bool slow[2][FORMAT_SERVERS_MAX]; /* by role: gave no answer the last time */

    struct heads heads; /* of access logs, the newest of each key server */
    atomic_bool heads_changed;
    uint64_t heads_saved_ms; /* clock_ms() */
    char heads_path[4096];   /* "": kept nowhere */

    struct workers workers;    /* for questions to servers */
    struct seal_key *idle_key; /* cleared; NULL: none */

    pthread_mutex_t progress_lock;
    session_progress progress;
    void *progress_context;
};

/* Takes the numbers and servers of session->description. */
void session_take_system(struct session *session);

/* Parts of session_close. */
void session_connections_free(struct session_state *state);
void session_users_free(struct session_state *state);
void session_past_free(struct session_state *state);

#endif
