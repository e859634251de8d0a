/*
 * What the files session*.c share and no flow sees.
 */
#ifndef MYELIN_FLOW_SESSION_STATE_H
#define MYELIN_FLOW_SESSION_STATE_H

#include "audit/head.h"
#include "flow/session.h"

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

struct session_state {
    pthread_mutex_t lock; /* of all below but the progress callback */
    struct session_connection *connections;
    struct session_directory_entry *users;
    char *warnings[SESSION_WARNINGS_MAX];
    size_t warning_count, warnings_dropped;
    atomic_bool cancelled, shielded;
    atomic_bool slow[2][FORMAT_SERVERS_MAX]; /* by role: gave no answer the last time */

    struct heads heads; /* of access logs, the newest of each key server */
    bool heads_changed;
    char heads_path[4096]; /* "": kept nowhere */

    pthread_mutex_t progress_lock;
    session_progress progress;
    void *progress_context;
};

/* Parts of session_close. */
void session_connections_free(struct session_state *state);
void session_users_free(struct session_state *state);

#endif
