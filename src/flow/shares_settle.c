/* What an earlier run left: a generation that may have been decided, and servers that missed one.
 */
#include <string.h>

#include "flow/shares_run.h"

/* ------------------------------------------------------------------ what was broken off */

/* What a server has accepted: with what it is to be of, and who is to hold it. */
struct undecided {
    unsigned from; /* the server whose dealings make it; m: there is none */
    struct shares_made made;
};

static bool holds_made(const struct shares_member *member, const struct shares_made *made) {
    return member->state != NULL &&
           (memcmp(member->generation, made->generation, DIGEST_BYTES) == 0 ||
            (member->state->accepted != 0 &&
             memcmp(member->state->next.data, made->generation, DIGEST_BYTES) == 0));
}

/* Its t and holders are those of its base, or what a resharing's dealings say. */
static result read_made(const struct shares_run *run, unsigned server, struct shares_made *out) {
    AUTO_FORMAT Myelin__Dealing *first = NULL;
    const struct shares_member *member = &run->of[server];
    const Myelin__CareState *state = member->state;
    TRY(format_parse_dealing(format_view(state->next_dealing[0]->body), &first));
    *out = (struct shares_made){
        .epoch = state->epoch + 1, .t = member->commitments.t, .holders = member->holders};
    memcpy(out->generation, state->next.data, DIGEST_BYTES);
    if (first->t == 0)
        return OK;
    out->t = first->t;
    holders_of(first->receivers, 0, &out->holders);
    return OK;
}

/* Whether, as far as is known, enough of `holders` may have accepted. */
static bool may_be_enough(const struct shares_run *run, const bool granted[],
                          const struct shares_made *made, const struct holders *holders,
                          unsigned t) {
    unsigned can = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        can += holders_has(holders, i + 1) && (!granted[i] || holds_made(&run->of[i], made));
    return can >= format_generation_quorum((unsigned)holders->count, t);
}

static unsigned count_made(const struct shares_run *run, const bool granted[],
                           const struct shares_made *made, bool *out_is_used) {
    unsigned count = 0;
    *out_is_used = false;
    for (unsigned i = 0; i < run->session->m; i++) {
        const struct shares_member *member = &run->of[i];
        bool holds = granted[i] && holds_made(member, made);
        count += holds;
        *out_is_used = *out_is_used ||
                       (holds && memcmp(member->generation, made->generation, DIGEST_BYTES) == 0);
    }
    return count;
}

/* Once a server uses it, or enough of those who held shares before and of those who are to hold
 * them may have accepted it, no other must be made of its base. */
static bool may_be_decided(const struct shares_run *run, const bool granted[], unsigned server,
                           const struct shares_made *made, bool is_used, unsigned base) {
    const struct shares_member *member = &run->of[server];
    if (!is_used && !shares_same_generation(run, server, base))
        return false;
    return is_used || (may_be_enough(run, granted, made, &member->holders, member->commitments.t) &&
                       may_be_enough(run, granted, made, &made->holders, made->t));
}

/* Of several the one with most holders, then the last one. */
static void find_undecided(const struct shares_run *run, const bool granted[],
                           struct undecided *out) {
    unsigned m = run->session->m, most = 0, base = shares_commonest(run, granted);
    out->from = m;
    for (unsigned i = 0; base < m && i < m; i++) {
        struct shares_made made;
        bool is_used;
        if (!granted[i] || run->of[i].state->accepted == 0 || read_made(run, i, &made) != OK)
            continue;
        unsigned holders = count_made(run, granted, &made, &is_used);
        if (!may_be_decided(run, granted, i, &made, is_used, base))
            continue;
        if (holders < most || (holders == most && out->from < m &&
                               run->of[i].state->accepted <= run->of[out->from].state->accepted))
            continue;
        *out = (struct undecided){.from = i, .made = made};
        most = holders;
    }
}

/* Whether a server has no share, and could be given one of a new generation. */
static bool has_none(const struct shares_run *run, unsigned server) {
    result code = run->of[server].answer.code;
    return run->of[server].state == NULL && (code == NOT_FOUND || code == INTEGRITY);
}

result shares_settle(struct shares_run *run, bool *out_settled) {
    bool granted[FORMAT_SERVERS_MAX] = {false}, held[FORMAT_SERVERS_MAX] = {false};
    bool to[FORMAT_SERVERS_MAX] = {false};
    struct undecided undecided;
    shares_find_granted(run, granted);
    find_undecided(run, granted, &undecided);
    *out_settled = false;
    if (undecided.from == run->session->m)
        return OK;
    const struct shares_member *from = &run->of[undecided.from];
    for (unsigned i = 0; i < run->session->m; i++)
        to[i] = (granted[i] && (holders_has(&from->holders, i + 1) ||
                                holders_has(&undecided.made.holders, i + 1))) ||
                (has_none(run, i) && holders_has(&undecided.made.holders, i + 1));
    TRY(shares_carry_through(run, to,
                             &(struct shares_offered){undecided.from, undecided.made.generation,
                                                      from->state->n_next_dealing,
                                                      from->state->next_dealing},
                             &undecided.made, held));
    session_warn(run->session, "a change of %s's shares that was broken off is completed",
                 run->user);
    *out_settled = true;
    return OK;
}

/* ------------------------------------------------------------------ those who missed something */

static bool is_behind(const struct shares_run *run, unsigned server, unsigned base) {
    const struct shares_member *member = &run->of[server];
    if (!shares_is_holder(run, base, server))
        return false;
    if (has_none(run, server))
        return true;
    return member->state != NULL &&
           ((!member->holds && member->state->epoch <= run->of[base].state->epoch) ||
            (!shares_same_generation(run, server, base) &&
             member->state->epoch < run->of[base].state->epoch));
}

static result replace_behind(const struct shares_run *run, unsigned base, bool *out_changed) {
    for (unsigned i = 0; i < run->session->m; i++) {
        struct shares_done done;
        if (!is_behind(run, i, base))
            continue;
        result replaced = flow_shares_replace(run->session, run->user, shares_name(run, i), &done);
        TRY(session_check_cancel(run->session));
        if (replaced == OK)
            *out_changed = true;
        else
            session_warn(run->session, "%s: missed a change of the shares, and is left out: %s",
                         shares_name(run, i), error_text());
    }
    return OK;
}

/* Those with a share of an earlier generation, or of what a broken-off run was to make of it, who
 * are no holders. Whoever knows the generation of `base`, with a share of it or without, says so.
 */
static result retire_outsiders(struct shares_run *run, const bool granted[], unsigned base,
                               bool *out_changed) {
    bool leavers[FORMAT_SERVERS_MAX] = {false}, members[FORMAT_SERVERS_MAX] = {false};
    Myelin__Signed *dealing = NULL;
    for (unsigned i = 0; i < run->session->m; i++) {
        const struct shares_member *member = &run->of[i];
        members[i] = granted[i] && shares_same_generation(run, i, base) &&
                     member->holds == shares_is_holder(run, base, i);
        leavers[i] = member->state != NULL && !shares_is_holder(run, base, i) &&
                     (member->holds || member->state->accepted != 0) &&
                     member->state->epoch < run->of[base].state->epoch;
        if (members[i] && member->dealt)
            dealing = member->state->dealing;
    }
    if (shares_count(run, leavers) == 0 || dealing == NULL)
        return OK;
    result retired =
        shares_retire(run, &(struct shares_offered){base, run->of[base].generation, 1, &dealing},
                      members, leavers);
    if (retired != OK)
        session_warn(run->session, "%s", error_text());
    for (unsigned i = 0; retired == OK && i < run->session->m; i++)
        *out_changed = *out_changed || (leavers[i] && run->of[i].answer.code == OK);
    return session_check_cancel(run->session);
}

result shares_catch_up(struct shares_run *run, bool *out_changed) {
    bool granted[FORMAT_SERVERS_MAX] = {false};
    shares_find_granted(run, granted);
    unsigned base = shares_commonest(run, granted);
    *out_changed = false;
    if (base == run->session->m)
        return OK;
    TRY(retire_outsiders(run, granted, base, out_changed));
    return replace_behind(run, base, out_changed);
}
