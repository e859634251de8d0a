#include "flow/enrol_shares.h"

#include <stdio.h>
#include <string.h>

#include "flow/enrol.h"
#include "format/generation.h"

struct handing {
    const struct key_share *shares; /* by key server */
    struct commitment_fields commitments;
    struct view possession;
    struct holders holders;
};

/* EnrollShare of one key server, in secret memory. */
static result pack_share(const struct session *session, const struct handing *handing,
                         unsigned server, uint8_t **out_wire, size_t *out_len) {
    AUTO_SECRET uint8_t *scalars = NULL;
    TRY(secret_new(2 * SCALAR_BYTES, (void **)&scalars));
    scalar_to_bytes(&handing->shares[server].s1, scalars);
    scalar_to_bytes(&handing->shares[server].s2, scalars + SCALAR_BYTES);
    char name[FORMAT_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", session->user);
    Myelin__EnrollShare message = MYELIN__ENROLL_SHARE__INIT;
    message.user = name;
    message.index = server + 1;
    message.s1 = format_bytes(view_of(scalars, SCALAR_BYTES));
    message.s2 = format_bytes(view_of(scalars + SCALAR_BYTES, SCALAR_BYTES));
    message.n_commitment1 = message.n_commitment2 = handing->commitments.t;
    message.commitment1 = handing->commitments.commitment1;
    message.commitment2 = handing->commitments.commitment2;
    message.holders = format_bytes(holders_view(&handing->holders));
    message.proof = format_bytes(handing->possession);
    *out_len = format_packed_bytes(&message);
    TRY(secret_new(*out_len, (void **)out_wire));
    format_pack_to(&message, *out_wire);
    return OK;
}

static result hand_share(void *context, struct session *session, unsigned server,
                         struct http_client *client) {
    AUTO_SECRET uint8_t *wire = NULL;
    size_t len = 0;
    TRY(pack_share(session, context, server, &wire, &len));
    return http_call(client, "POST", "/v1/shares", view_of(wire, len), "application/protobuf", 0,
                     NULL);
}

static result activate(void *context, struct session *session, unsigned server,
                       struct http_client *client) {
    (void)context;
    (void)session;
    (void)server;
    return http_call(client, "POST", "/v1/shares/activate", (struct view){0}, NULL, 0, NULL);
}

/* One round with all key servers, of which enrol_needed must say yes. */
static result ask_round(struct session *session, session_question question, void *context,
                        const char *what) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0, needed = enrol_needed(session->m, session->t);
    session_step(session, "share", 0, session->m);
    TRY(session_ask(session, SESSION_KEY, question, context, 0, answers, &ok));
    if (ok < needed)
        return session_fail_quorum(session, SESSION_KEY, what, answers, needed);
    session_warn_failed(session, SESSION_KEY, answers, OK);
    session_step(session, "share", session->m, session->m);
    return OK;
}

result enrol_hand_shares(struct session *session, const struct secret_key *secret,
                         const uint8_t possession[POSSESSION_BYTES]) {
    AUTO_SECRET struct key_share *shares = NULL;
    TRY(secret_new(session->m * sizeof *shares, (void **)&shares));
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    TRY(share_keygen(secret, session->t, session->m, shares, &commitments));
    struct handing handing = {.shares = shares,
                              .possession = view_of(possession, POSSESSION_BYTES)};
    holders_all(session->m, &handing.holders);
    TRY(format_commitment_fields(&commitments, &handing.commitments));
    result handed = ask_round(session, hand_share, &handing, "handing out key shares");
    format_commitment_fields_free(&handing.commitments);
    return handed;
}

result enrol_activate(struct session *session) {
    return ask_round(session, activate, NULL, "activating key shares");
}

result enrol_bring_certificate(struct session *session) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0, know = session->m;
    session_step(session, "certificate", 0, session->m);
    TRY(session_ask(session, SESSION_KEY, activate, NULL, 0, answers, &ok));
    for (unsigned i = 0; i < session->m; i++)
        know -= answers[i].code == NOT_FOUND;
    unsigned needed = know > session->t ? enrol_needed(know, session->t) : know;
    if (ok < needed || ok == 0)
        return session_fail_quorum(session, SESSION_KEY, "bringing the new certificate", answers,
                                   needed > 0 ? needed : 1);
    session_warn_failed(session, SESSION_KEY, answers, NOT_FOUND);
    session_step(session, "certificate", session->m, session->m);
    return OK;
}
