#include <stdlib.h>
#include <string.h>

#include "flow/fetch_window_private.h"

enum { ENTRIES_MIN = 4, ENTRIES_MAX = 32, ALIGNMENT = 64, REST_MS = 50 };

/* What gives less than this stands still; pauses of so long are none. */
enum { ALIVE_BYTES_PER_S = 2 << 10, ALIVE_MS = 500 };

/* A whole segment's; most objects are less than one. */
static size_t longest_slice(const struct fetch_object *object) {
    return format_slice_len(&object->layout, 0);
}

static size_t lane_stride(const struct fetch_object *object) {
    return (longest_slice(object) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void object_close(struct open_object *object) {
    free(object->lanes);
    free(object->from);
    free(object->choice);
    free(object->from_slot);
    object->lanes = NULL;
    object->from = NULL;
    object->choice = NULL;
    object->from_slot = NULL;
}

void fetch_window_free(struct fetch_window *window) {
    if (window == NULL)
        return;
    for (size_t i = 0; window->objects != NULL && i < window->options.object_count; i++)
        object_close(&window->objects[i]);
    pthread_mutex_destroy(&window->lock);
    pthread_cond_destroy(&window->lanes);
    pthread_cond_destroy(&window->work);
    pthread_cond_destroy(&window->change);
    free(window->bases);
    free(window->objects);
    free(window->servers);
    free(window->entries);
    free(window->slice_memory);
    free(window->plain_memory);
    free(window->slice_pointers);
    free(window->slot_memory);
    free(window->took_memory);
    free(window);
}

static void fetch_window_free_at(struct fetch_window **window) {
    fetch_window_free(*window);
}

/* The most that an object needs for a segment's slices, decoded, and lanes. */
struct needs {
    size_t slices, plain;
    unsigned k;
};

static struct needs needs_of(const struct fetch_window_options *options) {
    struct needs needs = {1, 1, 1};
    for (size_t i = 0; i < options->object_count; i++) {
        const struct fetch_object *object = &options->objects[i];
        size_t slices = object->k * lane_stride(object);
        size_t plain = object->k * longest_slice(object);
        needs.slices = slices > needs.slices ? slices : needs.slices;
        needs.plain = plain > needs.plain ? plain : needs.plain;
        needs.k = object->k > needs.k ? object->k : needs.k;
    }
    return needs;
}

static uint8_t *allocate_buffers(size_t count, size_t size) {
    void *memory = NULL;
    size_t all;
    if (__builtin_mul_overflow(count, size, &all) ||
        posix_memalign(&memory, ALIGNMENT, all + ALIGNMENT) != 0)
        return NULL;
    return memory;
}

static bool allocate(struct fetch_window *window, const struct needs *needs) {
    const struct fetch_window_options *options = &window->options;
    size_t lanes = window->entry_count * needs->k;
    window->bases = calloc(options->object_count + 1, sizeof *window->bases);
    window->objects = calloc(options->object_count + 1, sizeof *window->objects);
    window->servers = calloc(options->servers + 1, sizeof *window->servers);
    window->entries = calloc(window->entry_count, sizeof *window->entries);
    window->slice_pointers = calloc(lanes, sizeof *window->slice_pointers);
    window->slot_memory = calloc(lanes, sizeof *window->slot_memory);
    window->took_memory = calloc(lanes, sizeof *window->took_memory);
    window->slice_memory = allocate_buffers(window->entry_count, needs->slices);
    window->plain_memory = allocate_buffers(options->plain_buffers, needs->plain);
    return window->bases != NULL && window->objects != NULL && window->servers != NULL &&
           window->entries != NULL && window->slice_pointers != NULL &&
           window->slot_memory != NULL && window->took_memory != NULL &&
           window->slice_memory != NULL && window->plain_memory != NULL;
}

static void init_entries(struct fetch_window *window, const struct needs *needs) {
    for (size_t i = 0; i < window->entry_count; i++) {
        struct entry *entry = &window->entries[i];
        entry->memory = window->slice_memory + i * needs->slices;
        entry->slices = window->slice_pointers + i * needs->k;
        entry->slots = window->slot_memory + i * needs->k;
        entry->took_ms = window->took_memory + i * needs->k;
    }
}

static void init_servers(struct fetch_window *window) {
    const struct fetch_window_options *options = &window->options;
    for (unsigned i = 0; i < options->servers; i++) {
        window->servers[i].standing = options->standing[i];
        if (options->standing[i] == FETCH_FAILED && !options->why[i].is_left_out)
            failure_keep(&window->servers[i].failure,
                         FAIL(options->why[i].code, "%s", options->why[i].text));
    }
}

/* Brings the objects whose first segment is in the window now. */
static result open_objects(struct fetch_window *window) {
    const struct fetch_window_options *options = &window->options;
    while (window->opened < options->object_count &&
           window->bases[window->opened] < window_end(window)) {
        unsigned k = options->objects[window->opened].k;
        struct open_object *object = &window->objects[window->opened++];
        object->lanes = calloc(k, sizeof *object->lanes);
        object->from = calloc(options->servers + 1, sizeof *object->from);
        object->choice = calloc(options->servers + 1, sizeof *object->choice);
        object->from_slot = calloc(FORMAT_SERVERS_MAX, sizeof *object->from_slot);
        if (object->lanes == NULL || object->from == NULL || object->choice == NULL ||
            object->from_slot == NULL)
            return FAIL(NO_MEMORY, "no memory for an object's %u lanes", k);
        for (unsigned i = 0; i < k; i++)
            object->lanes[i] = (struct lane){.server = NOBODY, .free_ms = clock_ms()};
    }
    return OK;
}

result fetch_window_new(const struct fetch_window_options *options,
                        struct fetch_window **out_window) {
    __attribute__((cleanup(fetch_window_free_at))) struct fetch_window *window =
        calloc(1, sizeof *window);
    if (window == NULL)
        return FAIL(NO_MEMORY, "no memory for the segments in flight");
    window->options = *options;
    pthread_mutex_init(&window->lock, NULL);
    pthread_cond_init(&window->lanes, NULL);
    pthread_cond_init(&window->work, NULL);
    pthread_cond_init(&window->change, NULL);
    struct needs needs = needs_of(options);
    size_t entries = options->window_bytes / needs.slices;
    window->entry_count = entries < ENTRIES_MIN   ? ENTRIES_MIN
                          : entries > ENTRIES_MAX ? ENTRIES_MAX
                                                  : entries;
    window->plain_capacity = needs.plain;
    if (!allocate(window, &needs))
        return FAIL(NO_MEMORY, "no memory for %zu segments in flight", window->entry_count);
    init_entries(window, &needs);
    init_servers(window);
    for (size_t i = 0; i < options->object_count; i++) {
        window->bases[i] = window->total;
        window->total += options->objects[i].layout.segments;
    }
    window->tail_since_ms = window->looked_ms = clock_ms();
    TRY(open_objects(window));
    *out_window = window;
    window = NULL;
    return OK;
}

/* ------------------------------------------------------------------ slices come in */

static struct lane *lane_of(struct fetch_window *window, const struct fetch_job *job) {
    struct open_object *object = &window->objects[job->object];
    struct lane *lane = object->lanes == NULL ? NULL : &object->lanes[job->lane];
    return lane != NULL && lane->server == (int)job->server ? lane : NULL;
}

/* Whether an earlier object waits for a server like this one. */
static bool is_needed_earlier(const struct fetch_window *window, const struct fetch_job *job) {
    for (size_t i = window->first; i < job->object; i++)
        for (unsigned l = 0; l < window->options.objects[i].k; l++) {
            const struct lane *lane = &window->objects[i].lanes[l];
            if (lane->server == NOBODY && clock_ms() - lane->free_ms >= REST_MS &&
                lane_suits(window, i, lane, job->server))
                return true;
        }
    return false;
}

static result wait_for_room(struct fetch_window *window, const struct fetch_job *job) {
    uint64_t number = window->bases[job->object] + job->number;
    bool has_waited = false;
    for (;;) {
        TRY(failure_raise(&window->failure));
        struct lane *lane = lane_of(window, job);
        if (lane == NULL)
            return FAIL(TIMEOUT, "another server delivers this lane now");
        if (has_waited)
            lane->since_ms = clock_ms();
        if (number < window_end(window))
            return OK;
        if (is_needed_earlier(window, job)) {
            window->servers[job->server].is_leaving = true;
            return FAIL(CONFLICT, "needed for an earlier object");
        }
        has_waited = true;
        clock_wait(&window->lanes, &window->lock, REST_MS);
    }
}

result fetch_window_room(struct fetch_window *window, const struct fetch_job *job,
                         uint8_t **out_slice) {
    pthread_mutex_lock(&window->lock);
    result room = wait_for_room(window, job);
    if (room == OK) {
        uint64_t number = window->bases[job->object] + job->number;
        *out_slice = window_entry(window, number)->memory +
                     job->lane * lane_stride(&window->options.objects[job->object]);
    }
    pthread_mutex_unlock(&window->lock);
    return room;
}

/* All slices are there. */
static void make_ready(struct fetch_window *window, size_t index, uint64_t number,
                       struct entry *entry) {
    const struct fetch_object *object = &window->options.objects[index];
    uint64_t all = window->bases[index] + number;
    entry->segment = (struct fetch_segment){
        .object = index,
        .number = number,
        .is_last = number + 1 == object->layout.segments,
        .sealed_len = format_sealed_len(&object->layout, number),
        .slice_len = format_slice_len(&object->layout, number),
        .k = object->k,
        .slices = entry->slices,
        .slots = entry->slots,
        .sealed =
            window->plain_memory + (all % window->options.plain_buffers) * window->plain_capacity,
        .sealed_capacity = window->plain_capacity,
    };
    entry->state = ENTRY_READY;
    pthread_cond_broadcast(&window->work);
}

/* Bytes buy time, but none to hoard: who gave much and then nothing stands still too. */
void fetch_window_moved(struct fetch_window *window, const struct fetch_job *job, size_t filled) {
    pthread_mutex_lock(&window->lock);
    struct lane *lane = lane_of(window, job);
    if (lane != NULL && lane->next == job->number && filled > lane->best) {
        uint64_t now = clock_ms(), was = lane->alive_until_ms;
        uint64_t bought_ms = (uint64_t)(filled - lane->best) * 1000 / ALIVE_BYTES_PER_S;
        uint64_t until = (was > now ? was : now) + bought_ms;
        lane->alive_until_ms = until < now + ALIVE_MS ? until : now + ALIVE_MS;
        lane->best = filled;
    }
    pthread_mutex_unlock(&window->lock);
}

void fetch_window_delivered(struct fetch_window *window, struct fetch_job *job) {
    pthread_mutex_lock(&window->lock);
    struct lane *lane = lane_of(window, job);
    if (lane != NULL) {
        const struct fetch_object *object = &window->options.objects[job->object];
        uint64_t now = clock_ms();
        struct entry *entry = window_entry(window, window->bases[job->object] + job->number);
        entry->slices[entry->arrived] = entry->memory + job->lane * lane_stride(object);
        entry->slots[entry->arrived] = job->slot;
        entry->took_ms[entry->arrived] = (unsigned)(now - lane->since_ms);
        lane->next = job->number + 1;
        lane->best = 0;
        lane->since_ms = now;
        window->objects[job->object].from_slot[job->slot] = lane->next;
        if (++entry->arrived == object->k)
            make_ready(window, job->object, job->number, entry);
    }
    job->number++;
    pthread_mutex_unlock(&window->lock);
}

/* ------------------------------------------------------------------ segments go out */

/* Where a worker can do something, it is marked as being done. */
static bool find_work(struct fetch_window *window, enum fetch_work *out_work,
                      struct fetch_segment **out_segment) {
    struct entry *oldest = window_entry(window, window->tail);
    if (oldest->state == ENTRY_OPENED && !window->is_writing) {
        window->is_writing = true;
        *out_work = FETCH_WRITE;
        *out_segment = &oldest->segment;
        return true;
    }
    uint64_t end = window_end(window);
    for (uint64_t i = window->tail; i < end && i < window->tail + window->options.plain_buffers;
         i++) {
        struct entry *entry = window_entry(window, i);
        if (entry->state != ENTRY_READY)
            continue;
        entry->state = ENTRY_OPENING;
        *out_work = FETCH_OPEN;
        *out_segment = &entry->segment;
        return true;
    }
    return false;
}

enum fetch_work fetch_window_take(struct fetch_window *window, struct fetch_segment **out_segment) {
    enum fetch_work work = FETCH_END;
    pthread_mutex_lock(&window->lock);
    while (window->failure.code == OK && window->tail < window->total &&
           !find_work(window, &work, out_segment))
        pthread_cond_wait(&window->work, &window->lock);
    pthread_mutex_unlock(&window->lock);
    return work;
}

static struct entry *entry_with(struct fetch_segment *segment) {
    return (struct entry *)(void *)((char *)segment - offsetof(struct entry, segment));
}

void fetch_window_opened(struct fetch_window *window, struct fetch_segment *segment) {
    pthread_mutex_lock(&window->lock);
    entry_with(segment)->state = ENTRY_OPENED;
    pthread_cond_signal(&window->work);
    pthread_mutex_unlock(&window->lock);
}

static void move_tail(struct fetch_window *window) {
    uint64_t before = window->tail;
    while (window->tail < window->total &&
           window_entry(window, window->tail)->state == ENTRY_WRITTEN) {
        struct entry *entry = window_entry(window, window->tail);
        window->done_bytes += entry->segment.sealed_len;
        entry->state = ENTRY_EMPTY;
        entry->arrived = 0;
        window->tail++;
    }
    if (window->tail == before)
        return;
    window->tail_since_ms = clock_ms();
    window->still_ms = 0;
    while (window->first < window->opened &&
           window->bases[window->first] + window->options.objects[window->first].layout.segments <=
               window->tail)
        object_close(&window->objects[window->first++]);
    failure_keep(&window->failure, open_objects(window));
    pthread_cond_broadcast(&window->lanes);
    pthread_cond_broadcast(&window->work);
    if (window->tail == window->total)
        pthread_cond_broadcast(&window->change);
}

void fetch_window_written(struct fetch_window *window, struct fetch_segment *segment) {
    pthread_mutex_lock(&window->lock);
    struct entry *entry = entry_with(segment);
    if (entry->state == ENTRY_OPENED) /* a single segment goes here straight from being opened */
        window->is_writing = false;
    entry->state = ENTRY_WRITTEN;
    move_tail(window);
    pthread_cond_broadcast(&window->work);
    pthread_mutex_unlock(&window->lock);
}

/* ------------------------------------------------------------------ the end */

void fetch_window_fail(struct fetch_window *window, result code) {
    pthread_mutex_lock(&window->lock);
    failure_keep(&window->failure, code);
    pthread_cond_broadcast(&window->lanes);
    pthread_cond_broadcast(&window->work);
    pthread_cond_broadcast(&window->change);
    pthread_mutex_unlock(&window->lock);
}

result fetch_window_check(struct fetch_window *window) {
    pthread_mutex_lock(&window->lock);
    result failed = failure_raise(&window->failure);
    pthread_mutex_unlock(&window->lock);
    return failed;
}

void fetch_window_rest(struct fetch_window *window) {
    pthread_mutex_lock(&window->lock);
    if (window->failure.code == OK && window->tail < window->total)
        clock_wait(&window->change, &window->lock, REST_MS);
    pthread_mutex_unlock(&window->lock);
}

uint64_t fetch_window_done(struct fetch_window *window) {
    pthread_mutex_lock(&window->lock);
    uint64_t done = window->done_bytes;
    pthread_mutex_unlock(&window->lock);
    return done;
}
