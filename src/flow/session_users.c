/*
 * The directory: who a user is, by the CA's word, as the key servers keep it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/session_state.h"
#include "system/user.h"

static void user_clean_up(struct session_user *user) {
    share_commitments_free(&user->commitments);
    for (unsigned i = 0; i < user->other_count; i++)
        share_commitments_free(&user->others[i]);
    free(user->others);
}

void session_users_free(struct session_state *state) {
    while (state->users != NULL) {
        struct session_directory_entry *next = state->users->next;
        user_clean_up(&state->users->user);
        free(state->users);
        state->users = next;
    }
}

struct lookup {
    const char *name;
    char path[32 + FORMAT_NAME_MAX];
    struct session_user *found; /* by key server; a name of "" where it gave none */
};

static result parse_commitments(const Myelin__UserAnswer *answer, unsigned t,
                                struct share_commitments *out) {
    if (answer->n_commitment1 != t || answer->n_commitment2 != t)
        return FAIL(PROTOCOL, "%zu and %zu commitments, expected %u", answer->n_commitment1,
                    answer->n_commitment2, t);
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    TRY(share_commitments_new(t, &commitments));
    for (unsigned i = 0; i < t; i++) {
        TRY(g1_parse("commitment1", format_view(answer->commitment1[i]), &commitments.f1[i]));
        TRY(g2_parse("commitment2", format_view(answer->commitment2[i]), &commitments.f2[i]));
    }
    *out = commitments;
    commitments = (struct share_commitments){0};
    return OK;
}

static result check_entry(const struct session *session, const char *name, struct view wire,
                          struct session_user *out_user) {
    AUTO_FORMAT Myelin__UserAnswer *answer = NULL;
    TRY(format_parse_user_answer(wire, &answer));
    struct user user;
    TRY(user_from_certificate(format_view(answer->certificate), &session->description, name,
                              time(NULL), &user));
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    TRY(parse_commitments(answer, session->t, &commitments));
    TRY(share_commitments_check(&user.public_key, &commitments, session->t));
    *out_user = (struct session_user){.public_key = user.public_key, .commitments = commitments};
    memcpy(out_user->identity, user.identity, sizeof out_user->identity);
    snprintf(out_user->name, sizeof out_user->name, "%s", user.name);
    commitments = (struct share_commitments){0};
    return OK;
}

static result ask_entry(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    struct lookup *lookup = context;
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(client, "GET", lookup->path, (struct view){0}, NULL, FORMAT_LIMIT_USER_ANSWER,
                  &wire));
    result checked = check_entry(session, lookup->name, bytes_view(&wire), &lookup->found[server]);
    if (checked != OK)
        return error_at(checked, "%s: entry of user %s", http_client_name(client), lookup->name);
    return OK;
}

static bool same_person(const struct session_user *a, const struct session_user *b) {
    return memcmp(a->identity, b->identity, sizeof a->identity) == 0 &&
           g1_equal(&a->public_key.pk1, &b->public_key.pk1) &&
           g2_equal(&a->public_key.pk2, &b->public_key.pk2);
}

static bool same_commitments(const struct share_commitments *a, const struct share_commitments *b) {
    for (unsigned i = 0; i < a->t; i++)
        if (!g1_equal(&a->f1[i], &b->f1[i]) || !g2_equal(&a->f2[i], &b->f2[i]))
            return false;
    return true;
}

static bool same_entry(const struct session_user *a, const struct session_user *b) {
    return same_person(a, b) && same_commitments(&a->commitments, &b->commitments);
}

/* The key server whose entry most others share; `count` where there is none. */
static unsigned commonest_entry(const struct session_user found[], unsigned count) {
    unsigned best = count, best_votes = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned votes = 0;
        for (unsigned j = 0; j < count && found[i].name[0] != '\0'; j++)
            votes += found[j].name[0] != '\0' && same_entry(&found[i], &found[j]);
        if (votes <= best_votes)
            continue;
        best = i;
        best_votes = votes;
    }
    return best;
}

static void warn_entries(struct session *session, const struct lookup *lookup,
                         const struct session_answer answers[], unsigned best) {
    for (unsigned i = 0; i < session->m; i++) {
        result code = answers[i].code;
        const char *name = session_server(session, SESSION_KEY, i)->name;
        if (code == OK && best < session->m && !same_entry(&lookup->found[i], &lookup->found[best]))
            session_warn(session, "%s: its entry of user %s differs from the other key servers'",
                         name, lookup->name);
        else if (code == NOT_FOUND && best < session->m)
            session_warn(session, "%s: does not know user %s, whom other key servers know", name,
                         lookup->name);
        else if (code != OK && code != NOT_FOUND && code != TIMEOUT)
            session_warn(session, "%s", answers[i].text);
    }
}

static bool has_commitments(const struct session_user *user, const struct share_commitments *some) {
    bool has = same_commitments(&user->commitments, some);
    for (unsigned i = 0; i < user->other_count; i++)
        has = has || same_commitments(&user->others[i], some);
    return has;
}

/* Moves the entry of `best` to the caller, and other commitments of the same person beside it. */
static result take_entry(struct lookup *lookup, unsigned count, unsigned best,
                         struct session_user *out_user) {
    struct share_commitments *others = calloc(count, sizeof *others);
    if (others == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    *out_user = lookup->found[best];
    out_user->others = others;
    lookup->found[best].commitments = (struct share_commitments){0};
    for (unsigned i = 0; i < count; i++) {
        struct session_user *found = &lookup->found[i];
        if (i == best || found->name[0] == '\0' || !same_person(found, out_user) ||
            has_commitments(out_user, &found->commitments))
            continue;
        others[out_user->other_count++] = found->commitments;
        found->commitments = (struct share_commitments){0};
    }
    return OK;
}

static result look_up(struct session *session, struct lookup *lookup,
                      struct session_directory_entry *entry) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    TRY(session_ask(session, SESSION_KEY, ask_entry, lookup, session->t, answers, &ok));
    unsigned best = commonest_entry(lookup->found, session->m);
    warn_entries(session, lookup, answers, best);
    if (best < session->m)
        return take_entry(lookup, session->m, best, &entry->user);
    unsigned absent = 0;
    for (unsigned i = 0; i < session->m; i++)
        absent += answers[i].code == NOT_FOUND;
    if (absent > session->m - session->t)
        return FAIL(NOT_FOUND, "no user %s is enrolled in this system", lookup->name);
    char what[32 + FORMAT_NAME_MAX];
    snprintf(what, sizeof what, "looking up user %s", lookup->name);
    return session_fail_quorum(session, SESSION_KEY, what, answers, session->t);
}

static const struct session_user *find_known(struct session_state *state, const char *name) {
    const struct session_user *known = NULL;
    pthread_mutex_lock(&state->lock);
    for (struct session_directory_entry *e = state->users; e != NULL && known == NULL; e = e->next)
        if (strcmp(e->user.name, name) == 0)
            known = &e->user;
    pthread_mutex_unlock(&state->lock);
    return known;
}

static result look_up_into(struct session *session, const char *name,
                           struct session_directory_entry *entry) {
    struct lookup lookup = {.name = name};
    snprintf(lookup.path, sizeof lookup.path, "/v1/users/%s", name);
    lookup.found = calloc(session->m, sizeof *lookup.found);
    if (lookup.found == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    result looked = look_up(session, &lookup, entry);
    for (unsigned i = 0; i < session->m; i++)
        share_commitments_free(&lookup.found[i].commitments);
    free(lookup.found);
    return looked;
}

static result check_name(const char *name) {
    if (!format_is_name(name))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    name);
    return OK;
}

/* Entries stay until the session's end, for who holds them; the newest is found first. */
result session_find_user_anew(struct session *session, const char *name,
                              const struct session_user **out_user) {
    TRY(check_name(name));
    struct session_directory_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    result looked = look_up_into(session, name, entry);
    if (looked != OK) {
        free(entry);
        return looked;
    }
    pthread_mutex_lock(&session->state->lock);
    entry->next = session->state->users;
    session->state->users = entry;
    pthread_mutex_unlock(&session->state->lock);
    *out_user = &entry->user;
    return OK;
}

result session_find_user(struct session *session, const char *name,
                         const struct session_user **out_user) {
    TRY(check_name(name));
    *out_user = find_known(session->state, name);
    return *out_user != NULL ? OK : session_find_user_anew(session, name, out_user);
}
