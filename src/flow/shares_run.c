#include "flow/shares_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"
#include "system/user.h"

static const char protobuf[] = "application/protobuf";

static void member_clear(struct shares_member *member) {
    format_free(member->state);
    format_free(member->word);
    share_commitments_free(&member->commitments);
    share_dealing_free(&member->dealing);
    *member = (struct shares_member){0};
}

void shares_run_free(struct shares_run *run) {
    for (unsigned i = 0; run->of != NULL && i < run->session->m; i++)
        member_clear(&run->of[i]);
    free(run->of);
    bytes_free(&run->wire);
    run->of = NULL;
}

const char *shares_name(const struct shares_run *run, unsigned server) {
    return session_server(run->session, SESSION_KEY, server)->name;
}

unsigned shares_count(const struct shares_run *run, const bool set[]) {
    unsigned count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        count += set[i];
    return count;
}

result shares_ask(struct shares_run *run, session_question question, void *context, const bool to[],
                  unsigned *out_ok) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned m = run->session->m, ok = 0;
    memcpy(run->asked, to, m * sizeof *to);
    TRY(session_ask(run->session, SESSION_KEY, question, context, 0, answers, &ok));
    *out_ok = 0;
    for (unsigned i = 0; i < m; i++) {
        if (!to[i])
            continue;
        run->of[i].answer = answers[i];
        *out_ok += answers[i].code == OK;
    }
    return OK;
}

/* ------------------------------------------------------------------ begin */

static size_t list_dealers(const struct shares_run *run, uint32_t out[FORMAT_SERVERS_MAX]) {
    size_t count = 0;
    for (unsigned i = 0; run->lost != 0 && i < run->session->m; i++)
        if (run->dealers[i])
            out[count++] = i + 1;
    return count;
}

static bool is_reshare(const struct shares_run *run) {
    return run->target.t != 0;
}

/* To whom a member deals in this run. */
static void find_receivers(const struct shares_run *run, const struct shares_member *member,
                           struct holders *out) {
    *out = is_reshare(run) ? run->target.among : member->holders;
    holders_remove(out, run->lost);
}

/* Whether a dealing is this server's for this run. */
static bool is_for_this(const struct shares_run *run, unsigned server,
                        const struct shares_member *member, const Myelin__Dealing *dealing) {
    uint32_t dealers[FORMAT_SERVERS_MAX];
    size_t count = list_dealers(run, dealers);
    struct holders receivers;
    find_receivers(run, member, &receivers);
    return strcmp(dealing->user, run->user) == 0 && dealing->dealer == server + 1 &&
           dealing->lost == run->lost && dealing->t == run->target.t &&
           dealing->n_box == receivers.count && dealing->n_dealers == count &&
           (count == 0 || memcmp(dealing->dealers, dealers, count * sizeof *dealers) == 0) &&
           (!is_reshare(run) ||
            (dealing->ballot == run->ballot &&
             view_equal(format_view(dealing->receivers), holders_view(&receivers)))) &&
           memcmp(dealing->generation.data, member->generation, DIGEST_BYTES) == 0;
}

static result parse_dealing(const struct shares_run *run, struct shares_member *member,
                            const Myelin__Dealing *dealing) {
    struct view commitments = format_view(dealing->commitments);
    if (is_reshare(run))
        return share_reshare_parse("dealing", dealing->dealer, &member->commitments, commitments,
                                   run->target.t, &member->dealing);
    if (run->lost == 0)
        return share_refresh_parse("dealing", dealing->dealer, commitments, member->commitments.t,
                                   &member->dealing);
    return share_replace_parse("dealing", dealing->dealer, run->lost, commitments,
                               member->commitments.t, &member->dealing);
}

/* Who holds no share deals nothing, and nobody is asked to where only states are looked at. */
static result take_dealing(const struct shares_run *run, const struct session *session,
                           unsigned server, struct shares_member *member) {
    AUTO_FORMAT Myelin__Dealing *dealing = NULL;
    if (member->state->dealing == NULL || !member->holds)
        return OK;
    TRY(format_open_dealing(member->state->dealing,
                            session_server(session, SESSION_KEY, server)->identity.data, &dealing));
    if (!is_for_this(run, server, member, dealing))
        return FAIL(INTEGRITY, "its dealing is for something else");
    TRY(parse_dealing(run, member, dealing));
    member->dealt = true;
    return OK;
}

static result take_state(const struct shares_run *run, const struct session *session,
                         unsigned server, struct view wire, struct shares_member *member) {
    AUTO_FORMAT Myelin__CareState *state = NULL;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    struct user user;
    TRY(format_parse_care_state(wire, &state));
    TRY(user_from_certificate(format_view(state->certificate), &session->description, run->user,
                              time(NULL), &user));
    TRY(format_commitments_parse(state->n_commitment1, state->commitment1, state->n_commitment2,
                                 state->commitment2, &commitments));
    TRY(share_commitments_check(&user.public_key, &commitments, commitments.t));
    holders_of(state->holders, session->m, &member->holders);
    if (member->holders.count < commitments.t)
        return FAIL(PROTOCOL, "%zu holders, fewer than t = %u", member->holders.count,
                    commitments.t);
    format_generation_id(GENERATION_FIELDS(state), member->generation);
    member->holds = !state->shareless && holders_has(&member->holders, server + 1);
    member->public_key = user.public_key;
    member->commitments = commitments;
    commitments = (struct share_commitments){0};
    member->state = state;
    state = NULL;
    return OK;
}

static result ask_begin(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    struct shares_run *run = context;
    struct shares_member *member = &run->of[server];
    AUTO_BYTES struct bytes wire = {0};
    if (!run->asked[server])
        return OK;
    TRY(http_call(client, "POST", "/v1/care/begin", bytes_view(&run->wire), protobuf,
                  FORMAT_LIMIT_CARE_STATE, &wire));
    result taken = take_state(run, session, server, bytes_view(&wire), member);
    if (taken == OK)
        taken = take_dealing(run, session, server, member);
    return taken == OK ? OK : error_at(taken, "%s", http_client_name(client));
}

static result begin(struct shares_run *run, Myelin__CareRequest *request, const bool to[]) {
    unsigned m = run->session->m, ok = 0;
    char user[FORMAT_NAME_MAX + 1];
    if (run->of == NULL)
        run->of = calloc(m, sizeof *run->of);
    if (run->of == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (unsigned i = 0; i < m; i++)
        if (to[i])
            member_clear(&run->of[i]);
    snprintf(user, sizeof user, "%s", run->user);
    request->user = user;
    run->wire.len = 0;
    TRY(format_pack(request, &run->wire));
    return shares_ask(run, ask_begin, run, to, &ok);
}

static void all_of(const struct shares_run *run, bool out[]) {
    for (unsigned i = 0; i < run->session->m; i++)
        out[i] = true;
}

result shares_look(struct shares_run *run) {
    bool to[FORMAT_SERVERS_MAX];
    Myelin__CareRequest request = MYELIN__CARE_REQUEST__INIT;
    all_of(run, to);
    return begin(run, &request, to);
}

result shares_begin(struct shares_run *run) {
    bool to[FORMAT_SERVERS_MAX];
    uint32_t dealers[FORMAT_SERVERS_MAX];
    Myelin__CareRequest request = MYELIN__CARE_REQUEST__INIT;
    all_of(run, to);
    for (unsigned i = 0; run->lost != 0 && i < run->session->m; i++)
        to[i] = run->dealers[i];
    request.ballot = run->ballot;
    request.lost = run->lost;
    request.n_dealers = list_dealers(run, dealers);
    request.dealers = dealers;
    request.t = run->target.t;
    if (is_reshare(run))
        request.holders = format_bytes(holders_view(&run->target.among));
    return begin(run, &request, to);
}

bool shares_granted(const struct shares_run *run, unsigned server) {
    const Myelin__CareState *state = run->of[server].state;
    return state != NULL && state->promised == run->ballot;
}

bool shares_same_generation(const struct shares_run *run, unsigned a, unsigned b) {
    return memcmp(run->of[a].generation, run->of[b].generation, DIGEST_BYTES) == 0;
}

bool shares_holds(const struct shares_run *run, unsigned server) {
    return run->of[server].state != NULL && run->of[server].holds;
}

bool shares_is_holder(const struct shares_run *run, unsigned base, unsigned server) {
    return holders_has(&run->of[base].holders, server + 1);
}

unsigned shares_quorum(const struct shares_run *run, unsigned base) {
    const struct shares_member *member = &run->of[base];
    return format_generation_quorum((unsigned)member->holders.count, member->commitments.t);
}

static unsigned count_votes(const struct shares_run *run, const bool among[], unsigned server) {
    unsigned votes = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        votes += among[i] && shares_holds(run, i) && shares_same_generation(run, i, server);
    return votes;
}

/* Those of which a quorum is there come first: what missed a resharing may be many. */
unsigned shares_commonest(const struct shares_run *run, const bool among[]) {
    unsigned m = run->session->m, best = m, most = 0;
    bool best_is_whole = false;
    for (unsigned i = 0; i < m; i++) {
        if (!among[i] || !shares_holds(run, i))
            continue;
        unsigned votes = count_votes(run, among, i);
        bool is_whole = votes >= shares_quorum(run, i);
        bool is_better = votes > most;
        if (best < m && votes == most)
            is_better = run->of[i].state->epoch > run->of[best].state->epoch;
        if (best < m && is_whole != best_is_whole)
            is_better = is_whole;
        if (!is_better)
            continue;
        best = i;
        most = votes;
        best_is_whole = is_whole;
    }
    return best;
}

/* ------------------------------------------------------------------ reports */

/* Whether nobody has anything of the user, as far as can be told. */
static bool is_unknown(const struct shares_run *run) {
    unsigned not_found = 0;
    for (unsigned i = 0; i < run->session->m; i++) {
        if (run->of[i].state != NULL)
            return false;
        not_found += run->of[i].answer.code == NOT_FOUND;
    }
    return not_found > run->session->m - run->session->t;
}

/* What a server says no with is about itself here, and not about the command. */
static result as_own(result code) {
    return code == INVALID ? PROTOCOL : code;
}

result shares_fail(const struct shares_run *run, const char *what, unsigned count,
                   unsigned needed) {
    char text[ERROR_TEXT_BYTES];
    if (is_unknown(run))
        return FAIL(NOT_FOUND, "no user %s is enrolled in this system", run->user);
    for (unsigned i = 0; i < run->session->m; i++)
        if (count == 0 && (run->of[i].answer.code == DENIED || run->of[i].answer.code == INVALID))
            return FAIL(as_own(run->of[i].answer.code), "%s: %s", what, run->of[i].answer.text);
    int used =
        snprintf(text, sizeof text, "%s: %u of the %u key servers needed", what, count, needed);
    for (unsigned i = 0; i < run->session->m && used > 0 && (size_t)used < sizeof text; i++)
        if (run->of[i].answer.code != OK)
            used +=
                snprintf(text + used, sizeof text - (size_t)used, "; %s", run->of[i].answer.text);
    return FAIL(QUORUM, "%s", text);
}

void shares_report(const struct shares_run *run, const bool held[], const struct shares_made *made,
                   struct shares_done *out_done) {
    *out_done = (struct shares_done){
        .user = run->user, .epoch = made->epoch, .t = made->t, .holders = made->holders};
    for (unsigned i = 0; i < run->session->m; i++) {
        out_done->servers[i] =
            (struct shares_server){.is_new = held[i], .answer = run->of[i].answer};
        out_done->held += held[i];
    }
}
