/*
 * A session: what every flow works with. The verified system description, the opened user,
 * connections to the servers, and the way back to whoever runs the flow: progress, warnings,
 * cancellation.
 *
 * Threads: everything here may be called from any thread of a flow, but for session_open and
 * session_close.
 */
#ifndef MYELIN_FLOW_SESSION_H
#define MYELIN_FLOW_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "format/holders.h"
#include "net/client.h"
#include "scheme/share_keygen.h"
#include "system/description.h"
#include "system/keystore.h"

struct session;
struct seal_key;

/* Which of the description's two lists of servers. */
enum session_role { SESSION_STORAGE, SESSION_KEY };

/* `step` is one of ARCHITECTURE.md's names, such as "fetch"; `done` of `total` bytes or servers.
 * Called from any thread, never by two at once, and not from the callback itself. */
typedef void (*session_progress)(void *context, const char *step, uint64_t done, uint64_t total);

/* What must not change while flows run, but by session_catch_up. Read it, do not write it. */
struct session {
    struct description description;
    struct keystore keystore;       /* user's name, certificate, secrets */
    struct tls_identity *identity;  /* for http_client_options */
    unsigned n, k;                  /* slots of an image; needed */
    unsigned m, t;                  /* key servers; needed, unless a user has reshared */
    const char *user;               /* keystore.user */
    const struct scalar *a3;        /* in secret memory */
    const struct sign_key *signing; /* the user's identity key, in secret memory */
    uint8_t *object_key;            /* object_id_key */
    struct session_state *state;    /* session.c's */
};

#define AUTO_SESSION __attribute__((cleanup(session_close_at)))
void session_close(struct session *session);
void session_close_at(struct session **session);

/* Opens `user`'s keystore in keystore_home and the description at `system`, a folder or a file,
 * which must be of the user's own manager and no older than one seen before. Connects to nobody.
 * Errors of keystore_open, description_load and description_check_version. */
MUST_CHECK result session_open(const char *system, const char *user,
                               const struct passphrase *passphrase, struct session **out_session);

/* The same of parts at hand, which are taken over (and emptied) where this succeeds. A certificate
 * in its last 30 days costs a warning. */
MUST_CHECK result session_new(struct description *description, struct keystore *keystore,
                              struct session **out_session);

/* ------------------------------------------------------------------ the way back */

/* Before the first flow. */
void session_set_progress(struct session *session, session_progress progress, void *context);
void session_step(struct session *session, const char *step, uint64_t done, uint64_t total);

/* One line that the user should read although the flow goes on: "storage-3: connection refused".
 * The same line twice is kept once; after 64 lines more are only counted. */
void session_warn(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Hands every line to `take` and forgets them. */
void session_take_warnings(struct session *session, void (*take)(void *context, const char *line),
                           void *context);

/* Ends all running and later calls to servers; flows give up at their next look. From any thread,
 * not from a signal handler. */
void session_cancel(struct session *session);
bool session_is_cancelled(const struct session *session);

/* INTERNAL with the text "interrupted" once session_cancel was called. */
MUST_CHECK result session_check_cancel(const struct session *session);

/* Bytes to and from all servers so far. */
struct http_traffic session_traffic(const struct session *session);

/* ------------------------------------------------------------------ servers */

/* Storage servers are N and may be more than n: those of the description, then those of the version
 * before that went since, as description_storage has them. */
unsigned session_server_count(const struct session *session, enum session_role role);
const Myelin__Server *session_server(const struct session *session, enum session_role role,
                                     unsigned server);

/* The number of the server of that name; -1 where there is none. */
int session_find_server(const struct session *session, enum session_role role, const char *name);

/* A client of one server, connected before or not, for this thread alone until it is given back.
 * Its answer timeout is http_client's default again. NO_MEMORY, INVALID. */
MUST_CHECK result session_client_take(struct session *session, enum session_role role,
                                      unsigned server, struct http_client **out_client);
/* Gives back what session_client_take gave; NULL is fine. Counts its traffic. */
void session_client_give(struct session *session, struct http_client *client);

/* Whether a server gave no answer to the session's last question; who asks one says how it went. */
bool session_was_slow(const struct session *session, enum session_role role, unsigned server);
void session_note_slow(struct session *session, enum session_role role, unsigned server,
                       bool is_slow);

/* Secret memory for one object's key after the other, for seal_key_renew, that the session keeps
 * between puts; NULL: there is none yet, or others have it. From any thread. */
struct seal_key *session_seal_key_take(struct session *session);
/* It is cleared first; NULL is fine. */
void session_seal_key_give(struct session *session, struct seal_key *key);

/* Has a thread that the session keeps run it; that it has ended is for `run` to say, before the
 * session's. False where all of them are busy: the caller then makes one. */
bool session_run(struct session *session, void *(*run)(void *argument), void *argument);

/* What became of the question to one server. */
struct session_answer {
    result code;                 /* OK, the server's refusal, or TIMEOUT and so on */
    bool is_left_out;            /* it was not asked; `code` is NOT_FOUND */
    char text[ERROR_TEXT_BYTES]; /* where not OK; begins with the server's name */
};

/* One question to one server, on a thread of its own. Whatever it writes it writes where no other
 * server's call does: context arrays indexed by `server`. */
typedef result (*session_question)(void *context, struct session *session, unsigned server,
                                   struct http_client *client);

/*
 * Asks all servers of a role at once and waits until each has answered, but no longer than
 *   0.25 to 0.7 s (three times what that took) after `enough` of them gave OK, or so many failed
 *           that k storage or t key servers no longer can; 0.25 s after the first where only such
 *           are left as gave no answer to the session's question before this one,
 *   2 s     where `enough` means all, after k or t gave OK, or after all but such as those: who is
 *           merely far away is to be told too,
 *   3 s     after `enough` of them have answered at all, refusals included,
 *   12 s    in all, or what is left of a reader's patience (patience.h).
 * Those that are late are cancelled and get TIMEOUT with "no answer in time". `enough` of 0, or
 * more than there are, means all. `answers` has room for session_server_count; `out_ok` counts OK.
 * INTERNAL where cancelled, NO_MEMORY; the servers' failures are in `answers`, not in the result.
 */
MUST_CHECK result session_ask(struct session *session, enum session_role role,
                              session_question question, void *context, unsigned enough,
                              struct session_answer answers[], unsigned *out_ok);

/* The same of those servers alone that `is_asked` names, by server; NULL: all. */
MUST_CHECK result session_ask_some(struct session *session, enum session_role role,
                                   const bool is_asked[], session_question question, void *context,
                                   unsigned enough, struct session_answer answers[],
                                   unsigned *out_ok);

/* A warning for each server whose call failed otherwise than by `expected` (OK: no exception). */
void session_warn_failed(struct session *session, enum session_role role,
                         const struct session_answer answers[], result expected);

/* The error where fewer than `needed` of the servers asked gave OK, from their answers: a refusal
 * (DENIED, NOT_FOUND, CONFLICT, INVALID), with its server's text, where so many gave the same that
 * those left are too few, or none gave OK and `needed` or more gave the same; else QUORUM:
 * "<what>: 2 of the 3 key servers needed: key-1: connection refused; key-2: ...". */
result session_fail_quorum(const struct session *session, enum session_role role, const char *what,
                           const struct session_answer answers[], unsigned needed);

/* The same, where only the servers `among` them count: positions from 1, as share indices are. */
result session_fail_quorum_among(const struct session *session, enum session_role role,
                                 const char *what, const struct session_answer answers[],
                                 const struct holders *among, unsigned needed);

/* ------------------------------------------------------------------ the system's version */

/* The highest version of the system description that a server has named so far; whether it is newer
 * than the session's, and nobody was found to have lied about it. */
uint64_t session_newest_version(struct session *session);
bool session_is_outdated(struct session *session);

/*
 * Where a server named a newer version than the session's, fetches it from whoever has it: verified
 * by the CA key that the user trusts, kept where description_load_newest finds it again, and in
 * place for every flow after this; `out_changed` says so. No other thread may use the session
 * meanwhile; servers have other numbers then. Nobody having it is no error but a warning: it was a
 * lie. INTERNAL where cancelled, NO_MEMORY.
 */
MUST_CHECK result session_catch_up(struct session *session, bool *out_changed);

/* The same for a session that other threads use: `out_session` is a new one of the newer version,
 * with a copy of the keystore and the same progress, or NULL where there is nothing newer. */
MUST_CHECK result session_renew(struct session *session, struct session **out_session);

/* Asks all servers for their version first, for flows that must not work by an old one. */
MUST_CHECK result session_look_up(struct session *session, bool *out_changed);

/* ------------------------------------------------------------------ users */

/* A generation of a user's shares. */
struct session_shares {
    struct share_commitments commitments; /* t of them: as many key servers open. Checked against
                                             the public key */
    struct holders holders;
    uint64_t epoch; /* how often they were changed */
};

/* A user as his certificate says, which the CA signed. Owned by the session, until its end. */
struct session_user {
    char name[FORMAT_NAME_MAX + 1];
    uint8_t identity[SIGN_PUBLIC_BYTES];
    struct public_key public_key;
    struct session_shares shares; /* as most key servers have them: a liar's could pass the check
                                     too. None, with a t of 0, of another user than the session's
                                     where no key server that holds one answered */
    unsigned other_count;
    struct session_shares *others; /* that pass the check as well, as fewer key servers have them */
};

/* Looks a user up in the key servers' directory, once a session. Forged or damaged entries cost a
 * warning that names the key server. NOT_FOUND where more than m - t key servers do not know him,
 * and none does; INVALID where `name` is no name, QUORUM where too few are reachable to know. */
MUST_CHECK result session_find_user(struct session *session, const char *name,
                                    const struct session_user **out_user);

/* The same, but asked again, where an older entry may be outdated: a refresh of his shares changes
 * a user's commitments, a resharing t and the holders too. */
MUST_CHECK result session_find_user_anew(struct session *session, const char *name,
                                         const struct session_user **out_user);

/* How many key servers open for the session's own user, and which hold his shares: by the
 * directory, or where it cannot say, all with the system's t. */
void session_own_holders(struct session *session, unsigned *out_t, struct holders *out_holders);

#endif
