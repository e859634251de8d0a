#include "flow/workers.h"

#include <stdlib.h>

struct worker {
    struct workers *workers;
    pthread_t thread;
    pthread_cond_t wake;
    void *(*run)(void *argument); /* NULL: idle; under the lock, as is `argument` */
    void *argument;
};

void workers_init(struct workers *workers) {
    *workers = (struct workers){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void *work(void *context) {
    struct worker *worker = context;
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    while (worker->run != NULL || !workers->is_ending) {
        if (worker->run == NULL) {
            pthread_cond_wait(&worker->wake, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        worker->run(worker->argument);
        pthread_mutex_lock(&workers->lock);
        worker->run = NULL;
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void workers_end(struct workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->is_ending = true;
    for (unsigned i = 0; i < workers->count; i++)
        pthread_cond_signal(&workers->worker[i]->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++) {
        pthread_join(workers->worker[i]->thread, NULL);
        pthread_cond_destroy(&workers->worker[i]->wake);
        free(workers->worker[i]);
    }
    pthread_mutex_destroy(&workers->lock);
}

/* Under the lock. */
static bool start(struct workers *workers, void *(*run)(void *), void *argument) {
    struct worker *worker = workers->count < WORKERS_MAX ? calloc(1, sizeof *worker) : NULL;
    if (worker == NULL)
        return false;
    *worker = (struct worker){
        .workers = workers, .wake = PTHREAD_COND_INITIALIZER, .run = run, .argument = argument};
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
        free(worker);
        return false;
    }
    workers->worker[workers->count++] = worker;
    return true;
}

bool workers_run(struct workers *workers, void *(*run)(void *argument), void *argument) {
    struct worker *idle = NULL;
    pthread_mutex_lock(&workers->lock);
    for (unsigned i = 0; idle == NULL && i < workers->count; i++)
        if (workers->worker[i]->run == NULL)
            idle = workers->worker[i];
    bool is_taken = idle != NULL || start(workers, run, argument);
    if (idle != NULL) {
        idle->run = run;
        idle->argument = argument;
    }
    pthread_mutex_unlock(&workers->lock);
    if (idle != NULL)
        pthread_cond_signal(&idle->wake); /* it finds the lock free */
    return is_taken;
}
