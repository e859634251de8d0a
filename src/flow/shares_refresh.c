#include <string.h>

#include "flow/shares_run.h"

static result make_generation(const struct shares_run *run, unsigned base,
                              const struct shares_agreed *agreed, struct shares_made *out) {
    AUTO_COMMITMENTS struct share_commitments sum = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    struct share_dealing dealings[FORMAT_SERVERS_MAX]; /* the run's */
    const struct shares_member *member = &run->of[base];
    size_t count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        if (agreed->dealers[i])
            dealings[count++] = run->of[i].dealing;
    TRY(share_dealing_sum(&member->commitments, dealings, count, &sum));
    TRY(format_commitment_fields(&sum, &fields));
    *out = (struct shares_made){
        .epoch = member->state->epoch + 1, .t = sum.t, .holders = member->holders};
    format_generation_id(&(struct generation_fields){.epoch = out->epoch,
                                                     .holders = format_view(member->state->holders),
                                                     .t = fields.t,
                                                     .commitment1 = fields.commitment1,
                                                     .commitment2 = fields.commitment2},
                         out->generation);
    return OK;
}

static result refresh(struct shares_run *run, struct shares_done *out_done) {
    bool members[FORMAT_SERVERS_MAX] = {false}, held[FORMAT_SERVERS_MAX] = {false};
    struct shares_agreed agreed;
    struct shares_made made;
    unsigned base = 0;
    TRY(shares_find_members(run, "refreshing", members, &base));
    if (run->of[base].commitments.t == 1)
        return FAIL(INVALID,
                    "each of %s's key servers holds the key itself (t = 1): there is "
                    "nothing that refreshing could change",
                    run->user);
    TRY(shares_agree(run, members, members, &agreed));
    session_step(run->session, "deal", agreed.dealing_count, run->session->m);
    TRY(make_generation(run, base, &agreed, &made));
    TRY(shares_carry_through(
        run, agreed.receivers,
        &(struct shares_offered){base, made.generation, agreed.dealing_count, agreed.dealings},
        &made, held));
    shares_report(run, held, &made, out_done);
    return OK;
}

result flow_shares_refresh(struct session *session, const char *user,
                           struct shares_done *out_done) {
    AUTO_SHARES_RUN struct shares_run run = {.session = session, .user = user};
    if (!format_is_name(user))
        return FAIL(INVALID, "'%s' is no user name", user);
    session_step(session, "refresh", 0, session->m);
    return shares_attempt(&run, refresh, out_done);
}
