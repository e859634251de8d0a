#include "flow/forward_recover.h"

#include <stdio.h>

#include "flow/failure.h"
#include "flow/heads.h"
#include "scheme/key_recover.h"

/* In secret memory, all of it. */
struct recovered {
    bool given[FORMAT_SERVERS_MAX];
    struct key_share shares[FORMAT_SERVERS_MAX]; /* by key server; s2 is never asked for */
    struct key_share right[FORMAT_SERVERS_MAX];
    size_t right_count;
    uint8_t s1[FORMAT_SERVERS_MAX][SCALAR_BYTES];
    struct scalar a1;
};

struct recovering {
    const struct session_user *self;
    struct bytes wire; /* RecoverRequest */
    struct recovered *secret;
};

static result ask_share(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    const struct recovering *recovering = context;
    struct recovered *secret = recovering->secret;
    AUTO_BYTES struct bytes wire = {0};
    uint64_t newest = heads_newest(session, server);
    TRY(http_call(client, "POST", "/v1/recover", bytes_view(&recovering->wire),
                  "application/protobuf", FORMAT_LIMIT_RECOVER_ANSWER, &wire));
    AUTO_FORMAT Myelin__RecoverAnswer *answer = NULL;
    TRY(format_parse_recover_answer(bytes_view(&wire), &answer));
    if (answer->index != server + 1)
        return FAIL(PROTOCOL, "it answers as key server %u", answer->index);
    TRY(sign_box_open_secret(session->signing, format_view(answer->box), SCALAR_BYTES,
                             secret->s1[server]));
    struct key_share *share = &secret->shares[server];
    TRY(scalar_parse("its share", view_of(secret->s1[server], SCALAR_BYTES), &share->s1));
    share->j = answer->index;
    heads_take(session, server, newest, answer->head);
    secret->given[server] = true;
    return OK;
}

static result pack_request(const struct image *image, const char *recipient,
                           struct bytes *out_wire) {
    char name[FORMAT_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", recipient);
    Myelin__RecoverRequest message = MYELIN__RECOVER_REQUEST__INIT;
    message.recipient = name;
    message.tau = format_bytes(view_of(image->tau_bytes, FORMAT_TAU_BYTES));
    return format_pack(&message, out_wire);
}

/* a1 from the shares that are what these commitments say. QUORUM where they are too few. */
static result recover_checked(struct session *session, const struct recovering *recovering,
                              const struct share_commitments *commitments) {
    struct recovered *secret = recovering->secret;
    secret->right_count = 0;
    for (unsigned i = 0; i < session->m; i++) {
        if (secret->given[i] && key_recover_check(commitments, &secret->shares[i]) == OK)
            secret->right[secret->right_count++] = secret->shares[i];
    }
    if (secret->right_count < commitments->t)
        return FAIL(QUORUM,
                    "recovering the key: %zu of the %u key servers needed gave a right share",
                    secret->right_count, commitments->t);
    return key_recover(secret->right, secret->right_count, commitments->t,
                       &recovering->self->public_key, &secret->a1);
}

/* Names whose share is none that anybody's commitments know. */
static void name_wrong(struct session *session, const struct recovering *recovering) {
    const struct session_user *self = recovering->self;
    for (unsigned i = 0; i < session->m; i++) {
        const struct key_share *share = &recovering->secret->shares[i];
        bool is_known = !recovering->secret->given[i] ||
                        key_recover_check(&self->shares.commitments, share) == OK;
        for (unsigned v = 0; !is_known && v < self->other_count; v++)
            is_known = key_recover_check(&self->others[v].commitments, share) == OK;
        if (!is_known)
            session_warn(session, "%s: the key share that it gave is wrong",
                         session_server(session, SESSION_KEY, i)->name);
    }
}

/* a1, under whichever of the commitments that are told of the user. */
static result recover_from(struct session *session, const struct recovering *recovering) {
    const struct session_user *self = recovering->self;
    result recovered = recover_checked(session, recovering, &self->shares.commitments);
    for (unsigned v = 0; recovered != OK && v < self->other_count; v++)
        recovered = recover_checked(session, recovering, &self->others[v].commitments);
    return recovered;
}

/* Whoever holds no share of the user need not have answered. */
static void warn_holders(struct session *session, const struct session_user *self,
                         struct session_answer answers[]) {
    for (unsigned i = 0; i < session->m; i++)
        if (!holders_has(&self->shares.holders, i + 1))
            answers[i].code = OK;
    session_warn_failed(session, SESSION_KEY, answers, OK);
}

static result ask_shares(struct session *session, struct recovering *recovering, unsigned round,
                         uint64_t *bytes) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    const struct session_shares *shares = &recovering->self->shares;
    unsigned t = shares->commitments.t;
    TRY(session_ask(session, SESSION_KEY, ask_share, recovering, round == 0 ? t : 0, answers, &ok));
    *bytes += (uint64_t)recovering->wire.len * session->m;
    if (ok < t && round > 0)
        return session_fail_quorum_among(session, SESSION_KEY, "recovering the key", answers,
                                         &shares->holders, t);
    if (round == 0)
        warn_holders(session, recovering->self, answers);
    return OK;
}

/* Asks t key servers, and all of them where some of those that answered first lied, or where t and
 * the holders have changed since the user was looked up. */
static result recover_a1(struct session *session, struct recovering *recovering, uint64_t *bytes) {
    result recovered = QUORUM;
    for (unsigned round = 0; recovered != OK && round < 2; round++) {
        if (round > 0)
            TRY(session_find_user_anew(session, session->user, &recovering->self));
        TRY(ask_shares(session, recovering, round, bytes));
        recovered = recover_from(session, recovering);
    }
    struct failure why = {0};
    failure_keep(&why, recovered); /* the checks that name touch the text */
    name_wrong(session, recovering);
    return failure_raise(&why);
}

result forward_recover(struct session *session, const struct image *image, const char *id,
                       const struct session_user *recipient, struct rekey *out_rekey,
                       uint64_t *bytes) {
    AUTO_SECRET struct recovered *secret = NULL;
    TRY(secret_new(sizeof *secret, (void **)&secret));
    struct recovering recovering = {.secret = secret};
    TRY(session_find_user(session, session->user, &recovering.self));
    AUTO_BYTES struct bytes wire = {0};
    TRY(pack_request(image, recipient->name, &wire));
    recovering.wire = wire;
    TRY(recover_a1(session, &recovering, bytes));
    return rekeygen(&secret->a1, session->a3, view_of_string(id), &recipient->public_key,
                    out_rekey);
}
