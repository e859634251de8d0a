/* The plugin's cache of what was fetched ahead: many threads read, drop and fill it, and each gets
 * the right bytes. What stands in for the servers is in this file, under the names of images.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/file.h"
#include "base/secret.h"
#include "reader.h"

enum {
    OBJECTS = 200,
    SIZE = 20000,
    CACHE_BYTES = 60 * SIZE,
    THREADS = 8,
    ROUNDS = 400,
    LEFT_OUT_AT = 10
};

static char folder[64];
static const uint8_t key[32] = {7};
static atomic_uint fetches, fetched;
static atomic_int
    to_leave_out; /* so many objects do not come with others, and come when asked for */
static atomic_bool is_away;
/* The first fetch waits in its midst, where it leaves an object out; the others at their start. */
static atomic_bool first_leaves_out, first_waits, others_wait;

static uint8_t pattern(const char *name, size_t at) {
    return (uint8_t)(strtoul(name + 24, NULL, 16) * 7 + at);
}

static bool is_object(const char *name, struct view data) {
    for (size_t i = 0; i < data.len; i += 997)
        if (data.data[i] != pattern(name, i))
            return false;
    return data.len == SIZE;
}

static void wait_while(const atomic_bool *waits) {
    while (*waits)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

result images_read(struct images *images, const char *owner, const char *image,
                   const char *const names[], size_t count, myelin_blob_take take, void *context) {
    (void)images, (void)owner, (void)image;
    if (atomic_load(&is_away))
        return FAIL(QUORUM, "too few servers");
    bool is_first = atomic_fetch_add(&fetches, 1) == 0;
    if (!is_first)
        wait_while(&others_wait);
    uint8_t *data = malloc(SIZE);
    for (size_t i = 0; i < count; i++) {
        if (count > 1 && i > 0 && atomic_fetch_sub(&to_leave_out, 1) > 0)
            continue;
        if (is_first && i == LEFT_OUT_AT && first_leaves_out) {
            wait_while(&first_waits);
            continue;
        }
        for (size_t at = 0; at < SIZE; at++)
            data[at] = pattern(names[i], at);
        atomic_fetch_add(&fetched, 1);
        if (take(context, i, data, SIZE) != (int)OK)
            break;
    }
    free(data);
    return OK;
}

void images_forget(struct images *images, const char *owner, const char *image) {
    (void)images, (void)owner, (void)image;
}

static struct record attachment(unsigned number) {
    struct record record = {.op = RECORD_ADD, .flags = RECORD_IS_STORED, .size = SIZE};
    snprintf(record.uuid, sizeof record.uuid, "00000000-0000-4000-8000-%012x", number);
    snprintf(record.name, sizeof record.name, "%s", record.uuid);
    snprintf(record.image, sizeof record.image, "1.2.3");
    return record;
}

struct world {
    struct map *map;
    struct reader *reader;
    atomic_uint wrong, used;
};

static int fresh(void **state) {
    static struct world world;
    struct map_found found;
    char path[128];
    world = (struct world){0};
    snprintf(folder, sizeof folder, "/tmp/myelin-reader-XXXXXX");
    if (secret_start() != OK || mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/map", folder);
    if (map_open(path, key, &found, &world.map) != OK)
        return 1;
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct record record = attachment(i);
        if (map_add(world.map, &record) != OK)
            return 1;
    }
    fetches = fetched = 0;
    to_leave_out = 0;
    is_away = false;
    first_leaves_out = first_waits = others_wait = false;
    *state = &world;
    return reader_new(NULL, world.map, CACHE_BYTES, &world.reader) != OK;
}

static int sweep(void **state) {
    struct world *world = *state;
    first_waits = others_wait = false; /* also where a test failed */
    reader_free(world->reader);
    map_close(world->map);
    return (int)file_remove_tree(folder);
}

struct looking {
    struct world *world;
    const char *name;
};

static void look_at(void *context, struct view data) {
    struct looking *looking = context;
    atomic_fetch_add(&looking->world->used, 1);
    if (!is_object(looking->name, data))
        atomic_fetch_add(&looking->world->wrong, 1);
}

static bool use(struct world *world, unsigned number) {
    struct record record = attachment(number);
    struct looking looking = {world, record.name};
    return reader_use(world->reader, record.uuid, look_at, &looking);
}

static result get(struct world *world, unsigned number) {
    AUTO_BYTES struct bytes data = {0};
    struct record record = attachment(number);
    TRY(reader_get(world->reader, &record, &data));
    return is_object(record.name, bytes_view(&data)) ? OK : FAIL(INTEGRITY, "other bytes");
}

static void what_was_fetched_ahead_is_there(void **state) {
    struct world *world = *state;
    assert_false(use(world, 0));
    assert_int_equal(get(world, 0), OK);
    for (unsigned i = 0; i < 20; i++)
        assert_true(use(world, i)); /* or on its way: that is waited for */
    assert_int_equal(world->used, 20);
    assert_int_equal(world->wrong, 0);
    assert_int_equal(fetches, 1);
    reader_drop(world->reader, attachment(3).uuid);
    assert_false(use(world, 3));
    assert_int_equal(get(world, 3), OK);
    assert_int_equal(fetches, 2);
}

static void what_does_not_come_is_asked_for_again(void **state) {
    struct world *world = *state;
    to_leave_out = 1;
    assert_int_equal(get(world, 0), OK);
    assert_false(use(world, 1));
    assert_int_equal(get(world, 1), OK);
    is_away = true;
    assert_int_equal(get(world, OBJECTS - 1), QUORUM);
    assert_false(use(world, OBJECTS - 1));
    is_away = false;
    assert_int_equal(get(world, OBJECTS - 1), OK);
    assert_int_equal(world->wrong, 0);
}

struct getting {
    struct world *world;
    unsigned number;
    result got;
};

static void *run_get(void *argument) {
    struct getting *getting = argument;
    getting->got = get(getting->world, getting->number);
    return NULL;
}

/* What one fetch could not bring may be on its way by another one. */
static void the_end_of_one_fetch_is_not_that_of_another(void **state) {
    struct world *world = *state;
    struct getting getting = {.world = world, .number = 3};
    pthread_t thread;
    first_leaves_out = first_waits = others_wait = true;
    assert_int_equal(get(world, 0), OK);
    assert_true(use(world, 3));
    reader_drop(world->reader, attachment(3).uuid);
    assert_int_equal(pthread_create(&thread, NULL, run_get, &getting), 0);
    while (fetches < 2)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    first_waits = false;
    assert_false(use(world, LEFT_OUT_AT)); /* so it has ended */
    others_wait = false;
    pthread_join(thread, NULL);
    assert_int_equal(getting.got, OK);
    assert_int_equal(fetches, 2);
}

struct thread {
    struct world *world;
    unsigned seed;
    pthread_t thread;
};

static unsigned draw(unsigned *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Mostly forwards, as who reads a study. */
static void *run_reader(void *argument) {
    struct thread *thread = argument;
    struct world *world = thread->world;
    unsigned number = thread->seed;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned what = draw(&thread->seed) % 16;
        number = (what == 0 ? draw(&thread->seed) : number + 1) % OBJECTS;
        if (what == 1)
            reader_drop(world->reader, attachment(number).uuid);
        else if (!use(world, number) && get(world, number) != OK)
            atomic_fetch_add(&world->wrong, 1);
    }
    return NULL;
}

static void many_threads_read_fill_and_drop(void **state) {
    struct world *world = *state;
    struct thread threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){world, i * 31 + 1, 0};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, run_reader, &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    assert_int_equal(world->wrong, 0);
    assert_true(world->used > 0);
    assert_true(fetched > OBJECTS); /* the cache holds fewer than all: some came twice */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, sweep)
    const struct CMUnitTest tests[] = {
        TEST(what_was_fetched_ahead_is_there),
        TEST(what_does_not_come_is_asked_for_again),
        TEST(the_end_of_one_fetch_is_not_that_of_another),
        TEST(many_threads_read_fill_and_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
