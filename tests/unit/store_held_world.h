/*
 * A store whose disk is told to fail, to be full or to be slow, and a put of two parts in it, for
 * the tests of values that are held in memory.
 */
#ifndef TESTS_STORE_HELD_WORLD_H
#define TESTS_STORE_HELD_WORLD_H

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

static inline void dawdle(const char *path) {
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

static inline int setup_sound(void **state) {
    fail_creates = fail_data_syncs = 0;
    little_space = is_slow = false;
    return setup(state);
}

static inline void read_journal(const struct world *world, struct bytes *out) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal", world->folder);
    assert_int_equal(file_read(path, JOURNAL_BYTES_MAX, out), OK);
}

/* ------------------------------------------------------------------ what is left */

static const char *copy_from, *copy_to;

static inline int copy_one(const char *path, const struct stat *status, int type,
                           struct FTW *walk) {
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
static inline void end_badly(struct world *world, enum left left) {
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

static inline bool has_file(const struct world *world, const char *key) {
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", world->folder, key);
    return lstat(path, &status) == 0;
}

static inline void assert_value(struct store *store, const char *key, const char *expected) {
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

static inline void put(struct store *store, const char *key, const char *value) {
    assert_int_equal(store_put(store, key, view_of_string(value)), OK);
}

/* ------------------------------------------------------------------ a put of two parts */

static inline void stage(struct store *store, const char *slices) {
    struct store_writer *writer = NULL;
    assert_int_equal(store_writer_open(store, "s/slices", &writer), OK);
    assert_int_equal(store_writer_append(writer, view_of_string(slices)), OK);
    assert_int_equal(store_writer_close(writer), OK);
    put(store, "s/manifest", "M");
}

static inline void seal(struct store *store) {
    assert_int_equal(store_seal(store, "s", "s/prepared", view_of_string("P")), OK);
}

static inline result commit(struct store *store, enum store_extent *out_extent) {
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

static inline void commit_well(struct store *store) {
    enum store_extent extent;
    assert_int_equal(commit(store, &extent), OK);
    assert_int_equal(extent, STORE_DONE);
}

static inline void assert_prepared(struct store *store, const char *slices) {
    assert_value(store, "s/slices", slices);
    assert_value(store, "s/manifest", "M");
    assert_value(store, "s/prepared", "P");
    assert_value(store, "i/put", NULL);
    assert_value(store, "i/manifest", NULL);
}

static inline void assert_committed(struct store *store, const char *slices) {
    static const char *const staged[] = {"s/slices", "s/manifest", "s/prepared", "s/put"};
    assert_value(store, "i/slices", slices);
    assert_value(store, "i/manifest", "M");
    assert_value(store, "i/symbol", NULL);
    assert_value(store, "i/put", "D");
    assert_value(store, "by/one", "");
    for (size_t i = 0; i < sizeof staged / sizeof *staged; i++)
        assert_value(store, staged[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_sound, teardown)

#endif
