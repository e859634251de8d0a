/*
 * Threads that are kept between questions: a put of a small object asks each server twice, and to
 * start a thread for each question costs as much as what it does there.
 */
#ifndef MYELIN_FLOW_WORKERS_H
#define MYELIN_FLOW_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

enum { WORKERS_MAX = 32 };

struct worker;

struct workers {
    pthread_mutex_t lock;
    struct worker *worker[WORKERS_MAX];
    unsigned count;
    bool is_ending;
};

void workers_init(struct workers *workers);

/* Waits for what runs, and ends all threads. Nothing may be given to them any more. */
void workers_end(struct workers *workers);

/* Has a kept thread run it; that it has ended is for `run` to say. False where all there may be are
 * busy, or none can be made. From any thread. */
bool workers_run(struct workers *workers, void *(*run)(void *argument), void *argument);

#endif
