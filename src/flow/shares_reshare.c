/* From (t, m) to (t', m'): Desmedt & Jajodia's, as src/scheme/share_reshare.h has it. */
#include "scheme/share_reshare.h"

#include <string.h>

#include "flow/shares_run.h"

static result make_generation(const struct shares_run *run, unsigned base,
                              const struct shares_agreed *agreed, struct shares_made *out) {
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    struct share_dealing dealings[FORMAT_SERVERS_MAX]; /* the run's */
    size_t count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        if (agreed->dealers[i])
            dealings[count++] = run->of[i].dealing;
    TRY(share_reshare_commitments(&run->of[base].public_key, dealings, count,
                                  run->of[base].commitments.t, &fresh));
    TRY(format_commitment_fields(&fresh, &fields));
    *out = (struct shares_made){
        .epoch = run->of[base].state->epoch + 1, .t = run->target.t, .holders = run->target.among};
    format_generation_id(&(struct generation_fields){.epoch = out->epoch,
                                                     .holders = holders_view(&out->holders),
                                                     .t = fields.t,
                                                     .commitment1 = fields.commitment1,
                                                     .commitment2 = fields.commitment2},
                         out->generation);
    return OK;
}

/* Whether a server that holds no share could take one: it said so, or that it knows nothing. */
static bool could_take(const struct shares_run *run, const bool members[], unsigned server) {
    const struct shares_member *member = &run->of[server];
    if (members[server])
        return true;
    if (member->state != NULL)
        return shares_granted(run, server) && !member->holds;
    return member->answer.code == NOT_FOUND || member->answer.code == INTEGRITY;
}

/* Who is to get a share and can be asked; the others are named. */
static result find_receivers(struct shares_run *run, const bool members[], bool out_receivers[]) {
    unsigned count = 0;
    const struct shares_target *target = &run->target;
    for (unsigned i = 0; i < run->session->m; i++) {
        bool is_wanted = holders_has(&target->among, i + 1);
        out_receivers[i] = is_wanted && could_take(run, members, i);
        count += out_receivers[i];
        if (is_wanted && !out_receivers[i])
            session_warn(run->session, "%s",
                         run->of[i].answer.code != OK
                             ? run->of[i].answer.text
                             : "a key server has a share of another generation; it is left out");
    }
    unsigned needed = format_generation_quorum((unsigned)target->among.count, target->t);
    return count >= needed ? OK : shares_fail(run, "resharing", count, needed);
}

static result reshare(struct shares_run *run, struct shares_done *out_done) {
    bool members[FORMAT_SERVERS_MAX] = {false}, receivers[FORMAT_SERVERS_MAX] = {false};
    bool to[FORMAT_SERVERS_MAX] = {false}, held[FORMAT_SERVERS_MAX] = {false};
    struct shares_agreed agreed;
    struct shares_made made;
    unsigned base = 0;
    TRY(shares_find_members(run, "resharing", members, &base));
    TRY(find_receivers(run, members, receivers));
    TRY(shares_agree(run, members, receivers, &agreed));
    session_step(run->session, "deal", agreed.dealing_count, run->session->m);
    TRY(make_generation(run, base, &agreed, &made));
    for (unsigned i = 0; i < run->session->m; i++)
        to[i] = agreed.receivers[i] || (members[i] && !holders_has(&made.holders, i + 1));
    TRY(shares_carry_through(
        run, to,
        &(struct shares_offered){base, made.generation, agreed.dealing_count, agreed.dealings},
        &made, held));
    shares_report(run, held, &made, out_done);
    return OK;
}

static result check_target(const struct session *session, const struct shares_target *target) {
    const struct holders *among = &target->among;
    if (among->count == 0)
        return FAIL(INVALID, "resharing among no key server");
    if (among->index[among->count - 1] > session->m)
        return FAIL(INVALID, "there are %u key servers, and none is number %u", session->m,
                    among->index[among->count - 1]);
    if (target->t < 1 || target->t > among->count)
        return FAIL(INVALID,
                    "t = %u of %zu key servers cannot be: 1 <= t <= key servers must hold "
                    "(see --threshold and --among)",
                    target->t, among->count);
    return OK;
}

result flow_shares_reshare(struct session *session, const struct shares_target *target,
                           struct shares_done *out_done) {
    AUTO_SHARES_RUN struct shares_run run = {
        .session = session, .user = session->user, .target = *target};
    TRY(check_target(session, target));
    session_step(session, "reshare", 0, session->m);
    return shares_attempt(&run, reshare, out_done);
}
