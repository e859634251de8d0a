/*
 * Share care: the key servers give themselves new shares of a user's key without rebuilding it. The
 * caller, who is the user or, for a refresh, the manager, carries what they tell each other, sealed
 * and signed by them, so that he learns nothing and alters nothing. docs/PROTOCOL.md, "Share care".
 *
 *   refresh  new shares for all: old ones, stolen before, are worth nothing beside them
 *   replace  one key server's share anew from t others, after its disk was lost
 *   reshare  new shares for a new set of key servers, any t' of which can use them
 *
 * A key server that deals wrongly is named in a warning and done without. A run that is broken off
 * leaves the old shares working, or the new ones, and the next one completes it.
 */
#ifndef MYELIN_FLOW_SHARES_H
#define MYELIN_FLOW_SHARES_H

#include "flow/session.h"
#include "format/holders.h"

/* What became of one key server in a run. */
struct shares_server {
    bool is_new; /* it holds the share that the run was for */
    struct session_answer answer;
};

struct shares_done {
    const char *user;
    uint64_t epoch;                                   /* how often his shares were refreshed */
    unsigned t;                                       /* key servers that they need now */
    struct holders holders;                           /* who should hold one now */
    unsigned held;                                    /* key servers that are new */
    struct shares_server servers[FORMAT_SERVERS_MAX]; /* by key server */
};

/* New shares of `user`, who is the session's, or anybody where that is a manager's. Key servers
 * that missed an earlier refresh, or lost their share, get it back first where they can be reached
 * and the session is the user's; a manager's leaves them out with a warning.
 *
 * NOT_FOUND  no such user is enrolled
 * DENIED     the session is neither the user's nor a manager's
 * INVALID    t is 1: there is nothing that refreshing could change
 * QUORUM     too few key servers; each named. Everything works as before
 * INTEGRITY  too few deal rightly */
MUST_CHECK result flow_shares_refresh(struct session *session, const char *user,
                                      struct shares_done *out_done);

/* The share of key server `name` anew. DENIED unless the session is `user`'s; NOT_FOUND where there
 * is no such key server or user, or where it is to hold none; QUORUM where fewer than t others can
 * help, or where it cannot be reached or cannot keep it. */
MUST_CHECK result flow_shares_replace(struct session *session, const char *user, const char *name,
                                      struct shares_done *out_done);

/* What a resharing makes. */
struct shares_target {
    unsigned t;
    struct holders among; /* share indices */
};

/* New shares of the session's user for the key servers of `target`, any t of which can use them,
 * and none for all others. Key servers that missed an earlier change are brought up to date first.
 *
 * INVALID    1 <= t <= servers <= m does not hold
 * DENIED     the session is no user's
 * QUORUM     too few key servers, of those that hold shares or of those that are to; each named.
 *            Everything works as before
 * INTEGRITY  too few deal rightly
 * CONFLICT   others change the shares at the same time */
MUST_CHECK result flow_shares_reshare(struct session *session, const struct shares_target *target,
                                      struct shares_done *out_done);

/* The names of all enrolled users, as the key servers list them; freed with shares_users_free. */
struct shares_users {
    char (*names)[FORMAT_NAME_MAX + 1];
    size_t count;
};
#define AUTO_SHARES_USERS __attribute__((cleanup(shares_users_free)))
void shares_users_free(struct shares_users *users);
MUST_CHECK result flow_shares_users(struct session *session, struct shares_users *out_users);

/* A session of the manager of the local system in `system`, a folder: with a certificate of the
 * role manager that he gives himself for a day. It opens no image. DENIED where the folder has no
 * CA, CONFLICT where a user has the name "manager". */
MUST_CHECK result shares_manager_session(const char *system, struct session **out_session);

#endif
