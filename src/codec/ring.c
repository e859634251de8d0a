#include "codec/ring.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 16, THREADS_MAX = 8 };

/* Conditions are broadcast, never signalled: glibc before 2.41 can lose a signal among several
 * waiters (its bug 25847).
 *
 * Slots are used round and round: [oldest, started) are with the workers or finished, [started,
 * filled) wait for one. The three are counts since the beginning. */
struct ring {
    pthread_mutex_t lock;
    pthread_cond_t submitted, finished;
    void (*work)(void *slot);
    void *slots[SLOTS_MAX];
    bool is_finished[SLOTS_MAX];
    unsigned count;
    unsigned long oldest, started, filled;
    bool ending;
    pthread_t threads[THREADS_MAX];
    unsigned threads_count;
};

static void *worker(void *argument) {
    struct ring *ring = argument;
    pthread_mutex_lock(&ring->lock);
    while (!ring->ending) {
        if (ring->started == ring->filled) {
            pthread_cond_wait(&ring->submitted, &ring->lock);
            continue;
        }
        size_t mine = ring->started++ % ring->count;
        pthread_mutex_unlock(&ring->lock);
        ring->work(ring->slots[mine]);
        pthread_mutex_lock(&ring->lock);
        ring->is_finished[mine] = true;
        pthread_cond_broadcast(&ring->finished);
    }
    pthread_mutex_unlock(&ring->lock);
    return NULL;
}

result ring_new(unsigned threads, void *const slots[], unsigned count, void (*work)(void *slot),
                struct ring **out_ring) {
    if (threads < 1 || threads > THREADS_MAX || count < 1 || count > SLOTS_MAX)
        return FAIL(INTERNAL, "%u threads on %u slots", threads, count);
    struct ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return FAIL(NO_MEMORY, "no memory for the codec's threads");
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->submitted, NULL);
    pthread_cond_init(&ring->finished, NULL);
    ring->work = work;
    ring->count = count;
    memcpy(ring->slots, slots, count * sizeof *slots);
    while (ring->threads_count < threads) {
        int error = pthread_create(&ring->threads[ring->threads_count], NULL, worker, ring);
        if (error != 0 && ring->threads_count == 0) {
            ring_destroy(ring);
            return FAIL(INTERNAL, "the codec's thread does not start: %s", strerror(error));
        }
        if (error != 0)
            break; /* fewer will do */
        ring->threads_count++;
    }
    *out_ring = ring;
    return OK;
}

void ring_destroy(struct ring *ring) {
    if (ring == NULL)
        return;
    pthread_mutex_lock(&ring->lock);
    ring->ending = true;
    pthread_cond_broadcast(&ring->submitted);
    pthread_mutex_unlock(&ring->lock);
    for (unsigned i = 0; i < ring->threads_count; i++)
        pthread_join(ring->threads[i], NULL);
    pthread_cond_destroy(&ring->finished);
    pthread_cond_destroy(&ring->submitted);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

/* `oldest` and `filled` change on the caller's thread alone. */
void *ring_vacant(struct ring *ring) {
    return ring->filled - ring->oldest == ring->count ? NULL
                                                      : ring->slots[ring->filled % ring->count];
}

void ring_submit(struct ring *ring) {
    pthread_mutex_lock(&ring->lock);
    ring->is_finished[ring->filled % ring->count] = false;
    ring->filled++;
    pthread_cond_broadcast(&ring->submitted);
    pthread_mutex_unlock(&ring->lock);
}

void *ring_oldest(struct ring *ring) {
    if (ring->oldest == ring->filled)
        return NULL;
    size_t slot = ring->oldest % ring->count;
    pthread_mutex_lock(&ring->lock);
    while (!ring->is_finished[slot])
        pthread_cond_wait(&ring->finished, &ring->lock);
    pthread_mutex_unlock(&ring->lock);
    return ring->slots[slot];
}

void ring_release(struct ring *ring) {
    ring->oldest++;
}
