/*
 * Values that a store holds in memory: they are read, listed and removed like those in files; what
 * is sealed or changed survives a power cut without a file of its own; windows end between a seal
 * and its change; and disks without room lose nothing that counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/secret.h"
#include "storage/journal_format.h"
#include "storage/store.h"
#include "storage/store_held.h"
#include "store_fixture.h"

/* ------------------------------------------------------------------ a disk that is full */

static _Atomic int fail_creates;    /* how many from now on */
static _Atomic int fail_data_syncs; /* likewise */
static _Atomic bool little_space;
static _Atomic bool is_slow; /* what concerns a file in n/ is done late, or is noticed late */

static void dawdle(const char *path) {
    if (is_slow && strncmp(path, "n/", 2) == 0)
        usleep(300);
}

/* These stand in the place of the C library's. */
int openat(int folder, const char *path, int flags, ...) {
    unsigned mode = 0;
    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, unsigned);
        va_end(arguments);
        if (fail_creates > 0) {
            fail_creates--;
            errno = ENOSPC;
            return -1;
        }
    }
    if ((flags & O_CREAT) == 0)
        dawdle(path);
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (flags & O_CREAT)
        dawdle(path);
    return fd;
}

int fstatat(int folder, const char *restrict path, struct stat *restrict status, int flags) {
    dawdle(path);
    return (int)syscall(SYS_newfstatat, folder, path, status, flags);
}

int fdatasync(int fd) {
    if (fail_data_syncs > 0) {
        fail_data_syncs--;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fstatvfs(int fd, struct statvfs *out) {
    (void)fd;
    *out = (struct statvfs){
        .f_frsize = 4096, .f_bavail = little_space ? 100 : 1 << 20, .f_blocks = 1 << 21};
    return 0;
}

/* ------------------------------------------------------------------ worlds */

static int setup_sound(void **state) {
    fail_creates = fail_data_syncs = 0;
    little_space = is_slow = false;
    return setup(state);
}

static void read_journal(const struct world *world, struct bytes *out) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal", world->folder);
    assert_int_equal(file_read(path, JOURNAL_BYTES_MAX, out), OK);
}

/* ------------------------------------------------------------------ what is left */

static const char *copy_from, *copy_to;

static int copy_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    char to[256];
    AUTO_BYTES struct bytes text = {0};
    (void)status, (void)walk;
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D)
        return mkdir(to, 0700);
    return file_read(path, 32 << 20, &text) == OK &&
                   file_write_atomic(to, bytes_view(&text), 0600) == OK
               ? 0
               : -1;
}

enum left { LEFT_ALL, LEFT_JOURNAL };

/* The process is killed, and its files are left as they are; or the power goes, and the journal
 * alone is left. */
static void end_badly(struct world *world, enum left left) {
    AUTO_BYTES struct bytes journal = {0};
    char copy[80], path[128];
    snprintf(copy, sizeof copy, "%s-copy", world->folder);
    snprintf(path, sizeof path, "%s/journal", copy);
    read_journal(world, &journal);
    if (left == LEFT_ALL) {
        copy_from = world->folder;
        copy_to = copy;
        assert_int_equal(nftw(world->folder, copy_one, 16, FTW_PHYS), 0);
    } else {
        assert_int_equal(file_make_folders(copy, 0700), OK);
        assert_int_equal(file_write_atomic(path, bytes_view(&journal), 0600), OK);
    }
    fail_creates = fail_data_syncs = 0;
    store_close(world->store);
    assert_int_equal(file_remove_tree(world->folder), OK);
    assert_int_equal(rename(copy, world->folder), 0);
    assert_int_equal(store_open(world->folder, &world->store), OK);
}

static bool has_file(const struct world *world, const char *key) {
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", world->folder, key);
    return lstat(path, &status) == 0;
}

static void assert_value(struct store *store, const char *key, const char *expected) {
    AUTO_BYTES struct bytes value = {0};
    uint64_t size = 0;
    result got = store_get(store, key, 1 << 20, &value);
    assert_int_equal(got, expected == NULL ? NOT_FOUND : OK);
    assert_int_equal(store_size(store, key, &size), got);
    if (expected == NULL)
        return;
    assert_true(view_equal(bytes_view(&value), view_of_string(expected)));
    assert_int_equal(size, value.len);
}

static void put(struct store *store, const char *key, const char *value) {
    assert_int_equal(store_put(store, key, view_of_string(value)), OK);
}

/* ------------------------------------------------------------------ a put of two parts */

static void stage(struct store *store, const char *slices) {
    struct store_writer *writer = NULL;
    assert_int_equal(store_writer_open(store, "s/slices", &writer), OK);
    assert_int_equal(store_writer_append(writer, view_of_string(slices)), OK);
    assert_int_equal(store_writer_close(writer), OK);
    put(store, "s/manifest", "M");
}

static void seal(struct store *store) {
    assert_int_equal(store_seal(store, "s", "s/prepared", view_of_string("P")), OK);
}

static result commit(struct store *store, enum store_extent *out_extent) {
    const struct store_step steps[] = {
        {.kind = STORE_MOVE, .key = "s/slices", .to = "i/slices"},
        {.kind = STORE_MOVE, .key = "s/manifest", .to = "i/manifest"},
        {.kind = STORE_MOVE, .key = "s/symbol", .to = "i/symbol"},
        {.kind = STORE_SET, .key = "by/one", .value = view_of("", 0)},
        {.kind = STORE_MOVE, .key = "s/put", .to = "i/put"},
        {.kind = STORE_DROP, .key = "s"},
        {.kind = STORE_SET, .key = "s/put", .value = view_of_string("D")},
    };
    return store_change(store, steps, sizeof steps / sizeof *steps, out_extent);
}

static void commit_well(struct store *store) {
    enum store_extent extent;
    assert_int_equal(commit(store, &extent), OK);
    assert_int_equal(extent, STORE_DONE);
}

static void assert_prepared(struct store *store, const char *slices) {
    assert_value(store, "s/slices", slices);
    assert_value(store, "s/manifest", "M");
    assert_value(store, "s/prepared", "P");
    assert_value(store, "i/put", NULL);
    assert_value(store, "i/manifest", NULL);
}

static void assert_committed(struct store *store, const char *slices) {
    static const char *const staged[] = {"s/slices", "s/manifest", "s/prepared", "s/put"};
    assert_value(store, "i/slices", slices);
    assert_value(store, "i/manifest", "M");
    assert_value(store, "i/symbol", NULL);
    assert_value(store, "i/put", "D");
    assert_value(store, "by/one", "");
    for (size_t i = 0; i < sizeof staged / sizeof *staged; i++)
        assert_value(store, staged[i], NULL);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_sound, teardown)

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
        TEST(test_parts_in_files_and_in_memory),
        TEST(test_more_than_a_transaction),
        TEST(test_names_in_files_and_in_memory),
        TEST(test_whatever_is_asked_for),
        TEST(test_a_seal_that_is_given_up_does_not_come_back),
        TEST(test_a_peaceful_end_leaves_files),
        TEST(test_readers_see_whole_values),
        TEST(test_new_values_appear_whole),
    };
    return cmocka_run_group_tests_name("held values", tests, NULL, NULL);
}
