#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "flow/shares_run.h"

enum { BALLOT_RANDOM_BITS = 20, TRIES = 6 };

static unsigned quorum(const struct shares_run *run) {
    return format_generation_quorum(run->session->m, run->session->t);
}

/* ------------------------------------------------------------------ ballots */

/* Later than any before, and nobody else's. */
static uint64_t ballot_after(uint64_t seen) {
    uint32_t random;
    uint64_t now = session_now_ms() << BALLOT_RANDOM_BITS;
    secret_random(&random, sizeof random);
    uint64_t least =
        seen - seen % (UINT64_C(1) << BALLOT_RANDOM_BITS) + (UINT64_C(1) << BALLOT_RANDOM_BITS);
    return (now > seen ? now : least) | (random & ((1U << BALLOT_RANDOM_BITS) - 1));
}

static void find_granted(const struct shares_run *run, bool out_granted[]) {
    for (unsigned i = 0; i < run->session->m; i++)
        out_granted[i] = shares_granted(run, i);
}

/* The ballot that enough servers have promised at most: a single one cannot drive it up. */
static uint64_t promised_by_most(const struct shares_run *run) {
    unsigned m = run->session->m;
    uint64_t best = INT64_MAX;
    for (unsigned i = 0; i < m; i++) {
        unsigned below = 0;
        for (unsigned j = 0; run->of[i].state != NULL && j < m; j++)
            below += run->of[j].state != NULL &&
                     run->of[j].state->promised <= run->of[i].state->promised;
        if (below >= quorum(run) && run->of[i].state->promised < best)
            best = run->of[i].state->promised;
    }
    return best;
}

result shares_begin_ballot(struct shares_run *run) {
    bool granted[FORMAT_SERVERS_MAX] = {false};
    uint64_t seen = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        run->ballot = ballot_after(seen);
        TRY(shares_begin(run));
        find_granted(run, granted);
        count = shares_count(run, granted);
        if (count >= quorum(run))
            return OK;
        seen = promised_by_most(run);
        if (seen < run->ballot || seen > INT64_MAX / 2)
            break;
    }
    return shares_fail(run, "refreshing", count, quorum(run));
}

/* ------------------------------------------------------------------ accept and finish */

static result tell_finish(struct shares_run *run, const uint8_t generation[DIGEST_BYTES],
                          const bool accepted[], unsigned *out_ok) {
    char user[FORMAT_NAME_MAX + 1];
    Myelin__Signed *words[FORMAT_SERVERS_MAX];
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    snprintf(user, sizeof user, "%s", run->user);
    finish.user = user;
    finish.generation = format_bytes(view_of(generation, DIGEST_BYTES));
    finish.acceptance = words;
    for (unsigned i = 0; i < run->session->m; i++)
        if (accepted[i])
            words[finish.n_acceptance++] = run->of[i].word;
    run->wire.len = 0;
    TRY(format_pack(&finish, &run->wire));
    return shares_tell(run, "/v1/care/finish", accepted, out_ok);
}

/* Whether this is the server's own word that it holds the generation. */
static bool is_acceptance(const struct shares_run *run, unsigned server,
                          const uint8_t generation[DIGEST_BYTES]) {
    AUTO_FORMAT Myelin__Acceptance *acceptance = NULL;
    const Myelin__Server *self = session_server(run->session, SESSION_KEY, server);
    return run->of[server].word != NULL &&
           format_open_acceptance(run->of[server].word, self->identity.data, &acceptance) == OK &&
           strcmp(acceptance->server, self->name) == 0 &&
           strcmp(acceptance->user, run->user) == 0 && acceptance->ballot == run->ballot &&
           memcmp(acceptance->generation.data, generation, DIGEST_BYTES) == 0;
}

/* Two steps: `to` keep the generation beside the share; once enough do, it takes the share's place.
 * `out_held` says who finished. */
static result carry_through(struct shares_run *run, const bool to[],
                            const uint8_t generation[DIGEST_BYTES], size_t dealing_count,
                            Myelin__Signed *const dealings[], bool out_held[]) {
    bool accepted[FORMAT_SERVERS_MAX] = {false};
    unsigned ok = 0, m = run->session->m;
    TRY(shares_offer(run, "/v1/care/accept", to, generation, dealing_count, dealings, &ok));
    for (unsigned i = 0; i < m; i++)
        accepted[i] = to[i] && run->of[i].answer.code == OK && is_acceptance(run, i, generation);
    unsigned count = shares_count(run, accepted);
    session_step(run->session, "accept", count, m);
    if (count < quorum(run))
        return shares_fail(run, "keeping the new shares", count, quorum(run));
    TRY(tell_finish(run, generation, accepted, &ok));
    session_step(run->session, "finish", ok, m);
    for (unsigned i = 0; i < m; i++)
        out_held[i] = accepted[i] && run->of[i].answer.code == OK;
    return ok > 0 ? OK : shares_fail(run, "finishing", ok, quorum(run));
}

/* ------------------------------------------------------------------ what was broken off */

static bool holds(const struct shares_member *member, ProtobufCBinaryData generation) {
    return member->state != NULL &&
           (memcmp(member->generation, generation.data, DIGEST_BYTES) == 0 ||
            (member->state->accepted != 0 &&
             memcmp(member->state->next.data, generation.data, DIGEST_BYTES) == 0));
}

static unsigned count_holders(const struct shares_run *run, const bool among[],
                              ProtobufCBinaryData generation, bool *out_is_used) {
    unsigned holders = 0;
    *out_is_used = false;
    for (unsigned i = 0; i < run->session->m; i++) {
        holders += among[i] && holds(&run->of[i], generation);
        *out_is_used = *out_is_used || (among[i] && memcmp(run->of[i].generation, generation.data,
                                                           DIGEST_BYTES) == 0);
    }
    return holders;
}

/* A generation that was accepted somewhere and may have been decided: then no other must be made of
 * its base. Of several the one with most holders, then the last one. m where there is none. */
static unsigned find_undecided(const struct shares_run *run, const bool granted[]) {
    unsigned m = run->session->m, best = m, most = 0;
    unsigned base = shares_commonest(run, granted), absent = m - shares_count(run, granted);
    for (unsigned i = 0; i < m; i++) {
        bool is_used;
        if (!granted[i] || run->of[i].state->accepted == 0)
            continue;
        unsigned holders = count_holders(run, granted, run->of[i].state->next, &is_used);
        if ((!is_used && !shares_same_generation(run, i, base)) || holders + absent < quorum(run))
            continue;
        if (holders < most || (holders == most && best < m &&
                               run->of[i].state->accepted <= run->of[best].state->accepted))
            continue;
        best = i;
        most = holders;
    }
    return best;
}

result shares_settle(struct shares_run *run, bool *out_settled) {
    bool granted[FORMAT_SERVERS_MAX] = {false}, held[FORMAT_SERVERS_MAX] = {false};
    uint8_t generation[DIGEST_BYTES];
    find_granted(run, granted);
    unsigned from = find_undecided(run, granted);
    *out_settled = false;
    if (from == run->session->m)
        return OK;
    const Myelin__CareState *state = run->of[from].state;
    memcpy(generation, state->next.data, sizeof generation);
    TRY(carry_through(run, granted, generation, state->n_next_dealing, state->next_dealing, held));
    session_warn(run->session, "a refresh of %s's shares that was broken off is completed",
                 run->user);
    *out_settled = true;
    return OK;
}

/* ------------------------------------------------------------------ those who missed something */

static bool is_behind(const struct shares_run *run, unsigned server, unsigned base) {
    const struct shares_member *member = &run->of[server];
    if (member->state == NULL)
        return member->answer.code == NOT_FOUND || member->answer.code == INTEGRITY;
    return !shares_same_generation(run, server, base) &&
           member->state->epoch < run->of[base].state->epoch;
}

/* Gives servers that are behind their share back; a failure costs a warning. */
static result catch_up(const struct shares_run *run, bool *out_changed) {
    bool granted[FORMAT_SERVERS_MAX] = {false};
    find_granted(run, granted);
    unsigned base = shares_commonest(run, granted);
    *out_changed = false;
    for (unsigned i = 0; i < run->session->m; i++) {
        struct shares_done done;
        if (!is_behind(run, i, base))
            continue;
        result replaced = flow_shares_replace(run->session, run->user, shares_name(run, i), &done);
        TRY(session_check_cancel(run->session));
        if (replaced == OK)
            *out_changed = true;
        else
            session_warn(run->session, "%s: missed a refresh, and is left out: %s",
                         shares_name(run, i), error_text());
    }
    return OK;
}

/* ------------------------------------------------------------------ a new generation */

static result make_generation(const struct shares_run *run, unsigned base,
                              const struct shares_agreed *agreed,
                              uint8_t out_generation[DIGEST_BYTES]) {
    AUTO_COMMITMENTS struct share_commitments sum = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    struct share_dealing dealings[FORMAT_SERVERS_MAX]; /* the run's */
    size_t count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        if (agreed->dealers[i])
            dealings[count++] = run->of[i].dealing;
    TRY(share_dealing_sum(&run->of[base].commitments, dealings, count, &sum));
    TRY(format_commitment_fields(&sum, &fields));
    format_generation_id(run->of[base].state->epoch + 1, fields.t, fields.commitment1,
                         fields.commitment2, out_generation);
    return OK;
}

static result refresh(struct shares_run *run, struct shares_done *out_done) {
    bool granted[FORMAT_SERVERS_MAX] = {false}, members[FORMAT_SERVERS_MAX] = {false};
    bool held[FORMAT_SERVERS_MAX] = {false};
    uint8_t generation[DIGEST_BYTES];
    struct shares_agreed agreed;
    find_granted(run, granted);
    unsigned base = shares_commonest(run, granted);
    for (unsigned i = 0; i < run->session->m; i++)
        members[i] = granted[i] && shares_same_generation(run, i, base);
    unsigned count = shares_count(run, members);
    if (count < quorum(run))
        return shares_fail(run, "refreshing", count, quorum(run));
    uint64_t epoch = run->of[base].state->epoch + 1;
    for (unsigned i = 0; i < run->session->m; i++)
        if (run->of[i].answer.code != OK)
            session_warn(run->session, "%s", run->of[i].answer.text);
    TRY(shares_agree(run, members, &agreed));
    session_step(run->session, "deal", agreed.dealing_count, run->session->m);
    TRY(make_generation(run, base, &agreed, generation));
    TRY(carry_through(run, agreed.receivers, generation, agreed.dealing_count, agreed.dealings,
                      held));
    shares_report(run, held, epoch, out_done);
    return OK;
}

/* Whether another driver came between: then this one begins again, a little later. */
static bool is_overtaken(const struct shares_run *run, result failed) {
    bool is = false;
    for (unsigned i = 0; i < run->session->m; i++)
        is = is || run->of[i].answer.code == CONFLICT;
    return failed == QUORUM && is && !session_is_cancelled(run->session);
}

static void pause_a_little(void) {
    uint16_t random;
    secret_random(&random, sizeof random);
    nanosleep(&(struct timespec){.tv_nsec = 50000000L + random * 3000L}, NULL);
}

/* One attempt; `out_again` where there is more to do. */
static result attempt(struct shares_run *run, bool *has_caught_up, bool *out_again,
                      struct shares_done *out_done) {
    bool changed = false;
    TRY(shares_begin_ballot(run));
    TRY(shares_settle(run, &changed));
    if (!changed && !*has_caught_up) {
        *has_caught_up = true;
        TRY(catch_up(run, &changed));
    }
    *out_again = changed;
    return changed ? OK : refresh(run, out_done);
}

result flow_shares_refresh(struct session *session, const char *user,
                           struct shares_done *out_done) {
    AUTO_SHARES_RUN struct shares_run run = {.session = session, .user = user};
    if (!format_is_name(user))
        return FAIL(INVALID, "'%s' is no user name", user);
    if (session->t == 1)
        return FAIL(INVALID, "every key server holds the key itself (t = 1): there is nothing that "
                             "refreshing could change");
    bool has_caught_up = false;
    for (unsigned i = 0; i < TRIES; i++) {
        bool again = false;
        session_step(session, "refresh", 0, session->m);
        result attempted = attempt(&run, &has_caught_up, &again, out_done);
        if (attempted != OK && !(i + 1 < TRIES && is_overtaken(&run, attempted)))
            return attempted;
        if (attempted == OK && !again)
            return OK;
        if (attempted != OK)
            pause_a_little();
    }
    return FAIL(CONFLICT, "others refresh the shares of %s at the same time", user);
}
