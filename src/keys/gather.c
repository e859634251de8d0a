#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "format/hash.h"
#include "keys/gather_private.h"
#include "system/placement.h"

result gatherer_new(struct storage_fleet *fleet, struct gatherer **out_gatherer) {
    struct gatherer *gatherer = calloc(1, sizeof *gatherer);
    if (gatherer == NULL)
        return FAIL(NO_MEMORY, "no memory for a gatherer");
    gatherer->fleet = fleet;
    pthread_mutex_init(&gatherer->lock, NULL);
    pthread_cond_init(&gatherer->idle, NULL);
    *out_gatherer = gatherer;
    return OK;
}

void gatherer_set_fleet(struct gatherer *gatherer, struct storage_fleet *fleet) {
    atomic_store(&gatherer->fleet, fleet);
}

void gatherer_free(struct gatherer *gatherer) {
    if (gatherer == NULL)
        return;
    pthread_mutex_lock(&gatherer->lock);
    while (gatherer->calls > 0)
        pthread_cond_wait(&gatherer->idle, &gatherer->lock);
    pthread_mutex_unlock(&gatherer->lock);
    pthread_cond_destroy(&gatherer->idle);
    pthread_mutex_destroy(&gatherer->lock);
    free(gatherer);
}

void gathered_free(struct gathered *gathered) {
    for (size_t i = 0; i < gathered->count; i++)
        format_free(gathered->symbols[i].answer);
    gathered->count = 0;
}

/* Those of the servers that `names` has come next; gives how many have come so far. */
static unsigned bring_forward(const struct storage_fleet *fleet, unsigned order[], unsigned first,
                              unsigned count, const char *const names[], unsigned names_count) {
    for (unsigned i = first; i < count; i++)
        for (unsigned j = 0; j < names_count; j++) {
            if (strcmp(storage_fleet_name(fleet, order[i]), names[j]) != 0)
                continue;
            unsigned server = order[i];
            memmove(order + first + 1, order + first, (i - first) * sizeof *order);
            order[first++] = server;
            break;
        }
    return first;
}

/* Who has the slots, and in which order servers are asked. */
static void find_holders(struct gathering *gathering) {
    const struct description *description = gathering->terms.description;
    const char *names[FORMAT_SERVERS_MAX];
    unsigned count = placement_slots_by_id(description, gathering->image, names);
    for (unsigned slot = 0; slot < count; slot++)
        gathering->holders[slot] = storage_fleet_find(gathering->fleet, names[slot]);
    storage_fleet_order(gathering->fleet, gathering->order);
    unsigned first =
        bring_forward(gathering->fleet, gathering->order, 0, gathering->n, names, count);
    count = placement_previous_by_id(description, gathering->image, names);
    bring_forward(gathering->fleet, gathering->order, first, gathering->n, names, count);
}

static result gathering_new(struct gatherer *gatherer, const struct symbol_terms *terms,
                            struct gathering **out_gathering) {
    char digits[2 * DIGEST_BYTES + 1];
    struct gathering *gathering = calloc(1, sizeof *gathering);
    if (gathering == NULL)
        return FAIL(NO_MEMORY, "no memory to gather symbols");
    gathering->gatherer = gatherer;
    gathering->terms = *terms;
    gathering->references = 1;
    gathering->fleet = atomic_load(&gatherer->fleet);
    gathering->n = storage_fleet_size(gathering->fleet);
    format_image_id(terms->tau, gathering->image);
    hex_encode(view_of(gathering->image, sizeof gathering->image), digits);
    snprintf(gathering->path, sizeof gathering->path, "/v1/images/%s/symbol?for=%s%s", digits,
             terms->user, terms->prove ? "&signed=1" : "");
    find_holders(gathering);
    pthread_mutex_init(&gathering->lock, NULL);
    pthread_cond_init(&gathering->changed, NULL);
    *out_gathering = gathering;
    return OK;
}

static void gathering_release_at(struct gathering **gathering) {
    if (*gathering == NULL)
        return;
    pthread_mutex_lock(&(*gathering)->lock);
    gathering_release_locked(*gathering);
}

/* Running calls that were given their time, and when the next of the others will have been. */
static unsigned count_overdue(const struct gathering *gathering, uint64_t now_ms,
                              uint64_t *out_next_ms) {
    unsigned overdue = 0;
    for (unsigned i = 0; i < gathering->n; i++) {
        const struct call *call = &gathering->calls[i];
        uint64_t due_ms = call->started_ms + GATHER_PATIENCE_MS;
        if (call->state != CALL_RUNNING)
            continue;
        if (due_ms <= now_ms)
            overdue++;
        else if (due_ms < *out_next_ms)
            *out_next_ms = due_ms;
    }
    return overdue;
}

/* Asks and waits until there are u symbols, nobody is left, or time is up; once there are k, only
 * for servers that are not slow. The lock is held. */
static void run_calls(struct gathering *gathering, unsigned u) {
    uint64_t deadline_ms = clock_ms() + GATHER_DEADLINE_MS;
    for (;;) {
        uint64_t now_ms = clock_ms(), next_ms = deadline_ms;
        bool chosen[FORMAT_SERVERS_MAX];
        unsigned good = gather_find_best(gathering, chosen);
        if (good >= u || now_ms >= deadline_ms)
            return;
        unsigned overdue = count_overdue(gathering, now_ms, &next_ms);
        while (good + gathering->running - overdue < u && gathering->asked < gathering->n) {
            gather_ask_next(gathering, now_ms);
            if (now_ms + GATHER_PATIENCE_MS < next_ms)
                next_ms = now_ms + GATHER_PATIENCE_MS;
        }
        if (gathering->running == 0)
            return;
        bool all_slow = gathering->asked == gathering->n && gathering->running == overdue;
        if (all_slow && good >= gathering->terms.k && !gathering->terms.prove)
            return; /* enough to decode; what is missing are spares */
        (void)clock_wait_until(&gathering->changed, &gathering->lock, next_ms * 1000000);
    }
}

/* Why there is not a single symbol. */
static result explain(const struct gathering *gathering) {
    const struct symbol_terms *terms = &gathering->terms;
    unsigned denied = 0, absent = 0, timed_out = 0, failed = 0;
    for (unsigned i = 0; i < gathering->n; i++) {
        const struct call *call = &gathering->calls[i];
        bool ended = call->state == CALL_ENDED;
        if (ended && call->ended == DENIED && call->serial_ms > 0)
            return FAIL(DENIED, "%s has revoked the forward of this image to %s", terms->owner,
                        terms->user);
        denied += ended && call->ended == DENIED;
        absent += ended && call->ended == NOT_FOUND;
        timed_out += !ended || call->ended == TIMEOUT;
    }
    failed = gathering->n - denied - absent - timed_out;
    if (denied + absent > gathering->n - terms->k)
        return denied > 0 ? FAIL(DENIED, "the storage servers refuse this image to %s", terms->user)
                          : FAIL(NOT_FOUND, "no storage server has this image");
    return FAIL(failed == 0 ? TIMEOUT : QUORUM,
                "no symbol of this image from %u storage servers: %u did not answer in time, %u "
                "failed, %u refused, %u do not have it",
                gathering->n, timed_out, failed, denied, absent);
}

/* Moves the best set's symbols, at most u, to the caller. */
static result take_best(struct gathering *gathering, unsigned u, struct gathered *out) {
    bool chosen[FORMAT_SERVERS_MAX];
    if (gather_find_best(gathering, chosen) == 0)
        return explain(gathering);
    for (unsigned i = 0; i < gathering->n && out->count < u; i++) {
        if (!chosen[i])
            continue;
        out->symbols[out->count++] = (struct gathered_symbol){
            storage_fleet_name(gathering->fleet, i), gathering->calls[i].answer};
        gathering->calls[i].answer = NULL;
        gathering->calls[i].state = CALL_WAITING;
    }
    return OK;
}

result gather_symbols(struct gatherer *gatherer, const struct symbol_terms *terms, unsigned u,
                      struct gathered *out_gathered) {
    __attribute__((cleanup(gathering_release_at))) struct gathering *gathering = NULL;
    out_gathered->count = 0;
    if (u == 0 || u > storage_fleet_size(gatherer->fleet))
        return FAIL(INVALID, "symbols of %u storage servers were asked for; there are %u", u,
                    storage_fleet_size(gatherer->fleet));
    TRY(gathering_new(gatherer, terms, &gathering));
    pthread_mutex_lock(&gathering->lock);
    run_calls(gathering, u);
    result taken = take_best(gathering, u, out_gathered);
    pthread_mutex_unlock(&gathering->lock);
    return taken;
}
