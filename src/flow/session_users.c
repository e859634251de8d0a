/*
 * The directory: who a user is, by the CA's word, as the key servers keep it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/session_state.h"
#include "format/generation.h"
#include "system/user.h"

static void user_clean_up(struct session_user *user) {
    share_commitments_free(&user->shares.commitments);
    for (unsigned i = 0; i < user->other_count; i++)
        share_commitments_free(&user->others[i].commitments);
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

/* What an entry says of the shares; zeros where its server holds none. */
static result parse_shares(const struct session *session, const Myelin__UserAnswer *answer,
                           const struct public_key *public_key, struct session_shares *out) {
    *out = (struct session_shares){.epoch = answer->epoch};
    if (answer->n_commitment1 == 0)
        return OK;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    TRY(format_commitments_parse(answer->n_commitment1, answer->commitment1, answer->n_commitment2,
                                 answer->commitment2, &commitments));
    TRY(share_commitments_check(public_key, &commitments, commitments.t));
    holders_of(answer->holders, session->m, &out->holders);
    if (out->holders.count < commitments.t)
        return FAIL(PROTOCOL, "%zu key servers, fewer than t = %u", out->holders.count,
                    commitments.t);
    out->commitments = commitments;
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
    struct session_user found = {.public_key = user.public_key};
    TRY(parse_shares(session, answer, &user.public_key, &found.shares));
    memcpy(found.identity, user.identity, sizeof found.identity);
    snprintf(found.name, sizeof found.name, "%s", user.name);
    *out_user = found;
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

static bool has_shares(const struct session_user *user) {
    return user->shares.commitments.t > 0;
}

static bool same_shares(const struct session_shares *a, const struct session_shares *b) {
    if (a->commitments.t != b->commitments.t || !holders_equal(&a->holders, &b->holders))
        return false;
    for (unsigned i = 0; i < a->commitments.t; i++)
        if (!g1_equal(&a->commitments.f1[i], &b->commitments.f1[i]) ||
            !g2_equal(&a->commitments.f2[i], &b->commitments.f2[i]))
            return false;
    return true;
}

/* One who holds no share says who the user is, and agrees with whatever the holders say. */
static bool same_entry(const struct session_user *a, const struct session_user *b) {
    return same_person(a, b) &&
           (!has_shares(a) || !has_shares(b) || same_shares(&a->shares, &b->shares));
}

/* The key server whose entry most others share, of those with shares or of those without; `count`
 * where there is none. */
static unsigned commonest_entry(const struct session_user found[], unsigned count,
                                bool with_shares) {
    unsigned best = count, best_votes = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned votes = 0;
        for (unsigned j = 0;
             j < count && found[i].name[0] != '\0' && has_shares(&found[i]) == with_shares; j++)
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
        else if (code == NOT_FOUND && best < session->m &&
                 holders_has(&lookup->found[best].shares.holders, i + 1))
            session_warn(session, "%s: does not know user %s, whom other key servers know", name,
                         lookup->name);
        else if (code != OK && code != NOT_FOUND && code != TIMEOUT)
            session_warn(session, "%s", answers[i].text);
    }
}

static bool is_told(const struct session_user *user, const struct session_shares *shares) {
    bool is = same_shares(&user->shares, shares);
    for (unsigned i = 0; i < user->other_count; i++)
        is = is || same_shares(&user->others[i], shares);
    return is;
}

/* Moves the entry of `best` to the caller, and other shares of the same person beside it. */
static result take_entry(struct lookup *lookup, unsigned count, unsigned best,
                         struct session_user *out_user) {
    struct session_shares *others = calloc(count, sizeof *others);
    if (others == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    *out_user = lookup->found[best];
    out_user->others = others;
    lookup->found[best].shares.commitments = (struct share_commitments){0};
    for (unsigned i = 0; i < count; i++) {
        struct session_user *found = &lookup->found[i];
        if (i == best || found->name[0] == '\0' || !has_shares(found) ||
            !same_person(found, out_user) || is_told(out_user, &found->shares))
            continue;
        others[out_user->other_count++] = found->shares;
        found->shares.commitments = (struct share_commitments){0};
    }
    return OK;
}

static result look_up(struct session *session, struct lookup *lookup,
                      struct session_directory_entry *entry) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    TRY(session_ask(session, SESSION_KEY, ask_entry, lookup, session->t, answers, &ok));
    unsigned best = commonest_entry(lookup->found, session->m, true);
    if (best == session->m && strcmp(lookup->name, session->user) != 0)
        best = commonest_entry(lookup->found, session->m, false); /* who he is will do */
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
        share_commitments_free(&lookup.found[i].shares.commitments);
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

void session_own_holders(struct session *session, unsigned *out_t, struct holders *out_holders) {
    const struct session_user *self = NULL;
    *out_t = session->t;
    holders_all(session->m, out_holders);
    if (session_find_user(session, session->user, &self) != OK || !has_shares(self))
        return;
    *out_t = self->shares.commitments.t;
    *out_holders = self->shares.holders;
}
