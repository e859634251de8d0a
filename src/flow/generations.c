#include "flow/generations.h"

#include <stdio.h>
#include <string.h>

static void take_id(ProtobufCBinaryData id, uint8_t out[DIGEST_BYTES]) {
    memset(out, 0, DIGEST_BYTES);
    if (id.len == DIGEST_BYTES)
        memcpy(out, id.data, DIGEST_BYTES);
}

void generation_hold(struct held_generation *held, ProtobufCBinaryData id,
                     ProtobufCBinaryData also) {
    take_id(id, held->id);
    take_id(also, held->also);
    held->given = true;
}

static bool is_same(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES]) {
    return memcmp(a, b, DIGEST_BYTES) == 0;
}

/* How many used `id`, and how many could. */
static void count_holders(const struct held_generation held[], unsigned count, const uint8_t *id,
                          unsigned *out_used, unsigned *out_able) {
    *out_used = *out_able = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!held[i].given)
            continue;
        *out_used += is_same(held[i].id, id);
        *out_able += is_same(held[i].id, id) || is_same(held[i].also, id);
    }
}

/* Whether some server has it beside its share: then it is the newer one. */
static bool is_next(const struct held_generation held[], unsigned count, const uint8_t *id) {
    bool is = false;
    for (unsigned i = 0; i < count; i++)
        is = is || (held[i].given && is_same(held[i].also, id));
    return is;
}

bool generations_differ(const struct held_generation held[], unsigned count,
                        uint8_t out_best[DIGEST_BYTES], unsigned *out_used) {
    const uint8_t *first = NULL;
    unsigned most = 0;
    bool differ = false;
    for (unsigned i = 0; i < count; i++) {
        if (!held[i].given)
            continue;
        first = first == NULL ? held[i].id : first;
        differ = differ || !is_same(held[i].id, first);
        unsigned used, able;
        count_holders(held, count, held[i].id, &used, &able);
        bool is_newer = most > 0 && able == most && is_next(held, count, held[i].id);
        if (able <= most && !is_newer)
            continue;
        most = able;
        *out_used = used;
        memcpy(out_best, held[i].id, DIGEST_BYTES);
    }
    return differ;
}

void generation_refuse(const struct session *session, unsigned server,
                       struct session_answer *answer) {
    answer->code = CONFLICT;
    snprintf(answer->text, sizeof answer->text,
             "%s: its share is of another generation than the others': it missed a refresh",
             session_server(session, SESSION_KEY, server)->name);
}
