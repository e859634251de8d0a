/* The window of segments on their way in: lanes change hands, and every segment is made of k slices
 * of different servers, whatever servers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/fetch_window.h"

enum { SERVERS = 6, K = 3, OBJECTS = 40, WORKERS = 2, SEGMENT_BYTES = 4096 };

/* What a server does when it is asked. */
enum habit { HONEST, DEAD, LIES_ONCE, LIES, HANGS, BREAKS_OFF, HAS_LITTLE, SLOW };

struct world {
    struct fetch_window *window;
    struct fetch_object objects[OBJECTS];
    size_t object_count;
    int slots_of[SERVERS][HOLDER_SLOTS];
    enum habit habits[SERVERS];
    enum fetch_standing standing[SERVERS];
    atomic_bool is_cancelled[SERVERS];
    atomic_uint blamed[SERVERS];
    unsigned slowed[SERVERS];
    atomic_uint wrong; /* segments that were not right */
    atomic_ulong opened, written;
    uint64_t next_written[OBJECTS];
    uint64_t patience_ms; /* 0: endless */
    bool is_together;     /* servers take several lanes at once */
    atomic_ulong deliveries, jobs;
};

static const char *const names[SERVERS] = {"s-1", "s-2", "s-3", "s-4", "s-5", "s-6"};

static void cancel(void *context, unsigned server) {
    atomic_store(&((struct world *)context)->is_cancelled[server], true);
}

static void resume(void *context, unsigned server) {
    atomic_store(&((struct world *)context)->is_cancelled[server], false);
}

static void note_slow(void *context, unsigned server) {
    ((struct world *)context)->slowed[server]++;
}

static void make_window(struct world *world, size_t count) {
    world->object_count = count;
    for (unsigned i = 0; i < SERVERS; i++)
        memcpy(world->slots_of[i], (int[HOLDER_SLOTS]){(int)i, -1, -1}, sizeof world->slots_of[i]);
    for (size_t i = 0; i < count; i++) {
        uint64_t segments = i % 4 == 3 ? 30 : 1;
        world->objects[i] = (struct fetch_object){.k = K, .slots_of = world->slots_of};
        assert_int_equal(format_layout_plan(segments * SEGMENT_BYTES, SEGMENT_BYTES, K,
                                            &world->objects[i].layout),
                         OK);
    }
    static struct session_answer why[SERVERS];
    for (unsigned i = 0; i < SERVERS; i++) {
        why[i].code = QUORUM;
        snprintf(why[i].text, sizeof why[i].text, "%s: was gone before", names[i]);
    }
    struct fetch_window_options options = {
        .objects = world->objects,
        .object_count = count,
        .servers = SERVERS,
        .names = names,
        .standing = world->standing,
        .why = why,
        .plain_buffers = WORKERS + 1,
        .window_bytes = (world->is_together ? 32 : 8) * (SEGMENT_BYTES + 1024),
        .cancel = cancel,
        .resume = resume,
        .context = world,
        .patience_ms = world->patience_ms == 0 ? UINT64_MAX : world->patience_ms,
    };
    assert_int_equal(fetch_window_new(&options, &world->window), OK);
}

static uint8_t pattern(size_t object, uint64_t number, unsigned server) {
    return (uint8_t)(object * 11 + number * 5 + server * 41 + 1);
}

static result hang(struct world *world, unsigned server) {
    while (!atomic_load(&world->is_cancelled[server]))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return FAIL(TIMEOUT, "%s: cancelled", names[server]);
}

/* For a second and a half its bytes come one by one, 10 KB a second of them. */
static void dawdle(struct world *world, const struct fetch_job *job) {
    for (unsigned i = 0; i < 150; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        fetch_window_moved(world->window, job, 100 * (i + 1));
    }
}

/* The first bytes of the slice, the same each time, for two seconds; then no more. */
static result break_off(struct world *world, const struct fetch_job *job) {
    for (unsigned i = 0; i < 200 && !atomic_load(&world->is_cancelled[job->server]); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        fetch_window_moved(world->window, job, 100 * (i + 1));
    }
    return hang(world, job->server);
}

/* One segment of a lane as its server would deliver it. */
static result deliver_one(struct world *world, struct fetch_job *job) {
    uint8_t *slice;
    TRY(fetch_window_room(world->window, job, &slice));
    switch (world->habits[job->server]) {
    case DEAD:
        return FAIL(TIMEOUT, "%s: connection refused", names[job->server]);
    case HANGS:
        return hang(world, job->server);
    case BREAKS_OFF:
        return break_off(world, job);
    case LIES_ONCE:
        world->habits[job->server] = HONEST;
        return FAIL(INTEGRITY, "%s: a slice is not what was signed", names[job->server]);
    case LIES:
        return FAIL(INTEGRITY, "%s: a slice is not what was signed", names[job->server]);
    case HAS_LITTLE:
        if (job->object % 2 == 1)
            return FAIL(NOT_FOUND, "%s: no such object", names[job->server]);
        break;
    case SLOW:
        dawdle(world, job);
        break;
    case HONEST:
        break;
    }
    memset(slice, pattern(job->object, job->number, job->server),
           format_slice_len(&world->objects[job->object].layout, job->number));
    fetch_window_delivered(world->window, job);
    return OK;
}

struct thread {
    struct world *world;
    unsigned index;
    pthread_t thread;
};

enum { TOGETHER = 8 };

/* The lanes one behind the other; the first that fails ends it, and the others are nobody's. */
static void deliver_all(struct world *world, struct fetch_job jobs[], size_t count) {
    result delivered = OK;
    for (size_t i = 0; i < count; i++) {
        bool is_tried = delivered == OK;
        while (delivered == OK && jobs[i].number < world->objects[jobs[i].object].layout.segments)
            delivered = deliver_one(world, &jobs[i]);
        if (fetch_window_leave(world->window, &jobs[i], is_tried ? delivered : OK))
            atomic_fetch_add(&world->blamed[jobs[i].server], 1);
    }
    atomic_fetch_add(&world->deliveries, 1);
    atomic_fetch_add(&world->jobs, count);
}

static void *run_server(void *argument) {
    struct thread *thread = argument;
    struct world *world = thread->world;
    struct fetch_job jobs[TOGETHER];
    while (fetch_window_job(world->window, thread->index, &jobs[0])) {
        size_t count = 1;
        if (world->is_together)
            count += fetch_window_more(world->window, jobs, jobs + 1, TOGETHER - 1);
        for (size_t i = 1; i < count; i++)
            if (jobs[i].object <= jobs[i - 1].object || jobs[i].server != thread->index ||
                world->objects[jobs[i].object].layout.segments > 1)
                atomic_fetch_add(&world->wrong, 1);
        deliver_all(world, jobs, count);
    }
    return NULL;
}

/* k whole slices of k different servers. */
static void check_segment(struct world *world, const struct fetch_segment *segment) {
    bool is_used[SERVERS] = {false};
    for (unsigned i = 0; i < segment->k; i++) {
        unsigned slot = segment->slots[i];
        uint8_t expected = pattern(segment->object, segment->number, slot);
        if (slot >= SERVERS || is_used[slot] || segment->slices[i][0] != expected ||
            segment->slices[i][segment->slice_len - 1] != expected)
            atomic_fetch_add(&world->wrong, 1);
        is_used[slot % SERVERS] = true;
    }
    segment->sealed[0] = (uint8_t)segment->number;
    atomic_fetch_add(&world->opened, 1);
}

static void check_order(struct world *world, const struct fetch_segment *segment) {
    if (segment->number != world->next_written[segment->object] ||
        segment->sealed[0] != (uint8_t)segment->number)
        atomic_fetch_add(&world->wrong, 1);
    world->next_written[segment->object]++;
    atomic_fetch_add(&world->written, 1);
}

static void *run_worker(void *argument) {
    struct thread *thread = argument;
    struct world *world = thread->world;
    struct fetch_segment *segment;
    enum fetch_work work;
    while ((work = fetch_window_take(world->window, &segment)) != FETCH_END) {
        if (work == FETCH_OPEN) {
            check_segment(world, segment);
            if (world->objects[segment->object].layout.segments > 1) {
                fetch_window_opened(world->window, segment);
                continue;
            }
        }
        check_order(world, segment);
        fetch_window_written(world->window, segment);
    }
    return NULL;
}

static result run(struct world *world) {
    struct thread threads[SERVERS + WORKERS];
    for (unsigned i = 0; i < SERVERS + WORKERS; i++) {
        bool is_server = i < SERVERS;
        threads[i] = (struct thread){world, is_server ? i : i - SERVERS, 0};
        assert_int_equal(pthread_create(&threads[i].thread, NULL,
                                        is_server ? run_server : run_worker, &threads[i]),
                         0);
    }
    while (!fetch_window_watch(world->window, note_slow, world))
        fetch_window_rest(world->window);
    for (unsigned i = 0; i < SERVERS; i++)
        cancel(world, i);
    for (unsigned i = 0; i < SERVERS + WORKERS; i++)
        pthread_join(threads[i].thread, NULL);
    result end = fetch_window_check(world->window);
    fetch_window_free(world->window);
    return end;
}

static void assert_all_written(const struct world *world) {
    uint64_t segments = 0;
    for (size_t i = 0; i < world->object_count; i++) {
        segments += world->objects[i].layout.segments;
        assert_int_equal(world->next_written[i], world->objects[i].layout.segments);
    }
    assert_int_equal(world->written, segments);
    assert_int_equal(world->opened, segments);
    assert_int_equal(world->wrong, 0);
}

static void test_all_good(void **state) {
    (void)state;
    struct world world = {0};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(world.blamed[i], 0);
}

static void test_lanes_are_delivered_together(void **state) {
    (void)state;
    struct world world = {.is_together = true};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_int_equal(world.jobs, K * OBJECTS);
    assert_true(world.deliveries < K * OBJECTS);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(world.blamed[i], 0);
}

static void test_together_whoever_fails_is_replaced(void **state) {
    (void)state;
    static const enum habit habits[][SERVERS] = {
        {DEAD, HONEST, DEAD, HONEST, DEAD, HONEST},
        {LIES_ONCE, LIES_ONCE, HONEST, LIES_ONCE, HONEST, HONEST},
        {LIES, HONEST, HONEST, LIES, HONEST, HAS_LITTLE},
        {HANGS, HONEST, HONEST, HANGS, HONEST, HONEST},
    };
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        struct world world = {.is_together = true};
        memcpy(world.habits, habits[i], sizeof world.habits);
        make_window(&world, OBJECTS);
        assert_int_equal(run(&world), OK);
        assert_all_written(&world);
        for (unsigned server = 0; server < SERVERS; server++)
            assert_true(habits[i][server] != HONEST || world.blamed[server] == 0);
    }
}

static void test_nothing_to_fetch(void **state) {
    (void)state;
    struct world world = {0};
    make_window(&world, 0);
    assert_int_equal(run(&world), OK);
    assert_int_equal(world.written, 0);
}

static void test_dead_servers_are_replaced(void **state) {
    (void)state;
    struct world world = {.habits = {DEAD, HONEST, DEAD, HONEST, DEAD, HONEST}};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_true(world.blamed[0] <= 1 && world.blamed[2] <= 1 && world.blamed[4] <= 1);
    assert_int_equal(world.blamed[1], 0);
}

/* All but two lie about one slice each, of whichever object they come to first. */
static void test_one_bad_slice_spoils_no_server(void **state) {
    (void)state;
    struct world world = {.habits = {LIES_ONCE, LIES_ONCE, HONEST, LIES_ONCE, HONEST, HONEST}};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
}

static void test_a_liar_is_left_alone_in_the_end(void **state) {
    (void)state;
    struct world world = {.habits = {LIES, HONEST, HONEST, LIES, HONEST, HAS_LITTLE}};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_true(world.blamed[0] <= 16 && world.blamed[3] <= 16);
}

static void test_a_hung_server_loses_its_lane(void **state) {
    (void)state;
    struct world world = {.habits = {HANGS, HONEST, HONEST, HANGS, HONEST, HONEST}};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_true(world.slowed[0] + world.slowed[3] >= 1);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_true(world.habits[i] == HANGS || world.slowed[i] == 0);
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The worst of a get: those that looked well hang, and those that are well looked slow before. */
static void test_servers_in_doubt_take_over_from_those_that_hang(void **state) {
    (void)state;
    struct world world = {
        .habits = {HANGS, HANGS, HANGS, HONEST, HONEST, HONEST},
        .standing = {[3] = FETCH_SUSPECT, [4] = FETCH_SUSPECT, [5] = FETCH_SUSPECT},
        .patience_ms = 8000};
    make_window(&world, 1);
    uint64_t started_ms = now_ms();
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_true(now_ms() - started_ms < 6000);
}

static void test_what_stands_still_ends(void **state) {
    (void)state;
    struct world world = {.habits = {HANGS, HANGS, HANGS, HANGS, HONEST, HONEST},
                          .patience_ms = 1500};
    make_window(&world, 1);
    uint64_t started_ms = now_ms();
    assert_int_equal(run(&world), QUORUM);
    assert_non_null(strstr(error_text(), "no slice in time"));
    assert_in_range(now_ms() - started_ms, 1400, 4000);
}

/* What comes slowly and comes is waited for, however little patience there is. */
static void test_what_moves_does_not_stand_still(void **state) {
    (void)state;
    struct world world = {.habits = {SLOW, HONEST, HONEST},
                          .standing = {[3] = FETCH_FAILED, [4] = FETCH_FAILED, [5] = FETCH_FAILED},
                          .patience_ms = 700};
    make_window(&world, 1);
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
}

/* Who takes over and breaks off where the one before did brings nobody further. */
static void test_the_same_bytes_again_are_no_progress(void **state) {
    (void)state;
    struct world world = {
        .habits = {BREAKS_OFF, BREAKS_OFF, BREAKS_OFF, BREAKS_OFF, BREAKS_OFF, BREAKS_OFF},
        .patience_ms = 2500};
    make_window(&world, 1);
    uint64_t started_ms = now_ms();
    assert_int_equal(run(&world), QUORUM);
    assert_in_range(now_ms() - started_ms, 2500, 7000);
}

/* Slices that came slowly are no reason to wait as slowly for one that does not come. */
static void test_what_does_not_come_is_not_awaited_like_what_comes(void **state) {
    (void)state;
    struct world world = {.habits = {SLOW, SLOW, HANGS, HONEST},
                          .standing = {[3] = FETCH_SUSPECT, [4] = FETCH_FAILED, [5] = FETCH_FAILED},
                          .patience_ms = 4000};
    make_window(&world, 1);
    uint64_t started_ms = now_ms();
    assert_int_equal(run(&world), OK);
    assert_all_written(&world);
    assert_true(now_ms() - started_ms < 8000);
}

static void test_too_few_are_named(void **state) {
    (void)state;
    struct world world = {.habits = {DEAD, HONEST, DEAD, HONEST, HONEST, DEAD},
                          .standing = {[3] = FETCH_FAILED}};
    make_window(&world, OBJECTS);
    assert_int_equal(run(&world), QUORUM);
    assert_non_null(strstr(error_text(), "s-1: connection refused"));
    assert_non_null(strstr(error_text(), "s-4: was gone before"));
    assert_null(strstr(error_text(), "s-2"));
    assert_int_equal(world.wrong, 0);
}

static void test_too_many_lies_are_an_integrity_error(void **state) {
    (void)state;
    struct world world = {.habits = {LIES, LIES, LIES, LIES, HONEST, HONEST}};
    make_window(&world, 1);
    assert_int_equal(run(&world), INTEGRITY);
    assert_int_equal(world.written, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_good),
        cmocka_unit_test(test_lanes_are_delivered_together),
        cmocka_unit_test(test_together_whoever_fails_is_replaced),
        cmocka_unit_test(test_nothing_to_fetch),
        cmocka_unit_test(test_dead_servers_are_replaced),
        cmocka_unit_test(test_one_bad_slice_spoils_no_server),
        cmocka_unit_test(test_a_liar_is_left_alone_in_the_end),
        cmocka_unit_test(test_a_hung_server_loses_its_lane),
        cmocka_unit_test(test_servers_in_doubt_take_over_from_those_that_hang),
        cmocka_unit_test(test_what_stands_still_ends),
        cmocka_unit_test(test_what_moves_does_not_stand_still),
        cmocka_unit_test(test_the_same_bytes_again_are_no_progress),
        cmocka_unit_test(test_what_does_not_come_is_not_awaited_like_what_comes),
        cmocka_unit_test(test_too_few_are_named),
        cmocka_unit_test(test_too_many_lies_are_an_integrity_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
