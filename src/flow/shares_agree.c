/* What a driver offers the key servers, and who of them agrees with whom. */
#include <stdio.h>
#include <string.h>

#include "flow/shares_run.h"

static const char protobuf[] = "application/protobuf";

/* ------------------------------------------------------------------ offers */

void shares_base(const struct shares_run *run, unsigned base, Myelin__CareBase *out) {
    const Myelin__CareState *state = run->of[base].state;
    myelin__care_base__init(out);
    out->certificate = state->certificate;
    out->enrolled_ms = state->enrolled_ms;
    out->epoch = state->epoch;
    out->n_commitment1 = state->n_commitment1;
    out->commitment1 = state->commitment1;
    out->n_commitment2 = state->n_commitment2;
    out->commitment2 = state->commitment2;
    out->holders = state->holders;
}

/* Who holds no share yet is told what the dealings are of; all others know it. */
static result pack_offer(struct shares_run *run, const struct shares_offered *offered) {
    char user[FORMAT_NAME_MAX + 1];
    Myelin__Signed *listed[FORMAT_SERVERS_MAX];
    Myelin__CareBase from;
    snprintf(user, sizeof user, "%s", run->user);
    for (size_t i = 0; i < offered->count; i++)
        listed[i] = offered->dealings[i];
    Myelin__CareOffer offer = MYELIN__CARE_OFFER__INIT;
    offer.user = user;
    offer.ballot = run->ballot;
    offer.generation = format_bytes(view_of(offered->generation, DIGEST_BYTES));
    offer.n_dealing = offered->count;
    offer.dealing = listed;
    if (run->lost == 0) {
        shares_base(run, offered->base, &from);
        offer.from = &from;
    }
    run->wire.len = 0;
    return format_pack(&offer, &run->wire);
}

struct telling {
    struct shares_run *run;
    const char *path;
    bool wants_word;
};

static result tell_one(struct telling *telling, unsigned server, struct http_client *client) {
    struct shares_run *run = telling->run;
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(client, "POST", telling->path, bytes_view(&run->wire), protobuf,
                  telling->wants_word ? FORMAT_LIMIT_SIGNED_SMALL : 0,
                  telling->wants_word ? &wire : NULL));
    if (!telling->wants_word)
        return OK;
    Myelin__Signed *word = NULL;
    TRY(format_parse_signed(bytes_view(&wire), &word));
    format_free(run->of[server].word);
    run->of[server].word = word;
    return OK;
}

static result ask_telling(void *context, struct session *session, unsigned server,
                          struct http_client *client) {
    struct telling *telling = context;
    (void)session;
    return telling->run->asked[server] ? tell_one(telling, server, client) : OK;
}

result shares_offer(struct shares_run *run, const char *path, const bool to[],
                    const struct shares_offered *offered, unsigned *out_ok) {
    TRY(pack_offer(run, offered));
    for (unsigned i = 0; i < run->session->m; i++) {
        if (!to[i])
            continue;
        format_free(run->of[i].word);
        run->of[i].word = NULL;
    }
    return shares_ask(run, ask_telling, &(struct telling){run, path, true}, to, out_ok);
}

result shares_tell(struct shares_run *run, const char *path, const bool to[], unsigned *out_ok) {
    return shares_ask(run, ask_telling, &(struct telling){run, path, false}, to, out_ok);
}

/* ------------------------------------------------------------------ who agrees with whom */

static result ask_check(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    struct shares_run *run = context;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    if (!run->asked[server])
        return OK;
    TRY(http_call(client, "POST", "/v1/care/check", bytes_view(&run->wire), protobuf,
                  FORMAT_LIMIT_CARE_COMPLAINT, &wire));
    TRY(format_parse_care_complaint(bytes_view(&wire), &complaint));
    for (size_t i = 0; i < complaint->n_server; i++)
        if (complaint->server[i] <= session->m)
            run->of[server].complains[complaint->server[i] - 1] = true;
    return OK;
}

/* How many complaints between those who are still in have to do with a dealer or a receiver. */
static unsigned against(const struct shares_run *run, const struct shares_agreed *agreed,
                        unsigned server, bool as_dealer) {
    unsigned complaints = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        complaints +=
            as_dealer
                ? agreed->dealers[server] && agreed->receivers[i] && run->of[i].complains[server]
                : agreed->receivers[server] && agreed->dealers[i] && run->of[server].complains[i];
    return complaints;
}

/* Whoever has most complaints against him, or makes most, goes: a dealer where both are alike, for
 * of dealers there are some to spare. False where there are none. */
static bool leave_one_out(struct shares_run *run, struct shares_agreed *agreed) {
    unsigned m = run->session->m, worst = m, most = 0;
    bool is_dealer = false;
    for (unsigned i = 0; i < m; i++) {
        unsigned dealt = against(run, agreed, i, true), made = against(run, agreed, i, false);
        if (dealt > most || (dealt == most && dealt > 0 && !is_dealer)) {
            worst = i;
            most = dealt;
            is_dealer = true;
        }
        if (made > most) {
            worst = i;
            most = made;
            is_dealer = false;
        }
    }
    if (worst == m)
        return false;
    if (is_dealer)
        session_warn(run->session, "%s: dealt wrong sub-shares, as %u key server%s; left out",
                     shares_name(run, worst), most, most == 1 ? " says" : "s say");
    else
        session_warn(run->session, "%s: complains of %u others' sub-shares; left out",
                     shares_name(run, worst), most);
    (is_dealer ? agreed->dealers : agreed->receivers)[worst] = false;
    return true;
}

static void list_dealings(const struct shares_run *run, struct shares_agreed *agreed) {
    agreed->dealing_count = 0;
    for (unsigned i = 0; i < run->session->m; i++)
        if (agreed->dealers[i])
            agreed->dealings[agreed->dealing_count++] = run->of[i].state->dealing;
}

/* Of a resharing exactly t deal: their Lagrange coefficients are for one another. */
static void keep_t_dealers(const struct shares_run *run, unsigned t, struct shares_agreed *agreed) {
    unsigned count = 0;
    for (unsigned i = 0; run->target.t != 0 && i < run->session->m; i++)
        if (agreed->dealers[i] && ++count > t)
            agreed->dealers[i] = false;
}

static unsigned first_of(const struct shares_run *run, const bool set[]) {
    unsigned first = 0;
    while (first < run->session->m && !set[first])
        first++;
    return first;
}

result shares_agree(struct shares_run *run, const bool members[], const bool receivers[],
                    struct shares_agreed *out) {
    unsigned m = run->session->m, base = first_of(run, members), ok = 0;
    *out = (struct shares_agreed){0};
    for (unsigned i = 0; i < m; i++) {
        out->dealers[i] = members[i] && run->of[i].dealt && (run->lost == 0 || run->dealers[i]);
        memset(run->of[i].complains, 0, sizeof run->of[i].complains);
    }
    list_dealings(run, out);
    unsigned t = base < m ? run->of[base].commitments.t : run->session->t;
    if (out->dealing_count < t)
        return shares_fail(run, "dealing", (unsigned)out->dealing_count, t);
    TRY(pack_offer(run, &(struct shares_offered){base, run->of[base].generation, out->dealing_count,
                                                 out->dealings}));
    TRY(shares_ask(run, ask_check, run, receivers, &ok));
    for (unsigned i = 0; i < m; i++)
        out->receivers[i] = receivers[i] && run->of[i].answer.code == OK;
    while (leave_one_out(run, out)) {
    }
    keep_t_dealers(run, t, out);
    list_dealings(run, out);
    if (out->dealing_count < t)
        return FAIL(INTEGRITY, "%zu key servers deal rightly, %u are needed", out->dealing_count,
                    t);
    return OK;
}
