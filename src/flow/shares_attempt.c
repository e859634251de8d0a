/* A change of all shares, tried again where another driver comes between. */
#include <time.h>

#include "base/secret.h"
#include "flow/shares_run.h"

enum { TRIES = 6 };

result shares_find_members(const struct shares_run *run, const char *what, bool out_members[],
                           unsigned *out_base) {
    bool granted[FORMAT_SERVERS_MAX] = {false};
    unsigned m = run->session->m;
    shares_find_granted(run, granted);
    unsigned base = shares_commonest(run, granted);
    if (base == m)
        return shares_fail(run, what, 0, run->session->t);
    for (unsigned i = 0; i < m; i++)
        out_members[i] = granted[i] && shares_holds(run, i) && shares_same_generation(run, i, base);
    unsigned count = shares_count(run, out_members), needed = shares_quorum(run, base);
    *out_base = base;
    if (count < needed)
        return shares_fail(run, what, count, needed);
    for (unsigned i = 0; i < m; i++)
        if (run->of[i].answer.code != OK && shares_is_holder(run, base, i))
            session_warn(run->session, "%s", run->of[i].answer.text);
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
static result attempt(struct shares_run *run, shares_make make, bool *has_caught_up,
                      bool *out_again, struct shares_done *out_done) {
    bool changed = false;
    TRY(shares_begin_ballot(run));
    TRY(shares_settle(run, &changed));
    if (!changed && !*has_caught_up) {
        *has_caught_up = true;
        TRY(shares_catch_up(run, &changed));
    }
    *out_again = changed;
    return changed ? OK : make(run, out_done);
}

result shares_attempt(struct shares_run *run, shares_make make, struct shares_done *out_done) {
    bool has_caught_up = false;
    for (unsigned i = 0; i < TRIES; i++) {
        bool again = false;
        result attempted = attempt(run, make, &has_caught_up, &again, out_done);
        if (attempted != OK && !(i + 1 < TRIES && is_overtaken(run, attempted)))
            return attempted;
        if (attempted == OK && !again)
            return OK;
        if (attempted != OK)
            pause_a_little();
    }
    return FAIL(CONFLICT, "others change the shares of %s at the same time", run->user);
}
