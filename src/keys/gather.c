#include "keys/gather.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "format/hash.h"
#include "format/statement.h"
#include "system/placement.h"

enum { CALL_STACK_BYTES = 512 << 10, CALLS_MAX = 2048, PATH_BYTES = 256 };

struct gatherer {
    struct storage_fleet *_Atomic fleet;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned calls; /* threads under way, of all gatherings */
};

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_ENDED };

/* What became of one server's call. */
struct call {
    enum call_state state;
    uint64_t started_ms;
    result ended; /* OK: `answer` is good */
    Myelin__SymbolAnswer *answer;
    uint64_t serial_ms;
};

/* One opening's calls. It lives until the last of them has ended, which may be after the answer was
 * given. */
struct gathering {
    struct gatherer *gatherer;
    struct storage_fleet *fleet;
    struct symbol_terms terms;
    uint8_t image[DIGEST_BYTES];
    char path[PATH_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned references; /* the opening itself, and every thread */
    unsigned n, asked, running;
    int holders[FORMAT_SERVERS_MAX]; /* by slot: the server that has it now; -1 */
    unsigned order[FORMAT_SERVERS_MAX];
    struct call calls[FORMAT_SERVERS_MAX]; /* by server */
};

/* A thread's argument. */
struct errand {
    struct gathering *gathering;
    unsigned server;
};

static uint64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void cond_init_monotonic(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

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

/* Counts a thread in; false where there are too many already. */
static bool enter(struct gatherer *gatherer) {
    pthread_mutex_lock(&gatherer->lock);
    bool entered = gatherer->calls < CALLS_MAX;
    gatherer->calls += entered;
    pthread_mutex_unlock(&gatherer->lock);
    return entered;
}

static void leave(struct gatherer *gatherer) {
    pthread_mutex_lock(&gatherer->lock);
    gatherer->calls--;
    pthread_cond_broadcast(&gatherer->idle);
    pthread_mutex_unlock(&gatherer->lock);
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
    cond_init_monotonic(&gathering->changed);
    *out_gathering = gathering;
    return OK;
}

/* Lets go of one reference, with the lock held, which is given back. */
static void gathering_release_locked(struct gathering *gathering) {
    bool last = --gathering->references == 0;
    pthread_mutex_unlock(&gathering->lock);
    if (!last)
        return;
    for (unsigned i = 0; i < gathering->n; i++)
        format_free(gathering->calls[i].answer);
    pthread_cond_destroy(&gathering->changed);
    pthread_mutex_destroy(&gathering->lock);
    free(gathering);
}

static void gathering_release_at(struct gathering **gathering) {
    if (*gathering == NULL)
        return;
    pthread_mutex_lock(&(*gathering)->lock);
    gathering_release_locked(*gathering);
}

/* What is not signed is not passed on: its reader would take this server for the liar. */
static result check_signature(const struct gathering *gathering, unsigned server,
                              const Myelin__SymbolAnswer *answer) {
    const struct storage_fleet *fleet = gathering->fleet;
    const struct format_statement statement = {
        storage_fleet_name(fleet, server), gathering->terms.user, gathering->image, answer->symbol};
    return format_statement_verify(storage_fleet_identity(fleet, server), &statement,
                                   format_view(answer->signature));
}

/* One server's symbol, fetched and checked. */
static result fetch_one(const struct gathering *gathering, unsigned server,
                        Myelin__SymbolAnswer **out_answer, uint64_t *out_serial_ms) {
    struct storage_fleet *fleet = gathering->fleet;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    TRY(storage_fleet_get(fleet, server, gathering->path, FORMAT_LIMIT_SYMBOL_ANSWER, &wire));
    TRY(format_parse_symbol_answer(bytes_view(&wire), &answer));
    TRY(symbol_check(&gathering->terms, storage_fleet_name(fleet, server), answer, out_serial_ms));
    if (gathering->terms.prove)
        TRY(check_signature(gathering, server, answer));
    *out_answer = answer;
    answer = NULL;
    return OK;
}

static void report(struct storage_fleet *fleet, unsigned server, result fetched) {
    if (fetched == OK || fetched == NOT_FOUND || fetched == DENIED)
        return;
    storage_fleet_blame(fleet, server);
    log_event(LOG_WARNING, "symbol-not-fetched", "server=%s result=\"%s\" error=\"%s\"",
              storage_fleet_name(fleet, server), result_name(fetched), error_text());
}

static void *run_errand(void *argument) {
    struct errand errand = *(struct errand *)argument;
    struct gathering *gathering = errand.gathering;
    struct gatherer *gatherer = gathering->gatherer;
    struct call *call = &gathering->calls[errand.server];
    free(argument);
    Myelin__SymbolAnswer *answer = NULL;
    uint64_t serial_ms = 0;
    result fetched = fetch_one(gathering, errand.server, &answer, &serial_ms);
    report(gathering->fleet, errand.server, fetched);
    pthread_mutex_lock(&gathering->lock);
    call->state = CALL_ENDED;
    call->ended = fetched;
    call->answer = answer;
    call->serial_ms = serial_ms;
    gathering->running--;
    pthread_cond_broadcast(&gathering->changed);
    gathering_release_locked(gathering);
    leave(gatherer);
    return NULL;
}

static result start_thread(struct errand *errand) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, CALL_STACK_BYTES);
    int failed = pthread_create(&thread, &attributes, run_errand, errand);
    pthread_attr_destroy(&attributes);
    return failed == 0 ? OK : FAIL(NO_MEMORY, "no thread to ask a storage server");
}

static result launch(struct gathering *gathering, unsigned server) {
    struct errand *errand = malloc(sizeof *errand);
    if (errand == NULL || !enter(gathering->gatherer)) {
        free(errand);
        return FAIL(NO_MEMORY, "too many calls to storage servers");
    }
    *errand = (struct errand){gathering, server};
    gathering->references++;
    gathering->running++;
    result started = start_thread(errand);
    if (started == OK)
        return OK;
    free(errand);
    gathering->references--;
    gathering->running--;
    leave(gathering->gatherer);
    return started;
}

/* Asks the next server; the lock is held. */
static void ask_next(struct gathering *gathering, uint64_t now_ms) {
    unsigned server = gathering->order[gathering->asked++];
    struct call *call = &gathering->calls[server];
    *call = (struct call){.state = CALL_RUNNING, .started_ms = now_ms};
    result launched = launch(gathering, server);
    if (launched != OK) {
        call->state = CALL_ENDED;
        call->ended = launched;
    }
}

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

/* Which servers' symbols are the best generation's, on distinct slots (but all of them where their
 * servers signed them: a reader then sees who claims another's slot). Gives their number. */
static unsigned find_best(const struct gathering *gathering, bool out_chosen[FORMAT_SERVERS_MAX]) {
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

static void wait_until(struct gathering *gathering, uint64_t at_ms) {
    struct timespec at = {.tv_sec = (time_t)(at_ms / 1000),
                          .tv_nsec = (long)(at_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&gathering->changed, &gathering->lock, &at);
}

/* Asks and waits until there are u symbols, nobody is left, or time is up; once there are k, only
 * for servers that are not slow. The lock is held. */
static void run_calls(struct gathering *gathering, unsigned u) {
    uint64_t deadline_ms = monotonic_ms() + GATHER_DEADLINE_MS;
    for (;;) {
        uint64_t now_ms = monotonic_ms(), next_ms = deadline_ms;
        bool chosen[FORMAT_SERVERS_MAX];
        unsigned good = find_best(gathering, chosen);
        if (good >= u || now_ms >= deadline_ms)
            return;
        unsigned overdue = count_overdue(gathering, now_ms, &next_ms);
        while (good + gathering->running - overdue < u && gathering->asked < gathering->n) {
            ask_next(gathering, now_ms);
            if (now_ms + GATHER_PATIENCE_MS < next_ms)
                next_ms = now_ms + GATHER_PATIENCE_MS;
        }
        if (gathering->running == 0)
            return;
        bool all_slow = gathering->asked == gathering->n && gathering->running == overdue;
        if (all_slow && good >= gathering->terms.k && !gathering->terms.prove)
            return; /* enough to decode; what is missing are spares */
        wait_until(gathering, next_ms);
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
    if (find_best(gathering, chosen) == 0)
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
