/*
 * Newer versions of the system description, as a client meets them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "flow/session_state.h"

void session_take_system(struct session *session) {
    const Myelin__System *system = session->description.system;
    session->n = description_slots(&session->description);
    session->k = system->k;
    session->m = (unsigned)system->n_key;
    session->t = system->t;
    session->state->storage_count =
        description_storage(&session->description, session->state->storage);
}

void session_past_free(struct session_state *state) {
    while (state->past != NULL) {
        struct session_past *before = state->past->before;
        description_free(&state->past->description);
        free(state->past);
        state->past = before;
    }
}

uint64_t session_newest_version(struct session *session) {
    pthread_mutex_lock(&session->state->lock);
    uint64_t version = session->state->newest_version;
    pthread_mutex_unlock(&session->state->lock);
    return version;
}

bool session_is_outdated(struct session *session) {
    uint64_t newest = session_newest_version(session);
    return newest > session->description.system->version &&
           newest != session->state->refused_version;
}

/* ------------------------------------------------------------------ fetching */

struct fetching {
    struct description of[FORMAT_SERVERS_MAX];
};

static result ask_system(void *context, struct session *session, unsigned server,
                         struct http_client *client) {
    struct fetching *fetching = context;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_DESCRIPTION struct description description = {0};
    TRY(http_call(client, "GET", "/v1/system", (struct view){0}, NULL, FORMAT_LIMIT_SIGNED, &wire));
    TRY(description_parse(http_client_name(client), bytes_view(&wire), &session->keystore.trust,
                          &description));
    TRY(description_check_next(&session->description, &description));
    fetching->of[server] = description;
    description = (struct description){0};
    return OK;
}

/* The newest that servers of a role have; empty where none has a newer one. */
static result fetch_newest(struct session *session, enum session_role role,
                           struct description *out_newest) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    struct description *newest = out_newest;
    unsigned ok, count = session_server_count(session, role);
    struct fetching *fetching = calloc(1, sizeof *fetching);
    if (fetching == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    result asked = session_ask(session, role, ask_system, fetching, 1, answers, &ok);
    for (unsigned i = 0; i < count; i++) {
        struct description *one = &fetching->of[i];
        if (answers[i].code == INTEGRITY || answers[i].code == DENIED)
            session_warn(session, "%s: its system description is not taken: %s",
                         session_server(session, role, i)->name, answers[i].text);
        if (one->system != NULL && asked == OK &&
            (newest->system == NULL || one->system->version > newest->system->version)) {
            description_free(newest);
            *newest = *one;
            *one = (struct description){0};
        }
        description_free(one);
    }
    free(fetching);
    return asked;
}

/* On disk, so that the next command starts with it and nobody can bring an older one. */
static void keep(struct session *session, const struct description *description) {
    char home[4096];
    result kept = keystore_home(home, sizeof home);
    if (kept == OK)
        kept = description_keep(description, home);
    if (kept == OK)
        kept = description_check_version(description, home);
    if (kept != OK)
        session_warn(session, "version %llu of the system description is not kept: %s",
                     (unsigned long long)description->system->version, error_text());
}

static void forget(void *context, const char *line) {
    (void)context, (void)line;
}

/* Takes `next` over. */
static result replace(struct session *session, struct description *next) {
    struct session_past *past = malloc(sizeof *past);
    if (past == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    *past = (struct session_past){session->description, session->state->past};
    session->state->past = past;
    session->description = *next;
    *next = (struct description){0};
    session_connections_free(session->state); /* they go by the numbers of servers */
    session_take_system(session);
    memset(session->state->slow, 0, sizeof session->state->slow);
    session_take_warnings(session, forget, NULL); /* what the old version made look wrong */
    return OK;
}

/* The newer version that a server named, from whoever has it, and kept; empty where there is none.
 */
static result find_newer(struct session *session, struct description *out_next) {
    uint64_t newest = session_newest_version(session);
    if (!session_is_outdated(session))
        return OK;
    TRY(fetch_newest(session, SESSION_STORAGE, out_next));
    if (out_next->system == NULL)
        TRY(fetch_newest(session, SESSION_KEY, out_next));
    if (out_next->system != NULL) {
        keep(session, out_next);
        return OK;
    }
    session->state->refused_version = newest;
    session_warn(session,
                 "a server named version %llu of the system description, and none has a good "
                 "one newer than version %llu",
                 (unsigned long long)newest,
                 (unsigned long long)session->description.system->version);
    return OK;
}

result session_catch_up(struct session *session, bool *out_changed) {
    AUTO_DESCRIPTION struct description next = {0};
    *out_changed = false;
    TRY(find_newer(session, &next));
    if (next.system == NULL)
        return OK;
    TRY(replace(session, &next));
    *out_changed = true;
    return OK;
}

static result copy_keystore(const struct keystore *keystore, struct keystore *out_copy) {
    AUTO_KEYSTORE struct keystore copy = {.trust = keystore->trust};
    memcpy(copy.user, keystore->user, sizeof copy.user);
    TRY(bytes_append(&copy.certificate, bytes_view(&keystore->certificate)));
    TRY(secret_new(sizeof *copy.secrets, (void **)&copy.secrets));
    *copy.secrets = *keystore->secrets;
    *out_copy = copy;
    copy = (struct keystore){0};
    return OK;
}

result session_renew(struct session *session, struct session **out_session) {
    AUTO_DESCRIPTION struct description next = {0};
    AUTO_KEYSTORE struct keystore keystore = {0};
    *out_session = NULL;
    TRY(find_newer(session, &next));
    if (next.system == NULL)
        return OK;
    TRY(copy_keystore(&session->keystore, &keystore));
    TRY(session_new(&next, &keystore, out_session));
    session_set_progress(*out_session, session->state->progress, session->state->progress_context);
    return OK;
}

static result ask_version(void *context, struct session *session, unsigned server,
                          struct http_client *client) {
    (void)context, (void)session, (void)server;
    return http_call(client, "HEAD", "/v1/system", (struct view){0}, NULL, 0, NULL);
}

result session_look_up(struct session *session, bool *out_changed) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok;
    TRY(session_ask(session, SESSION_STORAGE, ask_version, NULL, session->k, answers, &ok));
    return session_catch_up(session, out_changed);
}
