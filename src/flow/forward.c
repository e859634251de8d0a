#include "flow/forward.h"

#include <stdio.h>
#include <string.h>

#include "flow/forward_recover.h"
#include "flow/generations.h"
#include "flow/heads.h"
#include "flow/image.h"
#include "flow/serial.h"
#include "flow/slot_holders.h"
#include "flow/tell.h"
#include "scheme/threshold_rekeygen.h"

struct rekeying {
    const struct session_user *self;
    const struct image *image;
    const char *recipient;
    struct rekey_request request;
    struct bytes wire; /* RekeyRequest */
    struct {
        bool given;
        struct rekey_part part;
    } of[FORMAT_SERVERS_MAX];
    struct held_generation held[FORMAT_SERVERS_MAX]; /* of the parts given */
    struct generation_choice generation;             /* that they are of */
};

static void rekeying_free(struct rekeying *rekeying) {
    bytes_free(&rekeying->wire);
}

static result ask_part(void *context, struct session *session, unsigned server,
                       struct http_client *client) {
    struct rekeying *rekeying = context;
    AUTO_BYTES struct bytes wire = {0};
    uint64_t newest = heads_newest(session, server);
    TRY(http_call(client, "POST", "/v1/rekey", bytes_view(&rekeying->wire), "application/protobuf",
                  FORMAT_LIMIT_REKEY_ANSWER, &wire));
    AUTO_FORMAT Myelin__RekeyAnswer *answer = NULL;
    TRY(format_parse_rekey_answer(bytes_view(&wire), &answer));
    if (answer->index != server + 1)
        return FAIL(PROTOCOL, "it answers as key server %u", answer->index);
    TRY(rekey_part_parse("answer to rekey", answer->index, session->m, format_view(answer->p),
                         format_view(answer->q), &rekeying->of[server].part));
    heads_take(session, server, newest, answer->head);
    generation_hold(session, &rekeying->held[server], answer->generation, answer->also, answer->t,
                    answer->holders);
    rekeying->of[server].given = true;
    return OK;
}

/* `generation` is empty for each server's choice. */
static result pack_request(struct rekeying *rekeying, struct view generation) {
    uint8_t p[G2_BYTES], q[G2_BYTES];
    g2_to_bytes(&rekeying->request.p, p);
    g2_to_bytes(&rekeying->request.q, q);
    char name[FORMAT_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", rekeying->recipient);
    Myelin__RekeyRequest message = MYELIN__REKEY_REQUEST__INIT;
    message.recipient = name;
    message.tau = format_bytes(view_of(rekeying->image->tau_bytes, FORMAT_TAU_BYTES));
    message.p = format_bytes(view_of(p, sizeof p));
    message.q = format_bytes(view_of(q, sizeof q));
    message.generation = format_bytes(generation);
    rekeying->wire.len = 0;
    return format_pack(&message, &rekeying->wire);
}

/* RK from the parts that `is_used` names. INTEGRITY where one of them is wrong. */
static result combine_parts(const struct session *session, const struct rekeying *rekeying,
                            const bool is_used[], struct rekey *out_rekey) {
    struct rekey_part parts[FORMAT_SERVERS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < session->m; i++)
        if (is_used[i])
            parts[count++] = rekeying->of[i].part;
    TRY(threshold_rekeygen_combine(parts, count, rekeying->generation.best.t, out_rekey));
    return threshold_rekeygen_check(&rekeying->self->public_key, &rekeying->request, out_rekey);
}

static result ask_round(struct session *session, struct rekeying *rekeying, struct view generation,
                        unsigned enough, struct session_answer answers[], unsigned *out_ok,
                        uint64_t *bytes) {
    TRY(pack_request(rekeying, generation));
    TRY(session_ask(session, SESSION_KEY, ask_part, rekeying, enough, answers, out_ok));
    *bytes += (uint64_t)rekeying->wire.len * session->m;
    return OK;
}

/* Parts of other generations are as good as none; of who holds no share none is missed. */
static void keep_generation(const struct session *session, struct rekeying *rekeying,
                            struct session_answer answers[]) {
    for (unsigned i = 0; i < session->m; i++) {
        if (!rekeying->of[i].given || generation_is(&rekeying->held[i], &rekeying->generation))
            continue;
        rekeying->of[i].given = rekeying->held[i].given = false;
        generation_refuse(session, i, &answers[i]);
    }
    generation_excuse(session, &rekeying->generation, answers);
}

static unsigned count_given(const struct session *session, const struct rekeying *rekeying) {
    unsigned count = 0;
    for (unsigned i = 0; i < session->m; i++)
        count += rekeying->of[i].given;
    return count;
}

/* Each key server's part once, all of one generation; what it gave before stays. `answers` gives
 * who failed. */
static result ask_parts(struct session *session, struct rekeying *rekeying, unsigned enough,
                        struct session_answer answers[], uint64_t *bytes) {
    unsigned ok = 0;
    struct generation_choice *chosen = &rekeying->generation;
    TRY(ask_round(session, rekeying, (struct view){0}, enough, answers, &ok, bytes));
    generations_choose(session, rekeying->held, chosen);
    bool expected_more = enough == 0 || enough >= chosen->best.t;
    if (chosen->used < chosen->best.t && (chosen->differ || !expected_more)) {
        /* the first to answer do not show who can use what, nor how many it takes */
        TRY(ask_round(session, rekeying, (struct view){0}, 0, answers, &ok, bytes));
        generations_choose(session, rekeying->held, chosen);
    }
    if (chosen->differ && chosen->used < chosen->best.t) {
        TRY(ask_round(session, rekeying, view_of(chosen->best.id, sizeof chosen->best.id), 0,
                      answers, &ok, bytes));
        generations_choose(session, rekeying->held, chosen);
    }
    keep_generation(session, rekeying, answers);
    if (count_given(session, rekeying) < chosen->best.t)
        return generation_fail(session, chosen, "making the re-encryption key", answers);
    return OK;
}

/* RK from the parts that are what these commitments say. The others' servers are named where that
 * gives it, or where there are no other commitments to go by. */
static result combine_checked(struct session *session, const struct rekeying *rekeying,
                              const struct share_commitments *commitments,
                              struct rekey *out_rekey) {
    bool is_right[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < session->m; i++)
        is_right[i] =
            rekeying->of[i].given && threshold_rekeygen_check_part(commitments, &rekeying->request,
                                                                   &rekeying->of[i].part) == OK;
    result combined = combine_parts(session, rekeying, is_right, out_rekey);
    if (combined != OK && rekeying->self->other_count > 0)
        return combined;
    for (unsigned i = 0; i < session->m; i++)
        if (rekeying->of[i].given && !is_right[i])
            session_warn(session, "%s: its part of the re-encryption key is wrong",
                         session_server(session, SESSION_KEY, i)->name);
    return combined;
}

/* Somebody's part is wrong: all are asked again, for liars may have been the first to answer, and
 * each part is looked at by itself, against whichever of the commitments that are told fit. */
static result rekey_carefully(struct session *session, struct rekeying *rekeying,
                              struct rekey *out_rekey, uint64_t *bytes) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    TRY(session_find_user_anew(session, session->user, &rekeying->self));
    const struct session_user *self = rekeying->self;
    TRY(ask_parts(session, rekeying, 0, answers, bytes));
    result combined = combine_checked(session, rekeying, &self->shares.commitments, out_rekey);
    for (unsigned v = 0; combined != OK && v < self->other_count; v++)
        combined = combine_checked(session, rekeying, &self->others[v].commitments, out_rekey);
    if (combined == QUORUM)
        return FAIL(QUORUM,
                    "making the re-encryption key: fewer than the %u key servers needed gave a "
                    "right part",
                    rekeying->generation.best.t);
    return combined;
}

static result rekey(struct session *session, const struct image *image, const char *id,
                    const struct session_user *recipient, struct rekey *out_rekey,
                    uint64_t *bytes) {
    __attribute__((cleanup(rekeying_free))) struct rekeying rekeying = {
        .image = image, .recipient = recipient->name};
    TRY(session_find_user(session, session->user, &rekeying.self));
    TRY(threshold_rekeygen_request(session->a3, view_of_string(id), &recipient->public_key,
                                   &rekeying.request));
    struct session_answer answers[FORMAT_SERVERS_MAX];
    TRY(ask_parts(session, &rekeying, rekeying.self->shares.commitments.t, answers, bytes));
    session_warn_failed(session, SESSION_KEY, answers, OK);
    bool is_given[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < session->m; i++)
        is_given[i] = rekeying.of[i].given;
    result combined = combine_parts(session, &rekeying, is_given, out_rekey);
    return combined == INTEGRITY ? rekey_carefully(session, &rekeying, out_rekey, bytes) : combined;
}

static result sign_forward(struct session *session, const struct image *image, const char *id,
                           const struct session_user *recipient, const struct rekey *rekey,
                           uint64_t serial_ms, Myelin__Signed **out_record) {
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES];
    rekey_to_bytes(rekey, rk1, rk2);
    AUTO_BYTES struct bytes label = {0};
    TRY(sign_box_seal(recipient->identity, view_of_string(id), &label));
    char owner[FORMAT_NAME_MAX + 1], name[FORMAT_NAME_MAX + 1];
    snprintf(owner, sizeof owner, "%s", session->user);
    snprintf(name, sizeof name, "%s", recipient->name);
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    forward.owner = owner;
    forward.recipient = name;
    forward.tau = format_bytes(view_of(image->tau_bytes, FORMAT_TAU_BYTES));
    forward.rk1 = format_bytes(view_of(rk1, sizeof rk1));
    forward.rk2 = format_bytes(view_of(rk2, sizeof rk2));
    forward.serial_ms = serial_ms;
    forward.label = format_bytes(bytes_view(&label));
    return format_sign(session->signing, &forward, out_record);
}

struct handing {
    const struct image *image;
    const char *id;
    const struct session_user *recipient;
    const struct rekey *rekey;
    uint64_t serial_ms;
};

static result hand_over(struct session *session, const struct handing *handing,
                        struct session_answer answers[], unsigned *out_ok, uint64_t *bytes) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(sign_forward(session, handing->image, handing->id, handing->recipient, handing->rekey,
                     handing->serial_ms, &record));
    char path[64 + IMAGE_HEX + FORMAT_NAME_MAX];
    snprintf(path, sizeof path, "/v1/images/%s/forwards/%s", handing->image->hex,
             handing->recipient->name);
    uint64_t told_bytes = 0;
    struct slot_holders holders;
    slot_holders_find(session, handing->image->tau_bytes, NULL, 0, &holders);
    TRY(tell_all(session, SESSION_STORAGE, holders.is_holder, "PUT", path, record, answers, out_ok,
                 &told_bytes));
    *bytes += told_bytes;
    return OK;
}

/* With a later serial, once, where one that is not older is there already. */
static result hand_to_all(struct session *session, struct handing *handing,
                          struct session_answer answers[], unsigned *out_ok, uint64_t *bytes) {
    bool is_raised;
    TRY(hand_over(session, handing, answers, out_ok, bytes));
    TRY(serial_learn(session, handing->image, handing->recipient->name, answers,
                     &handing->serial_ms, &is_raised));
    return is_raised ? hand_over(session, handing, answers, out_ok, bytes) : OK;
}

static result forward_one(struct session *session, const struct image *image, const char *id,
                          const char *name, bool recover_key, struct forward_done *out_done) {
    const struct session_user *recipient = NULL;
    TRY(session_find_user(session, name, &recipient));
    uint64_t bytes = 0;
    struct rekey key;
    TRY(recover_key ? forward_recover(session, image, id, recipient, &key, &bytes)
                    : rekey(session, image, id, recipient, &key, &bytes));
    struct handing handing = {image, id, recipient, &key, image->signing_ms};
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    TRY(hand_to_all(session, &handing, answers, &ok, &bytes));
    if (ok < session->k)
        return session_fail_quorum(session, SESSION_STORAGE, "handing over the forward", answers,
                                   session->k);
    bool is_moving = session->description.system->previous != NULL;
    tell_warn(session, SESSION_STORAGE, "the forward", NULL, answers, is_moving ? NOT_FOUND : OK);
    *out_done = (struct forward_done){.recipient = name, .servers = ok, .bytes = bytes};
    return OK;
}

/* Every recipient is looked at before the first one gets anything. */
static result check_recipients(struct session *session, const char *const recipients[],
                               size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(recipients[i], session->user) == 0)
            return FAIL(INVALID, "%s cannot forward to himself", session->user);
        for (size_t before = 0; before < i; before++)
            if (strcmp(recipients[i], recipients[before]) == 0)
                return FAIL(INVALID, "%s is named twice", recipients[i]);
        const struct session_user *recipient = NULL;
        TRY(session_find_user(session, recipients[i], &recipient));
    }
    return count > 0 ? OK : FAIL(INVALID, "no recipient");
}

result flow_forward(struct session *session, const char *id, const char *const recipients[],
                    size_t count, const struct forward_options *options) {
    AUTO_IMAGE struct image image = {0};
    TRY(image_own(session, id, &image));
    TRY(check_recipients(session, recipients, count));
    TRY(image_load(session, id, &image));
    for (size_t i = 0; i < count; i++) {
        session_step(session, "forward", i, count);
        struct forward_done one = {0};
        result forwarded =
            forward_one(session, &image, id, recipients[i], options->recover_key, &one);
        if (forwarded != OK)
            return error_at(forwarded, "forwarding to %s", recipients[i]);
        if (options->done != NULL)
            options->done(options->context, &one);
    }
    session_step(session, "forward", count, count);
    return OK;
}
