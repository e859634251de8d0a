/* Ballots, and the two steps by which a new generation comes: docs/PROTOCOL.md, "Share care". */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "flow/shares_run.h"

enum { BALLOT_RANDOM_BITS = FORMAT_BALLOT_RANDOM_BITS, TRIES = 6 };

/* ------------------------------------------------------------------ ballots */

/* Later than any before, and nobody else's. */
static uint64_t ballot_after(uint64_t seen) {
    uint32_t random;
    uint64_t now = clock_date_ms() << BALLOT_RANDOM_BITS;
    secret_random(&random, sizeof random);
    uint64_t least =
        seen - seen % (UINT64_C(1) << BALLOT_RANDOM_BITS) + (UINT64_C(1) << BALLOT_RANDOM_BITS);
    return (now > seen ? now : least) | (random & ((1U << BALLOT_RANDOM_BITS) - 1));
}

void shares_find_granted(const struct shares_run *run, bool out_granted[]) {
    for (unsigned i = 0; i < run->session->m; i++)
        out_granted[i] = shares_granted(run, i);
}

static void find_known(const struct shares_run *run, bool out_known[]) {
    for (unsigned i = 0; i < run->session->m; i++)
        out_known[i] = run->of[i].state != NULL;
}

/* The ballot that enough of the base's holders have promised at most: a single one cannot drive it
 * up. */
static uint64_t promised_by_most(const struct shares_run *run, unsigned base) {
    unsigned m = run->session->m;
    uint64_t best = INT64_MAX;
    for (unsigned i = 0; i < m; i++) {
        unsigned below = 0;
        for (unsigned j = 0; run->of[i].state != NULL && j < m; j++)
            below += run->of[j].state != NULL && shares_is_holder(run, base, j) &&
                     run->of[j].state->promised <= run->of[i].state->promised;
        if (below >= shares_quorum(run, base) && run->of[i].state->promised < best)
            best = run->of[i].state->promised;
    }
    return best;
}

static unsigned count_granted(const struct shares_run *run, unsigned base) {
    unsigned count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        count += shares_granted(run, i) && shares_is_holder(run, base, i);
    return count;
}

result shares_begin_ballot(struct shares_run *run) {
    bool known[FORMAT_SERVERS_MAX] = {false};
    uint64_t seen = 0;
    unsigned count = 0, needed = format_generation_quorum(run->session->m, run->session->t);
    for (unsigned i = 0; i < TRIES; i++) {
        run->ballot = ballot_after(seen);
        TRY(shares_begin(run));
        find_known(run, known);
        unsigned base = shares_commonest(run, known);
        if (base == run->session->m)
            break;
        count = count_granted(run, base);
        needed = shares_quorum(run, base);
        if (count >= needed)
            return OK;
        seen = promised_by_most(run, base);
        if (seen < run->ballot || seen > INT64_MAX / 2)
            break;
    }
    return shares_fail(run, "beginning", count, needed);
}

/* ------------------------------------------------------------------ accept */

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

/* Adds those in `to` that accept. */
static result ask_accept(struct shares_run *run, const bool to[],
                         const struct shares_offered *offered, bool accepted[]) {
    unsigned ok = 0;
    if (shares_count(run, to) == 0)
        return OK;
    TRY(shares_offer(run, "/v1/care/accept", to, offered, &ok));
    for (unsigned i = 0; i < run->session->m; i++)
        accepted[i] = accepted[i] || (to[i] && run->of[i].answer.code == OK &&
                                      is_acceptance(run, i, offered->generation));
    return OK;
}

static unsigned count_in(const struct shares_run *run, const bool set[],
                         const struct holders *holders) {
    unsigned count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        count += set[i] && holders_has(holders, i + 1);
    return count;
}

static result check_enough(const struct shares_run *run, const bool accepted[],
                           const struct holders *holders, unsigned t, const char *what) {
    unsigned count = count_in(run, accepted, holders);
    unsigned needed = format_generation_quorum((unsigned)holders->count, t);
    return count >= needed ? OK : shares_fail(run, what, count, needed);
}

/* Those who hold no share yet come first: until enough of them have theirs, none of those who hold
 * shares is bound to anything. */
static result accept_all(struct shares_run *run, const bool to[],
                         const struct shares_offered *offered, const struct shares_made *made,
                         bool accepted[]) {
    const struct shares_member *base = &run->of[offered->base];
    bool first[FORMAT_SERVERS_MAX] = {false}, then[FORMAT_SERVERS_MAX] = {false};
    bool can[FORMAT_SERVERS_MAX] = {false};
    for (unsigned i = 0; i < run->session->m; i++) {
        then[i] = to[i] && holders_has(&base->holders, i + 1);
        first[i] = to[i] && !then[i];
    }
    TRY(ask_accept(run, first, offered, accepted));
    for (unsigned i = 0; i < run->session->m; i++)
        can[i] = accepted[i] || then[i];
    TRY(check_enough(run, can, &made->holders, made->t, "keeping the new shares"));
    TRY(ask_accept(run, then, offered, accepted));
    TRY(check_enough(run, accepted, &base->holders, base->commitments.t,
                     "giving the old shares up"));
    return check_enough(run, accepted, &made->holders, made->t, "keeping the new shares");
}

/* ------------------------------------------------------------------ finish */

static result tell_finish(struct shares_run *run, const uint8_t generation[DIGEST_BYTES],
                          const bool accepted[], Myelin__CareBase *made, const bool to[],
                          unsigned *out_ok) {
    char user[FORMAT_NAME_MAX + 1];
    Myelin__Signed *words[FORMAT_SERVERS_MAX];
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    snprintf(user, sizeof user, "%s", run->user);
    finish.user = user;
    finish.generation = format_bytes(view_of(generation, DIGEST_BYTES));
    finish.acceptance = words;
    finish.made = made;
    for (unsigned i = 0; i < run->session->m; i++)
        if (accepted[i])
            words[finish.n_acceptance++] = run->of[i].word;
    run->wire.len = 0;
    TRY(format_pack(&finish, &run->wire));
    return shares_tell(run, "/v1/care/finish", to, out_ok);
}

result shares_carry_through(struct shares_run *run, const bool to[],
                            const struct shares_offered *offered, const struct shares_made *made,
                            bool out_held[]) {
    bool accepted[FORMAT_SERVERS_MAX] = {false};
    unsigned ok = 0, m = run->session->m;
    TRY(accept_all(run, to, offered, made, accepted));
    session_step(run->session, "accept", shares_count(run, accepted), m);
    TRY(tell_finish(run, offered->generation, accepted, NULL, accepted, &ok));
    session_step(run->session, "finish", ok, m);
    for (unsigned i = 0; i < m; i++)
        out_held[i] =
            accepted[i] && run->of[i].answer.code == OK && holders_has(&made->holders, i + 1);
    return ok > 0 ? OK : shares_fail(run, "finishing", ok, shares_count(run, accepted));
}

result shares_retire(struct shares_run *run, const struct shares_offered *offered, const bool to[],
                     const bool leavers[]) {
    bool accepted[FORMAT_SERVERS_MAX] = {false};
    const struct shares_member *base = &run->of[offered->base];
    Myelin__CareBase made;
    unsigned ok = 0;
    TRY(ask_accept(run, to, offered, accepted));
    TRY(check_enough(run, accepted, &base->holders, base->commitments.t, "holding the shares"));
    shares_base(run, offered->base, &made);
    TRY(tell_finish(run, offered->generation, accepted, &made, leavers, &ok));
    for (unsigned i = 0; i < run->session->m; i++)
        if (leavers[i] && run->of[i].answer.code != OK)
            session_warn(run->session, "%s: keeps an old share: %s", shares_name(run, i),
                         run->of[i].answer.text);
    return OK;
}
