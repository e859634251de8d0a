#include "flow/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "flow/heads.h"
#include "flow/object.h"
#include "flow/session_state.h"

static void state_free(struct session_state *state) {
    if (state == NULL)
        return;
    workers_end(&state->workers);
    session_connections_free(state);
    session_users_free(state);
    session_past_free(state);
    heads_free(&state->heads);
    seal_key_destroy(state->idle_key);
    for (size_t i = 0; i < state->warning_count; i++)
        free(state->warnings[i]);
    pthread_mutex_destroy(&state->lock);
    pthread_mutex_destroy(&state->progress_lock);
    free(state);
}

void session_close(struct session *session) {
    if (session == NULL)
        return;
    if (session->state != NULL)
        heads_save(session);
    state_free(session->state); /* its connections borrow the identity */
    tls_identity_free(session->identity);
    secret_free(session->object_key);
    keystore_free(&session->keystore);
    description_free(&session->description);
    free(session);
}

void session_close_at(struct session **session) {
    session_close(*session);
}

static result state_new(struct session_state **out_state) {
    struct session_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    pthread_mutex_init(&state->lock, NULL);
    pthread_mutex_init(&state->progress_lock, NULL);
    workers_init(&state->workers);
    *out_state = state;
    return OK;
}

/* In time to renew it; a manager's is for a day. */
static void warn_of_expiry(struct session *session) {
    enum { WARN_SECONDS = 30 * 24 * 60 * 60 };
    const struct tls_peer *self = tls_identity_self(session->identity);
    time_t now = time(NULL), expires = self->expires;
    char day[16] = "";
    struct tm utc;
    if (self->role != TLS_ROLE_USER || expires - now >= WARN_SECONDS ||
        gmtime_r(&expires, &utc) == NULL)
        return;
    strftime(day, sizeof day, "%Y-%m-%d", &utc);
    session_warn(session,
                 "the certificate of %s %s on %s: renew it where the manager's folder is, with "
                 "'myelin enroll %s --renew'",
                 session->user, expires < now ? "expired" : "expires", day, session->user);
}

result session_new(struct description *description, struct keystore *keystore,
                   struct session **out_session) {
    TRY(description_check_trust(description, &keystore->trust));
    AUTO_SESSION struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    TRY(state_new(&session->state));
    const Myelin__System *system = description->system;
    TRY(tls_identity_new(bytes_view(&keystore->certificate), keystore->secrets->identity.seed,
                         format_view(system->ca_certificate), &session->identity));
    TRY(object_id_key(&keystore->secrets->a3, &session->object_key));
    session->description = *description;
    session->keystore = *keystore;
    *description = (struct description){0};
    *keystore = (struct keystore){0};
    session_take_system(session);
    session->user = session->keystore.user;
    session->a3 = &session->keystore.secrets->a3;
    session->signing = &session->keystore.secrets->identity;
    warn_of_expiry(session);
    *out_session = session;
    session = NULL;
    return OK;
}

result session_open(const char *system, const char *user, const struct passphrase *passphrase,
                    struct session **out_session) {
    char home[4096], path[4096];
    TRY(keystore_home(home, sizeof home));
    TRY(keystore_path(user, path, sizeof path));
    AUTO_KEYSTORE struct keystore keystore = {0};
    TRY(keystore_open(path, user, passphrase, &keystore));
    AUTO_DESCRIPTION struct description description = {0};
    TRY(description_load_newest(system, home, &keystore.trust, &description));
    TRY(session_new(&description, &keystore, out_session));
    heads_load(*out_session);
    return OK;
}

/* ------------------------------------------------------------------ the way back */

void session_set_progress(struct session *session, session_progress progress, void *context) {
    session->state->progress = progress;
    session->state->progress_context = context;
}

void session_step(struct session *session, const char *step, uint64_t done, uint64_t total) {
    struct session_state *state = session->state;
    if (state->progress == NULL)
        return;
    pthread_mutex_lock(&state->progress_lock);
    state->progress(state->progress_context, step, done, total);
    pthread_mutex_unlock(&state->progress_lock);
}

struct seal_key *session_seal_key_take(struct session *session) {
    struct session_state *state = session->state;
    pthread_mutex_lock(&state->lock);
    struct seal_key *key = state->idle_key;
    state->idle_key = NULL;
    pthread_mutex_unlock(&state->lock);
    return key;
}

void session_seal_key_give(struct session *session, struct seal_key *key) {
    struct session_state *state = session->state;
    if (key == NULL)
        return;
    seal_key_clear(key);
    pthread_mutex_lock(&state->lock);
    struct seal_key *before = state->idle_key;
    state->idle_key = key;
    pthread_mutex_unlock(&state->lock);
    seal_key_destroy(before);
}

bool session_run(struct session *session, void *(*run)(void *argument), void *argument) {
    return workers_run(&session->state->workers, run, argument);
}

static void warnings_add(struct session_state *state, const char *line) {
    for (size_t i = 0; i < state->warning_count; i++)
        if (strcmp(state->warnings[i], line) == 0)
            return;
    char *copy = state->warning_count < SESSION_WARNINGS_MAX ? strdup(line) : NULL;
    if (copy == NULL)
        state->warnings_dropped++;
    else
        state->warnings[state->warning_count++] = copy;
}

void session_warn(struct session *session, const char *format, ...) {
    char line[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&session->state->lock);
    warnings_add(session->state, line);
    pthread_mutex_unlock(&session->state->lock);
}

void session_take_warnings(struct session *session, void (*take)(void *context, const char *line),
                           void *context) {
    struct session_state *state = session->state;
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < state->warning_count; i++) {
        take(context, state->warnings[i]);
        free(state->warnings[i]);
    }
    if (state->warnings_dropped > 0) {
        char line[64];
        snprintf(line, sizeof line, "%zu more warnings", state->warnings_dropped);
        take(context, line);
    }
    state->warning_count = 0;
    state->warnings_dropped = 0;
    pthread_mutex_unlock(&state->lock);
}

void session_cancel(struct session *session) {
    struct session_state *state = session->state;
    pthread_mutex_lock(&state->lock);
    state->cancelled = true;
    for (struct session_connection *c = state->connections; c != NULL; c = c->next)
        if (c->busy)
            http_client_cancel(c->client);
    pthread_mutex_unlock(&state->lock);
}

bool session_is_cancelled(const struct session *session) {
    return session->state->cancelled;
}

result session_check_cancel(const struct session *session) {
    if (session->state->cancelled)
        return FAIL(INTERNAL, "interrupted");
    return OK;
}
