#include <stdio.h>
#include <string.h>

#include "flow/shares_run.h"

/* A change that was broken off is completed first, so that the share is of what it made. Where
 * that fails the share is of what was before, and a later run sees to it. */
static result settle(struct session *session, const char *user) {
    AUTO_SHARES_RUN struct shares_run run = {.session = session, .user = user};
    bool settled;
    if (shares_begin_ballot(&run) != OK || shares_settle(&run, &settled) != OK)
        session_warn(session, "%s", error_text());
    return session_check_cancel(session);
}

static result look_settled(struct shares_run *run) {
    bool is_broken_off = false;
    TRY(shares_look(run));
    for (unsigned i = 0; i < run->session->m; i++)
        is_broken_off =
            is_broken_off || (run->of[i].state != NULL && run->of[i].state->accepted != 0);
    if (!is_broken_off)
        return OK;
    TRY(settle(run->session, run->user));
    return shares_look(run);
}

static result pack_restore(struct shares_run *run, unsigned base,
                           const struct shares_agreed *agreed) {
    char user[FORMAT_NAME_MAX + 1];
    Myelin__Signed *dealings[FORMAT_SERVERS_MAX], *blinded[FORMAT_SERVERS_MAX];
    const Myelin__CareState *state = run->of[base].state;
    Myelin__CareRestore restore = MYELIN__CARE_RESTORE__INIT;
    snprintf(user, sizeof user, "%s", run->user);
    restore.user = user;
    restore.certificate = state->certificate;
    restore.enrolled_ms = state->enrolled_ms;
    restore.epoch = state->epoch;
    restore.n_commitment1 = state->n_commitment1;
    restore.commitment1 = state->commitment1;
    restore.n_commitment2 = state->n_commitment2;
    restore.commitment2 = state->commitment2;
    restore.holders = state->holders;
    restore.n_dealing = agreed->dealing_count;
    restore.dealing = dealings;
    for (size_t i = 0; i < agreed->dealing_count; i++)
        dealings[i] = agreed->dealings[i];
    restore.blinded = blinded;
    for (unsigned i = 0; i < run->session->m; i++)
        if (run->of[i].word != NULL)
            blinded[restore.n_blinded++] = run->of[i].word;
    run->wire.len = 0;
    return format_pack(&restore, &run->wire);
}

/* What the lost one's server says no with is about that server: a full disk there is none here. */
static result as_its_own(result code) {
    switch (code) {
    case IO:
    case NO_MEMORY:
        return QUORUM;
    case INVALID:
        return PROTOCOL;
    default:
        return code;
    }
}

static result ask_restore(struct shares_run *run, Myelin__CareComplaint **out_complaint) {
    struct session *session = run->session;
    AUTO_BYTES struct bytes wire = {0};
    struct http_client *client = NULL;
    TRY(session_client_take(session, SESSION_KEY, run->lost - 1, &client));
    result asked = http_call(client, "POST", "/v1/care/restore", bytes_view(&run->wire),
                             "application/protobuf", FORMAT_LIMIT_CARE_COMPLAINT, &wire);
    session_client_give(session, client);
    if (asked != OK)
        return FAIL(as_its_own(asked), "%s", error_text());
    return format_parse_care_complaint(bytes_view(&wire), out_complaint);
}

static result restore(struct shares_run *run, unsigned base, const struct shares_agreed *agreed) {
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    TRY(pack_restore(run, base, agreed));
    TRY(ask_restore(run, &complaint));
    for (size_t i = 0; i < complaint->n_server; i++)
        if (complaint->server[i] <= run->session->m)
            session_warn(run->session, "%s: blinded its share wrongly; left out",
                         shares_name(run, complaint->server[i] - 1));
    return OK;
}

/* Those of the commonest generation, and one of them. */
static result find_members(const struct shares_run *run, bool out_members[FORMAT_SERVERS_MAX],
                           unsigned *out_base) {
    unsigned m = run->session->m;
    bool given[FORMAT_SERVERS_MAX] = {false};
    for (unsigned i = 0; i < m; i++)
        given[i] = run->of[i].state != NULL && i + 1 != run->lost;
    unsigned base = shares_commonest(run, given);
    if (base == m)
        return shares_fail(run, "replacing", 0, run->session->t);
    for (unsigned i = 0; i < m; i++)
        out_members[i] = given[i] && run->of[i].holds && shares_same_generation(run, i, base);
    *out_base = base;
    unsigned count = shares_count(run, out_members), t = run->of[base].commitments.t;
    return count >= t ? OK : shares_fail(run, "replacing", count, t);
}

/* All who hold shares beside the lost one are to deal. */
static result choose_dealers(struct shares_run *run) {
    bool members[FORMAT_SERVERS_MAX] = {false};
    unsigned base;
    TRY(look_settled(run));
    TRY(find_members(run, members, &base));
    if (!shares_is_holder(run, base, run->lost - 1))
        return FAIL(NOT_FOUND, "%s is to hold no share of %s: see 'myelin shares reshare'",
                    shares_name(run, run->lost - 1), run->user);
    memcpy(run->dealers, members, sizeof members);
    return OK;
}

/* Begins until all who were to deal have dealt rightly: a dealing is good only together with those
 * of all the dealers it was made for, so that without one of them the others deal anew. */
static result agree(struct shares_run *run, unsigned *out_base, struct shares_agreed *out) {
    TRY(choose_dealers(run));
    for (;;) {
        bool members[FORMAT_SERVERS_MAX], have_all_dealt = true;
        TRY(shares_begin(run));
        *out = (struct shares_agreed){0};
        TRY(find_members(run, members, out_base));
        for (unsigned i = 0; i < run->session->m; i++) {
            out->dealers[i] = run->dealers[i] && members[i] && run->of[i].dealt;
            have_all_dealt = have_all_dealt && out->dealers[i] == run->dealers[i];
        }
        if (have_all_dealt)
            TRY(shares_agree(run, members, members, out));
        if (memcmp(out->dealers, run->dealers, sizeof run->dealers) == 0)
            return OK;
        memcpy(run->dealers, out->dealers, sizeof run->dealers);
        unsigned count = shares_count(run, run->dealers), t = run->of[*out_base].commitments.t;
        if (count < t)
            return shares_fail(run, "dealing", count, t);
    }
}

static result replace(struct shares_run *run, struct shares_done *out_done) {
    unsigned m = run->session->m, ok = 0, base;
    bool held[FORMAT_SERVERS_MAX] = {false};
    struct shares_agreed agreed;
    TRY(agree(run, &base, &agreed));
    const struct shares_member *member = &run->of[base];
    session_step(run->session, "deal", agreed.dealing_count, m);
    TRY(shares_offer(
        run, "/v1/care/blind", agreed.receivers,
        &(struct shares_offered){base, member->generation, agreed.dealing_count, agreed.dealings},
        &ok));
    if (ok < member->commitments.t)
        return shares_fail(run, "replacing", ok, member->commitments.t);
    TRY(restore(run, base, &agreed));
    held[run->lost - 1] = true;
    shares_report(run, held,
                  &(struct shares_made){.epoch = member->state->epoch,
                                        .t = member->commitments.t,
                                        .holders = member->holders},
                  out_done);
    return OK;
}

result flow_shares_replace(struct session *session, const char *user, const char *name,
                           struct shares_done *out_done) {
    int server = description_find_key(&session->description, name);
    if (!format_is_name(user))
        return FAIL(INVALID, "'%s' is no user name", user);
    if (server < 0)
        return FAIL(NOT_FOUND, "%s is no key server of this system", name);
    session_step(session, "replace", 0, session->m);
    AUTO_SHARES_RUN struct shares_run run = {
        .session = session, .user = user, .lost = (uint32_t)server + 1};
    return replace(&run, out_done);
}
