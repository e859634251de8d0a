/*
 * Slow is a fault too: the watch over the oldest segment, which all others wait for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "flow/fetch_window_private.h"

enum {
    SLOW_MS = 1000,   /* nobody is slow before this ... */
    SLOW_TIMES = 4,   /* ... nor before so many times what the others took */
    SILENT_MS = 2000, /* where there are no others to compare with */
    DOUBT_MS = 500,   /* so much longer where only a server could take over that is in doubt too */
    STRIKES_MAX = 3,
};

static int by_value(const void *a, const void *b) {
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
    return left < right ? -1 : left > right;
}

/* How long a slice of this segment may be awaited that comes. */
static unsigned patience(const struct entry *entry) {
    if (entry->arrived == 0)
        return SILENT_MS;
    unsigned took[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < entry->arrived; i++)
        took[i] = entry->took_ms[i];
    qsort(took, entry->arrived, sizeof *took, by_value);
    unsigned median = took[entry->arrived / 2];
    return median > SLOW_MS / SLOW_TIMES ? SLOW_TIMES * median : SLOW_MS;
}

/* Somebody who could take the lane: good, or anybody where it has waited for very long. */
static bool has_spare(const struct fetch_window *window, size_t object, const struct lane *lane,
                      bool is_desperate) {
    for (unsigned i = 0; i < window->options.servers; i++)
        if ((is_desperate || window->servers[i].standing == FETCH_GOOD) &&
            lane_suits(window, object, lane, i))
            return true;
    return false;
}

static void take_away(struct fetch_window *window, struct lane *lane) {
    unsigned server = (unsigned)lane->server;
    struct server_state *state = &window->servers[server];
    failure_keep(&state->failure, FAIL(TIMEOUT, "%s: too slow", window->options.names[server]));
    state->standing = ++state->strikes < STRIKES_MAX ? FETCH_SUSPECT : FETCH_FAILED;
    lane->server = NOBODY;
    lane->free_ms = clock_ms();
    window->options.cancel(window->options.context, server);
    pthread_cond_broadcast(&window->lanes);
}

/* Whether nothing comes of it that is worth waiting for. */
static bool is_still(const struct lane *lane, uint64_t now) {
    return lane->server == NOBODY || lane->alive_until_ms < now;
}

/* How slow the others were is no reason to wait for what does not come at all. */
static unsigned limit_of(const struct entry *entry, const struct lane *lane, uint64_t now) {
    unsigned limit = patience(entry), still = entry->arrived > 0 ? SLOW_MS : SILENT_MS;
    return limit > still && is_still(lane, now) ? still : limit;
}

/* Whether a server that is in doubt itself is as good as this lane's. */
static bool is_desperate(const struct lane *lane, uint64_t now, uint64_t waited_ms,
                         unsigned limit) {
    return waited_ms > 3ull * limit || (waited_ms > limit + DOUBT_MS && is_still(lane, now));
}

/* Takes one lane from a server that is too slow with the oldest segment; which server, or NOBODY.
 */
static int find_slow(struct fetch_window *window) {
    const struct entry *entry = window_entry(window, window->tail);
    size_t object = window->first;
    if (entry->state != ENTRY_EMPTY)
        return NOBODY;
    uint64_t now = clock_ms(), number = window->tail - window->bases[object];
    for (unsigned i = 0; i < window->options.objects[object].k; i++) {
        struct lane *lane = &window->objects[object].lanes[i];
        if (lane->server == NOBODY || lane->next != number)
            continue;
        unsigned limit = limit_of(entry, lane, now);
        uint64_t since =
            lane->since_ms > window->tail_since_ms ? lane->since_ms : window->tail_since_ms;
        if (now - since <= limit ||
            !has_spare(window, object, lane, is_desperate(lane, now, now - since, limit)))
            continue;
        int slow = lane->server;
        take_away(window, lane);
        return slow;
    }
    return NOBODY;
}

/* A lane of an object in the window that nobody delivers and nobody ever can. */
static bool find_lost(const struct fetch_window *window, size_t *out_object) {
    for (size_t object = window->first; object < window->opened; object++)
        for (unsigned i = 0; i < window->options.objects[object].k; i++) {
            const struct lane *lane = &window->objects[object].lanes[i];
            if (lane->server == NOBODY &&
                lane->next < window->options.objects[object].layout.segments &&
                window->bases[object] + lane->next < window_end(window) &&
                !has_spare(window, object, lane, true)) {
                *out_object = object;
                return true;
            }
        }
    return false;
}

/* How many slices of the oldest segment are missing of which nothing comes; `blame` holds it
 * against their servers. */
static unsigned count_still(struct fetch_window *window, uint64_t now, bool blame) {
    size_t object = window->first;
    uint64_t number = window->tail - window->bases[object];
    unsigned still = 0;
    if (window_entry(window, window->tail)->state != ENTRY_EMPTY)
        return 0;
    for (unsigned i = 0; i < window->options.objects[object].k; i++) {
        const struct lane *lane = &window->objects[object].lanes[i];
        if (lane->next != number || !is_still(lane, now))
            continue;
        still++;
        if (blame && lane->server != NOBODY)
            failure_keep(
                &window->servers[lane->server].failure,
                FAIL(TIMEOUT, "%s: no slice in time", window->options.names[lane->server]));
    }
    return still;
}

/* Counts for how long the oldest segment stands still; whether that is enough. */
static bool has_stood_still(struct fetch_window *window) {
    uint64_t now = clock_ms();
    window->still_ms += count_still(window, now, false) > 0 ? now - window->looked_ms : 0;
    window->looked_ms = now;
    if (window->still_ms < window->options.patience_ms)
        return false;
    (void)count_still(window, now, true);
    return true;
}

static result fail_lost(const struct fetch_window *window, size_t object) {
    char reasons[ERROR_TEXT_BYTES] = "";
    size_t len = 0;
    for (unsigned i = 0; i < window->options.servers && len < sizeof reasons; i++)
        if (window->servers[i].failure.code != OK)
            len += (size_t)snprintf(reasons + len, sizeof reasons - len, "%s%s",
                                    len == 0 ? "" : "; ", window->servers[i].failure.text);
    return FAIL(window->objects[object].has_bad ? INTEGRITY : QUORUM,
                "fewer than the %u storage servers needed have good slices: %s",
                window->options.objects[object].k, reasons);
}

bool fetch_window_watch(struct fetch_window *window, void (*warn)(void *context, unsigned server),
                        void *context) {
    pthread_mutex_lock(&window->lock);
    int slow = NOBODY;
    if (window->failure.code == OK && window->tail < window->total) {
        slow = find_slow(window);
        size_t object = window->first;
        if (has_stood_still(window) || find_lost(window, &object)) {
            failure_keep(&window->failure, fail_lost(window, object));
            pthread_cond_broadcast(&window->lanes);
            pthread_cond_broadcast(&window->work);
        }
    }
    bool is_over = window->failure.code != OK || window->tail == window->total;
    if (is_over) {
        pthread_cond_broadcast(&window->lanes);
        pthread_cond_broadcast(&window->work);
    }
    pthread_mutex_unlock(&window->lock);
    if (slow != NOBODY)
        warn(context, (unsigned)slow);
    return is_over;
}
