#include "flow/generations.h"

#include <stdio.h>
#include <string.h>

static void take_id(ProtobufCBinaryData id, uint8_t out[DIGEST_BYTES]) {
    memset(out, 0, DIGEST_BYTES);
    if (id.len == DIGEST_BYTES)
        memcpy(out, id.data, DIGEST_BYTES);
}

void generation_hold(const struct session *session, struct held_generation *held,
                     ProtobufCBinaryData id, ProtobufCBinaryData also, uint32_t t,
                     ProtobufCBinaryData holders) {
    take_id(id, held->id);
    take_id(also, held->also);
    held->t = t != 0 ? t : session->t;
    holders_of(holders, session->m, &held->holders);
    held->given = true;
}

static bool is_same_id(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES]) {
    return memcmp(a, b, DIGEST_BYTES) == 0;
}

static bool is_same(const struct held_generation *a, const struct held_generation *b) {
    return is_same_id(a->id, b->id) && a->t == b->t && holders_equal(&a->holders, &b->holders);
}

/* How many used it, and how many could. */
static void count_users(const struct held_generation held[], unsigned count,
                        const struct held_generation *of, unsigned *out_used, unsigned *out_able) {
    *out_used = *out_able = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!held[i].given)
            continue;
        *out_used += is_same(&held[i], of);
        *out_able += is_same(&held[i], of) || is_same_id(held[i].also, of->id);
    }
}

/* Whether some server has it beside its share: then it is the newer one. */
static bool is_next(const struct held_generation held[], unsigned count, const uint8_t *id) {
    bool is = false;
    for (unsigned i = 0; i < count; i++)
        is = is || (held[i].given && is_same_id(held[i].also, id));
    return is;
}

void generations_choose(const struct session *session, const struct held_generation held[],
                        struct generation_choice *out) {
    const struct held_generation *first = NULL;
    unsigned most = 0, count = session->m;
    *out = (struct generation_choice){.best = {.t = session->t}};
    holders_all(count, &out->best.holders);
    for (unsigned i = 0; i < count; i++) {
        if (!held[i].given)
            continue;
        first = first == NULL ? &held[i] : first;
        out->differ = out->differ || !is_same(&held[i], first);
        unsigned used, able;
        count_users(held, count, &held[i], &used, &able);
        bool is_newer = most > 0 && able == most && is_next(held, count, held[i].id);
        if (able <= most && !is_newer)
            continue;
        most = able;
        out->used = used;
        out->best = held[i];
    }
}

bool generation_is(const struct held_generation *held, const struct generation_choice *choice) {
    return is_same(held, &choice->best);
}

void generation_refuse(const struct session *session, unsigned server,
                       struct session_answer *answer) {
    answer->code = CONFLICT;
    snprintf(answer->text, sizeof answer->text,
             "%s: its share is of another generation than the others': it missed a refresh",
             session_server(session, SESSION_KEY, server)->name);
}

void generation_excuse(const struct session *session, const struct generation_choice *choice,
                       struct session_answer answers[]) {
    for (unsigned i = 0; choice->best.given && i < session->m; i++)
        if (!holders_has(&choice->best.holders, i + 1))
            answers[i] = (struct session_answer){.code = OK};
}

result generation_fail(const struct session *session, const struct generation_choice *choice,
                       const char *what, const struct session_answer answers[]) {
    return session_fail_quorum_among(session, SESSION_KEY, what, answers, &choice->best.holders,
                                     choice->best.t);
}
