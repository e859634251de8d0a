/* Which symbols go together: those of one generation of a forward, on distinct slots. */
#include "keys/gather_private.h"

static bool is_good(const struct call *call) {
    return call->state == CALL_ENDED && call->ended == OK;
}

static bool same_beta(const struct call *a, const struct call *b) {
    return view_equal(format_view(a->answer->symbol->beta), format_view(b->answer->symbol->beta));
}

/* Whether `server`'s good symbol counts: no other server has one with the same beta for its slot,
 * or this one is where the slot belongs. While a slot moves, two servers have it. */
static bool slot_is_its_own(const struct gathering *gathering, unsigned server) {
    const struct call *call = &gathering->calls[server];
    uint32_t slot = call->answer->symbol->slot;
    for (unsigned i = 0; i < gathering->n; i++) {
        const struct call *other = &gathering->calls[i];
        if (i == server || !is_good(other) || other->answer->symbol->slot != slot ||
            !same_beta(call, other))
            continue;
        int holder = gathering->holders[slot];
        if ((int)i == holder || ((int)server != holder && i < server))
            return false;
    }
    return true;
}

/* One server's symbol and all that agree with it on beta. */
struct generation {
    unsigned example; /* a server of it */
    unsigned size;
    uint64_t serial_ms; /* of its forward */
};

static struct generation generation_of(const struct gathering *gathering, const bool counted[],
                                       unsigned server) {
    struct generation generation = {server, 0, gathering->calls[server].serial_ms};
    for (unsigned i = 0; i < gathering->n; i++)
        generation.size += counted[i] && same_beta(&gathering->calls[server], &gathering->calls[i]);
    return generation;
}

/* The newest of those that can be decoded; else the largest, and the newest of those. */
static bool is_better(const struct gathering *gathering, const struct generation *a,
                      const struct generation *b) {
    unsigned k = gathering->terms.k;
    if ((a->size >= k) != (b->size >= k))
        return a->size >= k;
    if (a->size < k && a->size != b->size)
        return a->size > b->size;
    return a->serial_ms > b->serial_ms;
}

unsigned gather_find_best(const struct gathering *gathering, bool out_chosen[FORMAT_SERVERS_MAX]) {
    bool counted[FORMAT_SERVERS_MAX];
    struct generation best = {0};
    for (unsigned i = 0; i < gathering->n; i++)
        counted[i] = is_good(&gathering->calls[i]) &&
                     (gathering->terms.prove || slot_is_its_own(gathering, i));
    for (unsigned i = 0; i < gathering->n; i++) {
        struct generation its = {0};
        if (counted[i])
            its = generation_of(gathering, counted, i);
        if (its.size > 0 && (best.size == 0 || is_better(gathering, &its, &best)))
            best = its;
    }
    for (unsigned i = 0; i < gathering->n; i++)
        out_chosen[i] = best.size > 0 && counted[i] &&
                        same_beta(&gathering->calls[i], &gathering->calls[best.example]);
    return best.size;
}
