/*
 * Values that a store holds in memory: what is sealed or changed survives a power cut without a
 * file of its own; windows end between a seal and its change; and disks without room lose nothing
 * that counts.
 */
#include "store_held_world.h"

static void test_a_put_makes_its_files_once(void **state) {
    struct world *world = *state;
    stage(world->store, "S");
    assert_false(has_file(world, "s"));
    seal(world->store);
    assert_false(has_file(world, "s"));
    assert_prepared(world->store, "S");
    commit_well(world->store);
    assert_false(has_file(world, "s"));
    assert_true(has_file(world, "i/slices"));
    assert_true(has_file(world, "i/put"));
    assert_true(has_file(world, "by/one"));
    assert_committed(world->store, "S");
}

static void test_whatever_is_left_the_journal_has_it(void **state) {
    struct world *world = *state;
    for (enum left left = LEFT_ALL; left <= LEFT_JOURNAL; left++) {
        stage(world->store, "first");
        end_badly(world, left);
        assert_value(world->store, "s/slices", NULL); /* nobody was told that it is durable */
        stage(world->store, "S");
        seal(world->store);
        end_badly(world, left);
        assert_prepared(world->store, "S");
        commit_well(world->store); /* of files, which the start made */
        assert_committed(world->store, "S");
        end_badly(world, LEFT_ALL);
        assert_committed(world->store, "S");
        assert_int_equal(store_delete_all(world->store, "i"), OK);
        stage(world->store, "again");
        seal(world->store);
        commit_well(world->store);
        end_badly(world, LEFT_ALL);
        assert_committed(world->store, "again");
        assert_int_equal(store_delete_all(world->store, "i"), OK);
        assert_int_equal(store_replace(world->store, "end", view_of_string("E")), OK);
        end_badly(world, LEFT_ALL);
        assert_value(world->store, "i/slices", NULL);
    }
}

/* Nothing but the journal is left of a put that was committed in one window. */
static void test_a_commit_names_what_the_seal_said(void **state) {
    struct world *world = *state;
    enum { LEN = 100000 };
    AUTO_BYTES struct bytes journal = {0};
    char *slices = malloc(LEN + 1);
    assert_non_null(slices);
    memset(slices, 'x', LEN);
    slices[LEN] = '\0';
    stage(world->store, slices);
    seal(world->store);
    commit_well(world->store);
    read_journal(world, &journal);
    size_t said = 0;
    for (size_t i = 0; i < journal.len; i++)
        said += journal.data[i] == 'x';
    assert_in_range(said, LEN, LEN + LEN / 10); /* once; chance adds some */
    end_badly(world, LEFT_JOURNAL);
    assert_committed(world->store, slices);
    free(slices);
}

static void test_a_put_that_replaces_is_seen_whole(void **state) {
    struct world *world = *state;
    stage(world->store, "old");
    seal(world->store);
    commit_well(world->store);
    int fd = -1;
    uint64_t offset = 0;
    char text[4] = "";
    assert_int_equal(store_open_range(world->store, "i/slices", 0, 3, &fd, &offset), OK);
    stage(world->store, "new");
    seal(world->store);
    commit_well(world->store);
    assert_int_equal(pread(fd, text, 3, (off_t)offset), 3); /* it goes on serving what it had */
    assert_string_equal(text, "old");
    close(fd);
    assert_committed(world->store, "new");
    end_badly(world, LEFT_JOURNAL);
    assert_committed(world->store, "new");
}

/* ------------------------------------------------------------------ windows */

static void end_window(struct store *store) {
    assert_int_equal(store_replace(store, "w/from", view_of_string("w")), OK);
    assert_int_equal(store_publish(store, "w/from", "w/to"), OK);
}

static void test_a_window_ends_between_seal_and_commit(void **state) {
    struct world *world = *state;
    for (enum left left = LEFT_ALL; left <= LEFT_JOURNAL; left++) {
        stage(world->store, "S");
        put(world->store, "loose/one", "1");
        seal(world->store);
        end_window(world->store);
        assert_true(has_file(world, "s/prepared"));
        assert_false(has_file(world, "loose/one")); /* nobody needs it on the disk yet */
        assert_prepared(world->store, "S");
        end_badly(world, LEFT_ALL);
        assert_prepared(world->store, "S");
        commit_well(world->store);
        end_badly(world, LEFT_ALL);
        assert_committed(world->store, "S");
        assert_int_equal(store_delete_all(world->store, "i"), OK);
        assert_int_equal(store_delete_all(world->store, "s"), OK);
    }
}

static void *end_windows(void *context) {
    for (int i = 0; i < 40; i++)
        end_window(context);
    return NULL;
}

static void test_windows_end_at_any_time(void **state) {
    struct world *world = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_windows, world->store), 0);
    for (int i = 0; i < 100; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        stage(world->store, value);
        seal(world->store);
        assert_prepared(world->store, value);
        commit_well(world->store);
        assert_committed(world->store, value);
        assert_int_equal(store_delete_all(world->store, "i"), OK);
    }
    stage(world->store, "last");
    seal(world->store);
    commit_well(world->store);
    assert_int_equal(pthread_join(thread, NULL), 0);
    end_badly(world, LEFT_ALL);
    assert_committed(world->store, "last");
}

/* What a seal held goes into a file with the window; where there is no room, the window goes on. */
static void test_a_window_without_room_goes_on(void **state) {
    struct world *world = *state;
    stage(world->store, "S");
    seal(world->store);
    assert_int_equal(store_replace(world->store, "w/from", view_of_string("w")), OK);
    fail_creates = 1000;
    assert_int_equal(store_publish(world->store, "w/from", "w/to"), IO);
    assert_prepared(world->store, "S");
    fail_creates = 0;
    assert_int_equal(store_publish(world->store, "w/from", "w/to"), OK);
    assert_true(has_file(world, "s/prepared"));
    commit_well(world->store);
    end_badly(world, LEFT_ALL);
    assert_committed(world->store, "S");
    assert_value(world->store, "w/to", "w");
}

/* ------------------------------------------------------------------ room */

static void test_a_commit_needs_no_room(void **state) {
    struct world *world = *state;
    for (int rooms = 0; rooms < 2; rooms++) {
        stage(world->store, "S");
        seal(world->store);
        fail_creates = 1000;
        commit_well(world->store);
        assert_false(has_file(world, "i/put"));
        assert_committed(world->store, "S");
        fail_creates = 0;
        if (rooms == 0)
            end_badly(world, LEFT_JOURNAL);
        else
            end_window(world->store);
        assert_true(has_file(world, "i/put"));
        assert_committed(world->store, "S");
        assert_int_equal(store_delete_all(world->store, "i"), OK);
    }
}

static void test_a_flush_that_fails_changes_nothing(void **state) {
    struct world *world = *state;
    enum store_extent extent;
    stage(world->store, "S");
    fail_data_syncs = 1;
    assert_int_equal(store_seal(world->store, "s", "s/prepared", view_of_string("P")), IO);
    assert_value(world->store, "s/prepared", NULL);
    seal(world->store);
    fail_data_syncs = 1;
    assert_int_equal(commit(world->store, &extent), IO);
    assert_int_equal(extent, STORE_NOTHING);
    assert_prepared(world->store, "S");
    assert_value(world->store, "s/put", NULL);
    commit_well(world->store);
    end_badly(world, LEFT_JOURNAL);
    assert_committed(world->store, "S");
}

static void test_memory_is_bounded(void **state) {
    struct world *world = *state;
    enum { LEN = 200000, COUNT = 100 };
    AUTO_BYTES struct bytes long_value = {0};
    char key[32];
    size_t files = 0;
    assert_int_equal(bytes_reserve(&long_value, LEN), OK);
    memset(long_value.data, 'v', LEN);
    long_value.len = LEN;
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "s%d/v", i);
        assert_int_equal(store_put(world->store, key, bytes_view(&long_value)), OK);
        files += has_file(world, key);
    }
    assert_in_range(files, COUNT - HELD_BYTES_MAX / LEN, COUNT - 1);
    for (int i = 0; i < COUNT; i++) {
        AUTO_BYTES struct bytes value = {0};
        snprintf(key, sizeof key, "s%d/v", i);
        assert_int_equal(store_get(world->store, key, LEN, &value), OK);
        assert_true(view_equal(bytes_view(&value), bytes_view(&long_value)));
        snprintf(key, sizeof key, "s%d", i);
        assert_int_equal(store_delete_all(world->store, key), OK);
    }
    put(world->store, "s/one", "1"); /* there is room again */
    assert_false(has_file(world, "s/one"));
    for (int i = 0; i < HELD_VALUES_MAX; i++) {
        snprintf(key, sizeof key, "t/%d", i);
        put(world->store, key, "");
    }
    assert_true(has_file(world, key));
}

static void test_on_a_disk_that_fills_up_files_come_first(void **state) {
    struct world *world = *state;
    little_space = true;
    stage(world->store, "S");
    assert_true(has_file(world, "s/slices"));
    seal(world->store);
    commit_well(world->store);
    end_badly(world, LEFT_JOURNAL);
    assert_committed(world->store, "S");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_put_makes_its_files_once),
        TEST(test_whatever_is_left_the_journal_has_it),
        TEST(test_a_commit_names_what_the_seal_said),
        TEST(test_a_put_that_replaces_is_seen_whole),
        TEST(test_a_window_ends_between_seal_and_commit),
        TEST(test_windows_end_at_any_time),
        TEST(test_a_window_without_room_goes_on),
        TEST(test_a_commit_needs_no_room),
        TEST(test_a_flush_that_fails_changes_nothing),
        TEST(test_memory_is_bounded),
        TEST(test_on_a_disk_that_fills_up_files_come_first),
    };
    return cmocka_run_group_tests_name("held values", tests, NULL, NULL);
}
