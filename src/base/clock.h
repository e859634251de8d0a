/*
 * The monotonic clock, for time limits and never a date; and the date, which may step, either way.
 */
#ifndef MYELIN_BASE_CLOCK_H
#define MYELIN_BASE_CLOCK_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ms(void) {
    return clock_ns() / 1000000;
}

/* Since 1970, UTC. */
static inline uint64_t clock_date_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for `change` until `at_ns`; may wake early. The lock is held. False where it is late:
 * nobody told of a change before. */
static inline bool clock_wait_until(pthread_cond_t *change, pthread_mutex_t *lock, uint64_t at_ns) {
    const struct timespec at = {(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};
    return pthread_cond_clockwait(change, lock, CLOCK_MONOTONIC, &at) != ETIMEDOUT;
}

/* The same for `ms` milliseconds from now. */
static inline bool clock_wait(pthread_cond_t *change, pthread_mutex_t *lock, unsigned ms) {
    return clock_wait_until(change, lock, clock_ns() + (uint64_t)ms * 1000000);
}

#endif
