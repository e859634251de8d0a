/*
 * Values that a store holds in memory, beside those in files: they are read, listed and removed
 * alike, and readers see whole values while they go from the one to the other.
 */
#include "store_held_world.h"

/* ------------------------------------------------------------------ files and memory at once */

static void test_parts_in_files_and_in_memory(void **state) {
    struct world *world = *state;
    for (enum left left = LEFT_ALL; left <= LEFT_JOURNAL; left++)
        for (int sealed = 0; sealed < 2; sealed++) {
            little_space = true;
            put(world->store, "s/slices", "S");
            assert_true(has_file(world, "s/slices"));
            little_space = false;
            put(world->store, "s/manifest", "M");
            assert_false(has_file(world, "s/manifest"));
            if (sealed == 1)
                seal(world->store);
            commit_well(world->store);
            assert_committed(world->store, "S");
            end_badly(world, LEFT_ALL);
            assert_committed(world->store, "S");
            assert_int_equal(store_delete_all(world->store, "i"), OK);
        }
}

/* Many values that are small, and together more than a transaction: files have them, synced. */
static void test_more_than_a_transaction(void **state) {
    struct world *world = *state;
    enum { LEN = 150000, COUNT = 4 };
    enum store_extent extent;
    struct store_step steps[COUNT];
    char from[COUNT][16], to[COUNT][16], *text = malloc(LEN + 1);
    assert_non_null(text);
    memset(text, 'x', LEN);
    text[LEN] = '\0';
    for (int i = 0; i < COUNT; i++) {
        snprintf(from[i], sizeof from[i], "s/%d", i);
        snprintf(to[i], sizeof to[i], "i/%d", i);
        steps[i] = (struct store_step){.kind = STORE_MOVE, .key = from[i], .to = to[i]};
        put(world->store, from[i], text);
        assert_false(has_file(world, from[i]));
    }
    seal(world->store);
    assert_true(has_file(world, "s/0"));
    end_badly(world, LEFT_ALL);
    assert_int_equal(store_change(world->store, steps, COUNT, &extent), OK);
    assert_int_equal(extent, STORE_NOTHING); /* for the caller to do one by one */
    for (int i = 0; i < COUNT; i++) {
        assert_value(world->store, from[i], text);
        assert_int_equal(store_publish(world->store, from[i], to[i]), OK);
        assert_value(world->store, to[i], text);
    }
    free(text);
}

static void test_names_in_files_and_in_memory(void **state) {
    struct world *world = *state;
    static const char *const expected[] = {"a", "b", "c"};
    AUTO_NAMES struct store_names ones = {0}, folders = {0}, after = {0};
    little_space = true;
    put(world->store, "l/b.one", "");
    put(world->store, "l/f.two", "");
    little_space = false;
    put(world->store, "l/c.one", "");
    put(world->store, "l/a.one", "");
    put(world->store, "l/sub/one", "");
    assert_int_equal(store_list(world->store, "l", ".one", "", &ones), OK);
    assert_int_equal(ones.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(ones.names[i], expected[i]);
    assert_int_equal(store_list(world->store, "l", ".one", "a", &after), OK);
    assert_int_equal(after.count, 2);
    assert_int_equal(store_list(world->store, "l", "", "c.one", &folders), OK);
    assert_int_equal(folders.count, 2);
    assert_string_equal(folders.names[0], "f.two");
    assert_string_equal(folders.names[1], "sub");
}

/* What is held is there for all that a store does. */
static void test_whatever_is_asked_for(void **state) {
    struct world *world = *state;
    struct store *store = world->store;
    uint64_t offset = 0;
    int fd = -1;
    char text[4] = "";
    put(store, "a/one", "123456");
    assert_int_equal(store_open_range(store, "a/one", 2, 3, &fd, &offset), OK);
    assert_int_equal(store_open_range(store, "a/one", 2, 5, &fd, &offset), INTEGRITY);
    put(store, "a/one", "other");
    assert_int_equal(pread(fd, text, 3, (off_t)offset), 3);
    assert_string_equal(text, "345");
    close(fd);
    assert_false(has_file(world, "a"));

    assert_int_equal(store_replace(store, "a/one", view_of_string("r")), OK);
    assert_value(store, "a/one", "r");
    put(store, "b/one", "b");
    assert_int_equal(store_publish(store, "b/one", "b/two"), OK);
    assert_value(store, "b/one", NULL);
    assert_value(store, "b/two", "b");
    const struct store_step step = {.kind = STORE_MOVE, .key = "m/one", .to = "m/two"};
    enum store_extent extent;
    put(store, "m/one", "m");
    assert_int_equal(store_change(store, &step, 1, &extent), OK);
    assert_int_equal(extent, STORE_DONE);
    assert_value(store, "m/one", NULL);
    assert_value(store, "m/two", "m");
    put(store, "c/one", "c");
    assert_int_equal(store_publish_all(store, "c", "d/c"), OK);
    assert_value(store, "c/one", NULL);
    assert_value(store, "d/c/one", "c");
    put(store, "e/one", "e");
    assert_int_equal(store_sync(store, "e"), OK);
    assert_true(has_file(world, "e/one"));
    put(store, "f/one", "f");
    put(store, "ff/one", "ff");
    assert_int_equal(store_delete_all(store, "f"), OK);
    assert_value(store, "f/one", NULL);
    assert_value(store, "ff/one", "ff");
    assert_int_equal(store_delete(store, "ff/one"), OK);
    assert_value(store, "ff/one", NULL);
}

static void test_a_seal_that_is_given_up_does_not_come_back(void **state) {
    struct world *world = *state;
    for (enum left left = LEFT_ALL; left <= LEFT_JOURNAL; left++) {
        stage(world->store, "S");
        seal(world->store);
        assert_int_equal(store_delete_all(world->store, "s"), OK);
        assert_value(world->store, "s/prepared", NULL);
        assert_int_equal(store_replace(world->store, "end", view_of_string("E")), OK);
        end_badly(world, left);
        assert_value(world->store, "s/slices", NULL);
        assert_value(world->store, "s/prepared", NULL);
    }
}

static void test_a_peaceful_end_leaves_files(void **state) {
    struct world *world = *state;
    stage(world->store, "S");
    seal(world->store);
    put(world->store, "loose/one", "1");
    store_close(world->store);
    assert_true(has_file(world, "s/prepared"));
    assert_true(has_file(world, "loose/one"));
    assert_false(has_file(world, "journal"));
    assert_int_equal(store_open(world->folder, &world->store), OK);
    assert_prepared(world->store, "S");
}

/* ------------------------------------------------------------------ readers */

enum { WIDTH = 60000 };
static _Atomic bool is_over;

static void *read_on(void *context) {
    size_t looks = 0;
    for (; !is_over; looks++) {
        AUTO_BYTES struct bytes value = {0};
        uint64_t offset;
        int fd = -1;
        assert_int_equal(store_get(context, "i/slices", WIDTH, &value), OK);
        assert_int_equal(value.len, WIDTH);
        for (size_t i = 1; i < WIDTH; i++)
            assert_true(value.data[i] == value.data[0]);
        assert_int_equal(store_open_range(context, "i/slices", 0, WIDTH, &fd, &offset), OK);
        close(fd);
    }
    assert_true(looks > 0);
    return NULL;
}

/* A value that is replaced is the old one or the new one, whole, to whoever reads meanwhile. */
static void test_readers_see_whole_values(void **state) {
    struct world *world = *state;
    pthread_t threads[2];
    char *slices = malloc(WIDTH + 1);
    assert_non_null(slices);
    slices[WIDTH] = '\0';
    is_over = false;
    for (int i = 0; i < 200; i++) {
        memset(slices, 'a' + i % 26, WIDTH);
        stage(world->store, slices);
        seal(world->store);
        commit_well(world->store);
        for (size_t t = 0; i == 0 && t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, read_on, world->store), 0);
    }
    is_over = true;
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    free(slices);
}

static _Atomic int newest;

/* Waits for no lock: what is there is there as a whole. */
static void *read_newest(void *context) {
    while (!is_over) {
        AUTO_BYTES struct bytes value = {0};
        char key[32];
        uint64_t size = 0, offset = 0;
        int fd = -1;
        snprintf(key, sizeof key, "n/%d", newest);
        result got = store_get(context, key, WIDTH, &value);
        assert_true(got == OK || got == NOT_FOUND);
        assert_int_equal(value.len, got == OK ? WIDTH : 0);
        got = store_size(context, key, &size);
        assert_true(got == OK || got == NOT_FOUND);
        assert_int_equal(size, got == OK ? WIDTH : 0);
        got = store_open_range(context, key, 0, WIDTH, &fd, &offset);
        assert_true(got == OK || got == NOT_FOUND);
        if (got == OK)
            close(fd);
    }
    return NULL;
}

static void test_new_values_appear_whole(void **state) {
    struct world *world = *state;
    pthread_t threads[2];
    enum store_extent extent;
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(bytes_reserve(&value, WIDTH), OK);
    memset(value.data, 'v', WIDTH);
    value.len = WIDTH;
    is_over = false;
    is_slow = true;
    newest = 0;
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, read_newest, world->store), 0);
    for (int i = 0; i < 200; i++) {
        char key[32];
        snprintf(key, sizeof key, "n/%d", i);
        const struct store_step step = {.kind = STORE_SET, .key = key, .value = bytes_view(&value)};
        newest = i;
        assert_int_equal(store_change(world->store, &step, 1, &extent), OK);
        assert_int_equal(extent, STORE_DONE);
    }
    is_over = true;
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_parts_in_files_and_in_memory),
        TEST(test_more_than_a_transaction),
        TEST(test_names_in_files_and_in_memory),
        TEST(test_whatever_is_asked_for),
        TEST(test_a_seal_that_is_given_up_does_not_come_back),
        TEST(test_a_peaceful_end_leaves_files),
        TEST(test_readers_see_whole_values),
        TEST(test_new_values_appear_whole),
    };
    return cmocka_run_group_tests_name("held values and files", tests, NULL, NULL);
}
