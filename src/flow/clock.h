/*
 * The monotonic clock, for time limits; never a date.
 */
#ifndef MYELIN_FLOW_CLOCK_H
#define MYELIN_FLOW_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for `change` or `ms` milliseconds; may wake early. The lock is held. */
static inline void clock_wait(pthread_cond_t *change, pthread_mutex_t *lock, unsigned ms) {
    uint64_t at_ms = clock_ms() + ms;
    struct timespec at = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000};
    pthread_cond_clockwait(change, lock, CLOCK_MONOTONIC, &at);
}

#endif
