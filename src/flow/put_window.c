#include "flow/put_window.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/failure.h"

enum { BUFFER_ALIGNMENT = 4096 };

/* Segments are numbered through the batch; number s lives in entry s % entries. */
struct put_window {
    struct put_window_options options;
    pthread_mutex_t lock;
    pthread_cond_t room;  /* for the reader: an entry or a plaintext buffer is free */
    pthread_cond_t work;  /* for workers: a segment was submitted */
    pthread_cond_t ready; /* for slots: a segment was coded */

    /* tail <= published <= taken <= submitted <= claimed <= tail + entries */
    uint64_t claimed, submitted, taken, published;
    uint64_t tail; /* the oldest that a slot still needs */
    uint64_t tail_since_ms;
    bool is_ended;
    struct failure failure;

    struct put_segment *segments;
    bool *is_coded;       /* by entry */
    uint64_t *positions;  /* by slot: the segment it is at */
    uint64_t *passed_ms;  /* by slot: when it released its last segment */
    bool *is_dropped;     /* by slot */
    uint8_t **free_plain; /* a stack of buffers */
    size_t free_plain_count;
    uint8_t *plain_memory, *piece_memory;
    uint8_t (*hash_memory)[DIGEST_BYTES];
};

void put_window_free(struct put_window *window) {
    if (window == NULL)
        return;
    pthread_mutex_destroy(&window->lock);
    pthread_cond_destroy(&window->room);
    pthread_cond_destroy(&window->work);
    pthread_cond_destroy(&window->ready);
    free(window->segments);
    free(window->is_coded);
    free(window->positions);
    free(window->passed_ms);
    free(window->is_dropped);
    free(window->free_plain);
    free(window->plain_memory);
    free(window->piece_memory);
    free(window->hash_memory);
    free(window);
}

void put_window_free_at(struct put_window **window) {
    put_window_free(*window);
    *window = NULL;
}

static uint8_t *allocate_buffers(size_t count, size_t capacity) {
    void *memory = NULL;
    size_t size;
    if (__builtin_mul_overflow(count, capacity, &size) ||
        posix_memalign(&memory, BUFFER_ALIGNMENT, size) != 0)
        return NULL;
    return memory;
}

static bool allocate(struct put_window *window) {
    const struct put_window_options *options = &window->options;
    size_t hashes = options->entries * options->slots;
    size_t pieces = options->entries * options->pieces;
    window->segments = calloc(options->entries, sizeof *window->segments);
    window->is_coded = calloc(options->entries, sizeof *window->is_coded);
    window->positions = calloc(options->slots, sizeof *window->positions);
    window->passed_ms = calloc(options->slots, sizeof *window->passed_ms);
    window->is_dropped = calloc(options->slots, sizeof *window->is_dropped);
    window->free_plain = calloc(options->plain_buffers, sizeof *window->free_plain);
    window->hash_memory = calloc(hashes, sizeof *window->hash_memory);
    window->plain_memory = allocate_buffers(options->plain_buffers, options->plain_capacity);
    window->piece_memory = allocate_buffers(pieces, options->piece_capacity);
    return window->segments != NULL && window->is_coded != NULL && window->positions != NULL &&
           window->passed_ms != NULL && window->is_dropped != NULL && window->free_plain != NULL &&
           window->hash_memory != NULL && window->plain_memory != NULL &&
           window->piece_memory != NULL;
}

result put_window_new(const struct put_window_options *options, struct put_window **out_window) {
    AUTO_PUT_WINDOW struct put_window *window = calloc(1, sizeof *window);
    if (window == NULL)
        return FAIL(NO_MEMORY, "no memory for the segments in flight");
    window->options = *options;
    pthread_mutex_init(&window->lock, NULL);
    pthread_cond_init(&window->room, NULL);
    pthread_cond_init(&window->work, NULL);
    pthread_cond_init(&window->ready, NULL);
    if (!allocate(window))
        return FAIL(NO_MEMORY, "no memory for %zu segments in flight", options->entries);
    for (size_t i = 0; i < options->entries; i++) {
        window->segments[i].pieces =
            window->piece_memory + i * options->pieces * options->piece_capacity;
        window->segments[i].piece_capacity = options->piece_capacity;
        window->segments[i].hashes = window->hash_memory + i * options->slots;
    }
    for (size_t i = 0; i < options->plain_buffers; i++)
        window->free_plain[window->free_plain_count++] =
            window->plain_memory + i * options->plain_capacity;
    window->tail_since_ms = clock_ms();
    *out_window = window;
    window = NULL;
    return OK;
}

static struct put_segment *entry_of(struct put_window *window, uint64_t number) {
    return &window->segments[number % window->options.entries];
}

result put_window_claim(struct put_window *window, struct put_segment **out_segment) {
    pthread_mutex_lock(&window->lock);
    while (window->failure.code == OK &&
           (window->claimed - window->tail >= window->options.entries ||
            window->free_plain_count == 0))
        pthread_cond_wait(&window->room, &window->lock);
    result claimed = failure_raise(&window->failure);
    if (claimed == OK) {
        struct put_segment *segment = entry_of(window, window->claimed++);
        segment->plain = window->free_plain[--window->free_plain_count];
        segment->plain_len = 0;
        segment->is_whole = false;
        *out_segment = segment;
    }
    pthread_mutex_unlock(&window->lock);
    return claimed;
}

void put_window_submit(struct put_window *window) {
    pthread_mutex_lock(&window->lock);
    window->submitted = window->claimed;
    pthread_cond_signal(&window->work);
    pthread_mutex_unlock(&window->lock);
}

void put_window_end(struct put_window *window) {
    pthread_mutex_lock(&window->lock);
    window->is_ended = true;
    pthread_cond_broadcast(&window->work);
    pthread_cond_broadcast(&window->ready);
    pthread_mutex_unlock(&window->lock);
}

result put_window_take(struct put_window *window, struct put_segment **out_segment) {
    pthread_mutex_lock(&window->lock);
    while (window->failure.code == OK && window->taken == window->submitted && !window->is_ended)
        pthread_cond_wait(&window->work, &window->lock);
    result taken = failure_raise(&window->failure);
    if (taken == OK)
        *out_segment = window->taken < window->submitted ? entry_of(window, window->taken++) : NULL;
    pthread_mutex_unlock(&window->lock);
    return taken;
}

void put_window_coded(struct put_window *window, struct put_segment *segment) {
    pthread_mutex_lock(&window->lock);
    window->free_plain[window->free_plain_count++] = segment->plain;
    segment->plain = NULL;
    window->is_coded[segment - window->segments] = true;
    uint64_t before = window->published;
    while (window->published < window->taken &&
           window->is_coded[window->published % window->options.entries]) {
        window->is_coded[window->published % window->options.entries] = false;
        window->options.in_order(window->options.context, entry_of(window, window->published));
        window->published++;
    }
    if (window->published > before) {
        if (before == window->tail)
            window->tail_since_ms = clock_ms();
        pthread_cond_broadcast(&window->ready);
    }
    pthread_cond_signal(&window->room);
    pthread_mutex_unlock(&window->lock);
}

result put_window_next(struct put_window *window, unsigned slot,
                       const struct put_segment **out_segment) {
    pthread_mutex_lock(&window->lock);
    const uint64_t *position = &window->positions[slot];
    while (window->failure.code == OK && !window->is_dropped[slot] &&
           *position == window->published &&
           !(window->is_ended && window->published == window->claimed))
        pthread_cond_wait(&window->ready, &window->lock);
    result next = failure_raise(&window->failure);
    if (next == OK && window->is_dropped[slot])
        next = FAIL(TIMEOUT, "too slow: the other servers had to wait for it");
    if (next == OK)
        *out_segment = *position < window->published ? entry_of(window, *position) : NULL;
    pthread_mutex_unlock(&window->lock);
    return next;
}

/* The oldest segment that a slot still needs may be a later one now. */
static void move_tail(struct put_window *window) {
    uint64_t tail = window->published;
    for (unsigned slot = 0; slot < window->options.slots; slot++)
        if (!window->is_dropped[slot] && window->positions[slot] < tail)
            tail = window->positions[slot];
    if (tail == window->tail)
        return;
    window->tail = tail;
    window->tail_since_ms = clock_ms();
    pthread_cond_signal(&window->room);
}

void put_window_release(struct put_window *window, unsigned slot) {
    pthread_mutex_lock(&window->lock);
    bool was_oldest = window->positions[slot]++ == window->tail;
    window->passed_ms[slot] = clock_ms();
    if (was_oldest)
        move_tail(window);
    pthread_mutex_unlock(&window->lock);
}

void put_window_drop(struct put_window *window, unsigned slot) {
    pthread_mutex_lock(&window->lock);
    window->is_dropped[slot] = true;
    move_tail(window);
    pthread_cond_broadcast(&window->ready);
    pthread_mutex_unlock(&window->lock);
}

void put_window_fail(struct put_window *window, result code) {
    pthread_mutex_lock(&window->lock);
    failure_keep(&window->failure, code);
    pthread_cond_broadcast(&window->room);
    pthread_cond_broadcast(&window->work);
    pthread_cond_broadcast(&window->ready);
    pthread_mutex_unlock(&window->lock);
}

result put_window_check(struct put_window *window) {
    pthread_mutex_lock(&window->lock);
    result failed = failure_raise(&window->failure);
    pthread_mutex_unlock(&window->lock);
    return failed;
}

unsigned put_window_laggards(struct put_window *window, unsigned others, unsigned limit_ms,
                             unsigned out_slots[]) {
    pthread_mutex_lock(&window->lock);
    unsigned count = 0, ahead = 0;
    uint64_t now = clock_ms();
    bool is_held = window->published > window->tail && now - window->tail_since_ms > limit_ms;
    for (unsigned slot = 0; is_held && slot < window->options.slots; slot++) {
        if (window->is_dropped[slot])
            continue;
        if (window->positions[slot] == window->tail)
            out_slots[count++] = slot;
        else if (now - window->passed_ms[slot] > limit_ms)
            ahead++; /* it has gone as far as it can, and waits */
    }
    pthread_mutex_unlock(&window->lock);
    return ahead >= others ? count : 0;
}
