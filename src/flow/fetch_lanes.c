/*
 * Which server delivers which lane, and what becomes of one that fails at it.
 */
#include "flow/fetch_window_private.h"

enum {
    SUSPECT_WAIT_MS = 500, /* so long a lane waits for somebody better, and again for each strike */
    JOB_WAIT_MS = 100,
    FAULTS_MAX = 16, /* a server with more bad slices is asked no more */
};

bool lane_suits(const struct fetch_window *window, size_t object, const struct lane *lane,
                unsigned server) {
    const struct fetch_object *shape = &window->options.objects[object];
    const struct open_object *state = &window->objects[object];
    int slot = window_slot(window, object, server);
    if (window->servers[server].standing == FETCH_FAILED || slot < 0 ||
        lane->next >= shape->layout.segments || lane->next < state->from[server] ||
        lane->next < state->from_slot[slot] ||
        window->bases[object] + lane->next >= window_end(window))
        return false;
    for (unsigned i = 0; i < shape->k; i++)
        if (state->lanes[i].server == (int)server ||
            (state->lanes[i].server != NOBODY && state->lanes[i].slot == (unsigned)slot))
            return false;
    return true;
}

static void take_lane(struct fetch_window *window, unsigned server, size_t object, unsigned number,
                      struct fetch_job *job) {
    struct lane *lane = &window->objects[object].lanes[number];
    lane->server = (int)server;
    lane->slot = (unsigned)window_slot(window, object, server);
    lane->since_ms = clock_ms();
    lane->alive_until_ms = lane->since_ms;
    *job = (struct fetch_job){server, object, number, lane->slot, lane->next, false};
}

/* The first lane, of the earliest object, that nobody delivers and this server should. */
static bool find_lane(struct fetch_window *window, unsigned server, struct fetch_job *job) {
    uint64_t now = clock_ms();
    const struct server_state *state = &window->servers[server];
    uint64_t wait_ms =
        state->standing == FETCH_SUSPECT ? SUSPECT_WAIT_MS * (1 + (uint64_t)state->strikes) : 0;
    for (size_t object = window->first; object < window->opened; object++)
        for (unsigned i = 0; i < window->options.objects[object].k; i++) {
            struct lane *lane = &window->objects[object].lanes[i];
            if (lane->server != NOBODY || !lane_suits(window, object, lane, server) ||
                now - lane->free_ms < wait_ms)
                continue;
            take_lane(window, server, object, i, job);
            return true;
        }
    return false;
}

bool fetch_window_job(struct fetch_window *window, unsigned server, struct fetch_job *out_job) {
    bool has_job = false;
    pthread_mutex_lock(&window->lock);
    while (window->failure.code == OK && window->tail < window->total &&
           window->servers[server].standing != FETCH_FAILED &&
           !(has_job = find_lane(window, server, out_job)))
        clock_wait(&window->lanes, &window->lock, JOB_WAIT_MS);
    pthread_mutex_unlock(&window->lock);
    return has_job;
}

/* An equal part, for each server that is good, of the lanes that nobody delivers. */
static size_t fair_part(const struct fetch_window *window) {
    size_t lanes = 0, good = 0;
    for (size_t object = window->first; object < window->opened; object++)
        for (unsigned i = 0; i < window->options.objects[object].k; i++) {
            const struct lane *lane = &window->objects[object].lanes[i];
            lanes += lane->server == NOBODY &&
                     lane->next < window->options.objects[object].layout.segments;
        }
    for (unsigned i = 0; i < window->options.servers; i++)
        good += window->servers[i].standing == FETCH_GOOD;
    return good == 0 ? 0 : lanes / good;
}

static bool take_lane_of(struct fetch_window *window, unsigned server, size_t object,
                         struct fetch_job *out_job) {
    for (unsigned i = 0; i < window->options.objects[object].k; i++) {
        const struct lane *lane = &window->objects[object].lanes[i];
        if (lane->server != NOBODY || !lane_suits(window, object, lane, server))
            continue;
        take_lane(window, server, object, i, out_job);
        return true;
    }
    return false;
}

/* Under the lock. */
static size_t take_more(struct fetch_window *window, const struct fetch_job *first,
                        struct fetch_job out_jobs[], size_t most) {
    const struct fetch_object *objects = window->options.objects;
    size_t taken = 0, part = fair_part(window);
    uint64_t bytes = objects[first->object].layout.symbol_bytes;
    if (objects[first->object].layout.segments > 1 ||
        window->servers[first->server].standing != FETCH_GOOD)
        return 0;
    most = part < most ? part : most;
    for (size_t object = first->object + 1; object < window->opened && taken < most; object++) {
        const struct format_layout *layout = &objects[object].layout;
        if (object < window->first || layout->segments > 1 ||
            bytes + layout->symbol_bytes > FETCH_TOGETHER_BYTES ||
            !take_lane_of(window, first->server, object, &out_jobs[taken]))
            continue;
        bytes += layout->symbol_bytes;
        taken++;
    }
    return taken;
}

size_t fetch_window_more(struct fetch_window *window, const struct fetch_job *first,
                         struct fetch_job out_jobs[], size_t most) {
    pthread_mutex_lock(&window->lock);
    size_t taken = take_more(window, first, out_jobs, most);
    pthread_mutex_unlock(&window->lock);
    return taken;
}

static void blame(struct fetch_window *window, const struct fetch_job *job, result code) {
    struct server_state *server = &window->servers[job->server];
    struct open_object *object = &window->objects[job->object];
    failure_keep(&server->failure, code);
    if (code != INTEGRITY && code != NOT_FOUND && code != PROTOCOL) {
        server->standing = FETCH_FAILED;
        return;
    }
    /* This object's slices there are spoilt, or one of them; other objects' may be good. */
    object->has_bad |= code == INTEGRITY;
    bool is_one_slice = code == INTEGRITY && !job->is_object_bad;
    object->from[job->server] = is_one_slice ? job->number + 1 : UINT64_MAX;
    server->standing = ++server->faults < FAULTS_MAX ? FETCH_SUSPECT : FETCH_FAILED;
}

/* A slot that the server does not have, where it may have another: a slot that was never moved. */
static bool has_other_slot(struct fetch_window *window, const struct fetch_job *job) {
    window->objects[job->object].choice[job->server]++;
    return window_slot(window, job->object, job->server) >= 0;
}

/* Under the lock. */
static bool leave(struct fetch_window *window, const struct fetch_job *job, result code) {
    struct server_state *server = &window->servers[job->server];
    bool is_leaving = server->is_leaving;
    server->is_leaving = false;
    struct open_object *object = &window->objects[job->object];
    if (object->lanes == NULL)
        return false;
    struct lane *lane = &object->lanes[job->lane];
    if (lane->server != (int)job->server) { /* it was taken away */
        window->options.resume(window->options.context, job->server);
        return false;
    }
    lane->server = NOBODY;
    lane->free_ms = clock_ms();
    pthread_cond_broadcast(&window->lanes);
    bool is_complete = lane->next == window->options.objects[job->object].layout.segments;
    if (code == OK || is_complete || is_leaving || window->failure.code != OK)
        return false;
    if (code == NOT_FOUND && has_other_slot(window, job))
        return false;
    blame(window, job, code);
    pthread_cond_broadcast(&window->change);
    return true;
}

bool fetch_window_leave(struct fetch_window *window, const struct fetch_job *job, result code) {
    pthread_mutex_lock(&window->lock);
    bool is_to_blame = leave(window, job, code);
    pthread_mutex_unlock(&window->lock);
    return is_to_blame;
}
