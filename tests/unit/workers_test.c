/* Kept threads: jobs run at the same time, threads are used again, and the end waits for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "flow/workers.h"

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned here, wanted, done;
};

/* Ends once so many are here at one time. */
static void *meet(void *argument) {
    struct meeting *meeting = argument;
    pthread_mutex_lock(&meeting->lock);
    meeting->here++;
    pthread_cond_broadcast(&meeting->change);
    while (meeting->here < meeting->wanted)
        pthread_cond_wait(&meeting->change, &meeting->lock);
    meeting->done++;
    pthread_cond_broadcast(&meeting->change);
    pthread_mutex_unlock(&meeting->lock);
    return NULL;
}

static void meeting_init(struct meeting *meeting, unsigned wanted) {
    *meeting = (struct meeting){
        .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .wanted = wanted};
}

static void wait_done(struct meeting *meeting) {
    pthread_mutex_lock(&meeting->lock);
    while (meeting->done < meeting->wanted)
        pthread_cond_wait(&meeting->change, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
}

static void test_all_at_once_and_no_more(void **state) {
    (void)state;
    struct workers workers;
    struct meeting meeting;
    workers_init(&workers);
    meeting_init(&meeting, WORKERS_MAX + 1);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        assert_true(workers_run(&workers, meet, &meeting));
    assert_false(workers_run(&workers, meet, &meeting));
    meet(&meeting);
    wait_done(&meeting);
    workers_end(&workers);
}

static void *count(void *argument) {
    atomic_uint *counter = argument;
    usleep(1000);
    atomic_fetch_add(counter, 1);
    return NULL;
}

static void test_threads_are_kept_and_waited_for(void **state) {
    (void)state;
    struct workers workers;
    atomic_uint counter = 0;
    unsigned given = 0;
    workers_init(&workers);
    for (unsigned i = 0; i < 50; i++) {
        assert_true(workers_run(&workers, count, &counter));
        while (atomic_load(&counter) <= i)
            usleep(200);
        usleep(200); /* the thread is idle again, most times */
    }
    assert_in_range(workers.count, 1, 20);
    for (unsigned i = 0; i < 100; i++)
        given += workers_run(&workers, count, &counter);
    assert_in_range(given, workers.count, 100);
    workers_end(&workers);
    assert_int_equal(counter, 50 + given);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once_and_no_more),
        cmocka_unit_test(test_threads_are_kept_and_waited_for),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
