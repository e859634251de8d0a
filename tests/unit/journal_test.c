/*
 * The journal of a store: what was flushed comes back after a power cut, however torn the rest is;
 * damage to it is told from a torn end; disks that are full or fail refuse what they cannot keep.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/secret.h"
#include "storage/journal_format.h"
#include "storage/store.h"
#include "store_fixture.h"

/* ------------------------------------------------------------------ a disk that fails */

static int fail_writes, fail_data_syncs, fail_syncs; /* how many calls from now on */

static bool fails(int *left, int error) {
    if (*left == 0)
        return false;
    --*left;
    errno = error;
    return true;
}

/* These stand in the place of the C library's. */
ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
    return fails(&fail_writes, ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, data, len, offset);
}

int fdatasync(int fd) {
    return fails(&fail_data_syncs, EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int syncfs(int fd) {
    return fails(&fail_syncs, EIO) ? -1 : (int)syscall(SYS_syncfs, fd);
}

/* ------------------------------------------------------------------ worlds */

static int setup_sound(void **state) {
    fail_writes = fail_data_syncs = fail_syncs = 0;
    return setup(state);
}

static void read_journal(const struct world *world, struct bytes *out) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal", world->folder);
    assert_int_equal(file_read(path, JOURNAL_BYTES_MAX, out), OK);
}

static void write_journal(const struct world *world, struct view text) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal", world->folder);
    assert_int_equal(file_write_atomic(path, text, 0600), OK);
}

/* The power goes: the disk has the journal as it is, and of the files what a crash leaves: nothing,
 * where `files` are lost. */
static void lose_power(struct world *world, bool files) {
    AUTO_BYTES struct bytes journal = {0};
    read_journal(world, &journal);
    fail_writes = fail_data_syncs = fail_syncs = 0;
    store_close(world->store);
    world->store = NULL;
    if (files) {
        assert_int_equal(file_remove_tree(world->folder), OK);
        assert_int_equal(file_make_folders(world->folder, 0700), OK);
    }
    write_journal(world, bytes_view(&journal));
    assert_int_equal(store_open(world->folder, &world->store), OK);
}

static void assert_value(struct store *store, const char *key, const char *expected) {
    AUTO_BYTES struct bytes value = {0};
    result got = store_get(store, key, 1 << 20, &value);
    assert_int_equal(got, expected == NULL ? NOT_FOUND : OK);
    if (expected != NULL)
        assert_true(view_equal(bytes_view(&value), view_of_string(expected)));
}

static void replace(struct store *store, const char *key, const char *value) {
    assert_int_equal(store_replace(store, key, view_of_string(value)), OK);
}

static result count_change(void *context, const struct journal_change *change) {
    assert_true(change->kind >= JOURNAL_SET && change->kind <= JOURNAL_DROP_ALL);
    ++*(unsigned *)context;
    return OK;
}

/* ------------------------------------------------------------------ a power cut */

static void test_what_was_flushed_comes_back(void **state) {
    struct world *world = *state;
    for (int files = 0; files < 2; files++) {
        replace(world->store, "a/one", "1");
        replace(world->store, "a/two", "2");
        replace(world->store, "a/one", "3");
        assert_int_equal(store_delete(world->store, "a/two"), OK);
        replace(world->store, "a/three", ""); /* what was removed before it is durable with it */
        lose_power(world, files == 1);
        assert_value(world->store, "a/one", "3");
        assert_value(world->store, "a/two", NULL);
        assert_value(world->store, "a/three", "");
    }
}

static void test_doing_it_again_changes_nothing(void **state) {
    struct world *world = *state;
    AUTO_BYTES struct bytes journal = {0};
    replace(world->store, "a/one", "1");
    assert_int_equal(store_put(world->store, "s/x", view_of_string("x")), OK);
    assert_int_equal(store_seal(world->store, "s", "s/end", view_of_string("sealed")), OK);
    assert_int_equal(store_delete_all(world->store, "s"), OK);
    replace(world->store, "a/one", "2");
    read_journal(world, &journal);
    for (int i = 0; i < 3; i++) {
        lose_power(world, i == 0);
        assert_value(world->store, "a/one", "2");
        assert_value(world->store, "s/x", NULL);
        assert_value(world->store, "s/end", NULL);
        store_close(world->store);
        write_journal(world, bytes_view(&journal));
        assert_int_equal(store_open(world->folder, &world->store), OK);
    }
}

static void test_a_seal_is_there_with_all_that_it_seals(void **state) {
    struct world *world = *state;
    assert_int_equal(store_put(world->store, "s/a", view_of_string("A")), OK);
    assert_int_equal(store_put(world->store, "s/b", view_of_string("")), OK);
    assert_int_equal(store_seal(world->store, "s", "s/end", view_of_string("E")), OK);
    lose_power(world, true);
    assert_value(world->store, "s/a", "A");
    assert_value(world->store, "s/b", "");
    assert_value(world->store, "s/end", "E");
}

static void test_steps_count_as_one(void **state) {
    struct world *world = *state;
    const struct store_step steps[] = {
        {.kind = STORE_MOVE, .key = "s/a", .to = "i/a"},
        {.kind = STORE_MOVE, .key = "s/none", .to = "i/none"},
        {.kind = STORE_MOVE, .key = "s/put", .to = "i/put"},
        {.kind = STORE_DROP, .key = "s"},
        {.kind = STORE_SET, .key = "s/put", .value = view_of_string("P")},
    };
    enum store_extent extent;
    assert_int_equal(store_put(world->store, "s/a", view_of_string("A")), OK);
    assert_int_equal(store_put(world->store, "s/rest", view_of_string("R")), OK);
    fail_data_syncs = 1;
    assert_int_equal(store_change(world->store, steps, 5, &extent), IO);
    assert_int_equal(extent, STORE_NOTHING);
    assert_value(world->store, "s/a", "A");
    assert_value(world->store, "s/put", NULL);
    assert_value(world->store, "i/a", NULL);
    assert_int_equal(store_change(world->store, steps, 5, &extent), OK);
    assert_int_equal(extent, STORE_DONE);
    for (int files = 0; files < 2; files++) {
        assert_value(world->store, "i/a", "A");
        assert_value(world->store, "i/put", "P");
        assert_value(world->store, "s/a", NULL);
        assert_value(world->store, "s/put", NULL);
        if (files == 0)
            lose_power(world, true);
    }
}

static void test_long_values_go_to_their_files(void **state) {
    struct world *world = *state;
    static char text[JOURNAL_BODY_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    enum store_extent extent;
    const struct store_step step = {.kind = STORE_MOVE, .key = "s/long", .to = "i/long"};
    replace(world->store, "s/long", "older"); /* which must not come back */
    replace(world->store, "s/long", text);
    assert_int_equal(store_change(world->store, &step, 1, &extent), OK);
    assert_int_equal(extent, STORE_NOTHING);
    assert_int_equal(store_publish(world->store, "s/long", "i/long"), OK);
    assert_int_equal(store_sync_names(world->store, "i"), OK);
    assert_int_equal(store_sync_names(world->store, "s"), OK);
    lose_power(world, false);
    assert_value(world->store, "s/long", NULL);
    assert_value(world->store, "i/long", text);
}

/* An older word of the journal on a key, or on one below a prefix, does not outlive what was made
 * durable without it. */
static void test_what_went_past_the_journal_stays(void **state) {
    struct world *world = *state;
    replace(world->store, "i/a", "old");
    assert_int_equal(store_put(world->store, "s/a", view_of_string("new")), OK);
    assert_int_equal(store_sync(world->store, "s"), OK);
    assert_int_equal(store_publish(world->store, "s/a", "i/a"), OK);
    assert_int_equal(store_sync_names(world->store, "i"), OK);
    replace(world->store, "p/one", "1");
    assert_int_equal(store_publish_all(world->store, "p", "gone/p"), OK);
    assert_int_equal(store_sync_names(world->store, "gone"), OK);
    replace(world->store, "q/one", "1");
    assert_int_equal(store_put(world->store, "q/one", view_of_string("2")), OK);
    assert_int_equal(store_sync(world->store, "q"), OK);
    replace(world->store, "other", "x");
    lose_power(world, false);
    assert_value(world->store, "i/a", "new");
    assert_value(world->store, "p/one", NULL);
    assert_value(world->store, "gone/p/one", "1");
    assert_value(world->store, "q/one", "2");
    assert_value(world->store, "other", "x");
}

static void test_windows_follow_each_other(void **state) {
    struct world *world = *state;
    enum { LEN = 300000 };
    char *text = malloc(LEN + 1), key[32];
    assert_non_null(text);
    memset(text, 'y', LEN);
    text[LEN] = '\0';
    for (int i = 0; i < 120; i++) { /* twice as much as a journal holds */
        snprintf(key, sizeof key, "w/%03d", i);
        memcpy(text, key, strlen(key));
        replace(world->store, key, text);
    }
    replace(world->store, "last", "1");
    AUTO_BYTES struct bytes journal = {0};
    unsigned changes = 0;
    read_journal(world, &journal);
    assert_in_range(journal.len, JOURNAL_BYTES_MAX / 2, JOURNAL_BYTES_MAX);
    assert_int_equal(journal_parse(bytes_view(&journal), count_change, &changes), OK);
    assert_in_range(changes, 1, 60);
    lose_power(world, false);
    for (int i = 0; i < 120; i++) {
        snprintf(key, sizeof key, "w/%03d", i);
        memcpy(text, key, strlen(key));
        assert_value(world->store, key, text);
    }
    assert_value(world->store, "last", "1");
    free(text);
}

static void *write_many(void *context) {
    char key[32], value[32];
    static _Atomic int threads;
    int thread = atomic_fetch_add(&threads, 1);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "t%d/%d", thread, i);
        snprintf(value, sizeof value, "%d of %d", i, thread);
        replace(context, key, value);
    }
    return NULL;
}

static void test_many_threads_at_once(void **state) {
    struct world *world = *state;
    pthread_t threads[4];
    char key[32], value[32];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, world->store), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    lose_power(world, true);
    for (int thread = 0; thread < 4; thread++)
        for (int i = 0; i < 50; i++) {
            snprintf(key, sizeof key, "t%d/%d", thread, i);
            snprintf(value, sizeof value, "%d of %d", i, thread);
            assert_value(world->store, key, value);
        }
}

/* ------------------------------------------------------------------ torn and damaged */

/* A journal of three transactions of two blocks each, and the bytes that mean something in each. */
enum { TRANSACTION = 2 * JOURNAL_BLOCK, VALUE = 5000, MEANT = VALUE + 100 };

static void make_three(struct world *world, struct bytes *out) {
    static char value[VALUE + 1];
    memset(value, 'v', VALUE);
    replace(world->store, "k/1", value);
    replace(world->store, "k/2", value);
    replace(world->store, "k/3", value);
    read_journal(world, out);
}

static void test_a_torn_end_is_the_end(void **state) {
    struct world *world = *state;
    AUTO_BYTES struct bytes journal = {0};
    make_three(world, &journal);
    for (size_t at = 0; at < MEANT; at += 7) {
        unsigned changes = 0;
        uint8_t *byte = &journal.data[JOURNAL_START + 2 * TRANSACTION + at];
        *byte ^= 0x40;
        assert_int_equal(journal_parse(bytes_view(&journal), count_change, &changes), OK);
        *byte ^= 0x40;
        assert_int_equal(changes, 2);
    }
    for (size_t blocks = 0; blocks <= 6; blocks++) {
        unsigned changes = 0;
        struct view cut = view_of(journal.data, JOURNAL_START + blocks * JOURNAL_BLOCK);
        assert_int_equal(journal_parse(cut, count_change, &changes), OK);
        assert_int_equal(changes, blocks / 2);
    }
}

static void test_damage_is_no_torn_end(void **state) {
    struct world *world = *state;
    AUTO_BYTES struct bytes journal = {0};
    make_three(world, &journal);
    for (size_t at = 0; at < MEANT; at += 7) {
        unsigned changes = 0;
        uint8_t *byte = &journal.data[JOURNAL_START + at];
        *byte ^= 0x40;
        assert_int_equal(journal_parse(bytes_view(&journal), count_change, &changes), INTEGRITY);
        assert_int_equal(changes, 0);
        *byte ^= 0x40;
    }
    journal.data[JOURNAL_START] ^= 1;
    store_close(world->store);
    world->store = NULL;
    write_journal(world, bytes_view(&journal));
    assert_int_equal(store_open(world->folder, &world->store), INTEGRITY);
    assert_non_null(strstr(error_text(), world->folder));
    assert_non_null(strstr(error_text(), "/journal"));
    journal.data[JOURNAL_START] ^= 1;
    write_journal(world, bytes_view(&journal));
    assert_int_equal(store_open(world->folder, &world->store), OK);
}

static void test_heads_bear_one_damage(void **state) {
    struct world *world = *state;
    AUTO_BYTES struct bytes journal = {0};
    struct journal *direct = NULL;
    unsigned changes = 0;
    make_three(world, &journal);
    for (size_t at = 0; at < JOURNAL_START; at += 5) {
        changes = 0;
        journal.data[at] ^= 0x10;
        assert_int_equal(journal_parse(bytes_view(&journal), count_change, &changes), OK);
        assert_int_equal(changes, 3);
        journal.data[at] ^= 0x10;
    }
    for (size_t len = 0; len < JOURNAL_START; len += 100)
        assert_int_equal(journal_parse(view_of(journal.data, len), NULL, NULL), INTEGRITY);
    memset(journal.data, 0, JOURNAL_START);
    assert_int_equal(journal_parse(bytes_view(&journal), NULL, NULL), INTEGRITY);

    /* A new window's head that was torn leaves the one before. */
    char folder[80];
    snprintf(folder, sizeof folder, "%s/direct", world->folder);
    assert_int_equal(file_make_folders(folder, 0700), OK);
    assert_int_equal(journal_create(folder, &direct), OK);
    AUTO_BYTES struct bytes body = {0}, text = {0};
    struct journal_mark mark;
    bool full;
    assert_int_equal(journal_add(&body, JOURNAL_SET, "k", view_of_string("v")), OK);
    assert_int_equal(journal_append(direct, bytes_view(&body), &mark, &full), OK);
    assert_false(full);
    assert_int_equal(journal_flush(direct, mark), OK);
    assert_true(journal_concerns(direct, "k"));
    assert_int_equal(journal_start_window(direct), OK);
    assert_false(journal_concerns(direct, "k"));
    journal_free(direct);
    snprintf(folder, sizeof folder, "%s/direct/journal", world->folder);
    assert_int_equal(file_read(folder, JOURNAL_BYTES_MAX, &text), OK);
    changes = 0;
    assert_int_equal(journal_parse(bytes_view(&text), count_change, &changes), OK);
    assert_int_equal(changes, 0);
    memset(text.data, 0, JOURNAL_BLOCK); /* both copies of window 2 */
    memset(text.data + 2 * JOURNAL_BLOCK, 0, JOURNAL_BLOCK);
    assert_int_equal(journal_parse(bytes_view(&text), count_change, &changes), OK);
    assert_int_equal(changes, 1);
}

/* ------------------------------------------------------------------ copies */

/* A journal of two transactions, of which the second is `copies`. */
static void make_copies(struct view copies, struct bytes *out_file) {
    const struct journal_window window = {.number = 1};
    AUTO_BYTES struct bytes first = {0};
    uint64_t offsets[2];
    assert_int_equal(bytes_reserve(out_file, JOURNAL_START), OK);
    memset(out_file->data, 0, JOURNAL_START);
    out_file->len = JOURNAL_START;
    journal_head_offsets(&window, offsets);
    journal_head_encode(&window, out_file->data + offsets[0]);
    assert_int_equal(journal_add(&first, JOURNAL_SET, "k", view_of_string("value")), OK);
    struct journal_transaction set = {.body = bytes_view(&first)};
    assert_int_equal(journal_transaction_encode(&window, &set, out_file), OK);
    struct journal_transaction copy = {.sequence = 1, .body = copies};
    memcpy(copy.before, set.hash, sizeof set.hash);
    assert_int_equal(journal_transaction_encode(&window, &copy, out_file), OK);
}

static result join_values(void *context, const struct journal_change *change) {
    assert_int_equal(change->kind, JOURNAL_SET);
    return bytes_append(context, change->value);
}

static void test_copies_are_of_what_was_said_before(void **state) {
    enum { AT = JOURNAL_START + JOURNAL_TRANSACTION_HEAD_BYTES + 2 + 1 + 4 };
    static const struct {
        uint64_t at;
        size_t len;
        unsigned times;
        const char *joined; /* NULL: refused */
    } cases[] = {
        {AT, 5, 1, "valuevalue"},
        {AT + 1, 3, 2, "valuealualu"},
        {AT, 0, 1, "value"},
        {JOURNAL_START + JOURNAL_BLOCK - 1, 2, 1, NULL}, /* the transaction itself */
        {JOURNAL_START + JOURNAL_BLOCK, 1, 1, NULL},
        {JOURNAL_START - 1, 1, 1, NULL}, /* a head */
        {UINT64_MAX, 2, 1, NULL},
        {0, 1, 1, NULL},
        {JOURNAL_START, JOURNAL_BLOCK, 6, NULL}, /* more than there is */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_BYTES struct bytes body = {0}, file = {0}, joined = {0};
        for (unsigned n = 0; n < cases[i].times; n++)
            assert_int_equal(journal_add_copy(&body, "c", cases[i].at, cases[i].len), OK);
        make_copies(bytes_view(&body), &file);
        result parsed = journal_parse(bytes_view(&file), join_values, &joined);
        assert_int_equal(parsed, cases[i].joined == NULL ? INTEGRITY : OK);
        assert_true(
            view_equal(bytes_view(&joined), view_of_string(parsed == OK ? cases[i].joined : "")));
    }
}

/* ------------------------------------------------------------------ disks that fail */

static void test_a_full_disk_refuses(void **state) {
    struct world *world = *state;
    replace(world->store, "k/1", "old");
    fail_writes = 1;
    assert_int_equal(store_replace(world->store, "k/1", view_of_string("new")), IO);
    assert_value(world->store, "k/1", "old");
    replace(world->store, "k/2", "there");
    lose_power(world, true);
    assert_value(world->store, "k/1", "old");
    assert_value(world->store, "k/2", "there");
}

static void test_a_flush_that_fails_refuses(void **state) {
    struct world *world = *state;
    replace(world->store, "k/1", "old");
    fail_data_syncs = 1;
    assert_int_equal(store_replace(world->store, "k/1", view_of_string("new")), IO);
    assert_value(world->store, "k/1", "old");
    lose_power(world, true);
    assert_value(world->store, "k/1", "old");
    fail_data_syncs = 1;
    assert_int_equal(store_replace(world->store, "k/1", view_of_string("new")), IO);
    replace(world->store, "k/2", "there");
    lose_power(world, false);
    assert_value(world->store, "k/1", "old");
    assert_value(world->store, "k/2", "there");
}

static void test_a_dead_disk_refuses_all(void **state) {
    struct world *world = *state;
    replace(world->store, "k/1", "old");
    fail_data_syncs = 2; /* nor can it be told that the transaction counts for nothing */
    assert_int_equal(store_replace(world->store, "k/1", view_of_string("new")), IO);
    assert_int_equal(store_replace(world->store, "k/2", view_of_string("2")), IO);
    assert_int_equal(store_publish(world->store, "k/1", "k/3"), IO);
    assert_value(world->store, "k/1", "old");
    lose_power(world, false);
    replace(world->store, "k/2", "2");
    assert_value(world->store, "k/2", "2");
}

static void test_a_window_that_cannot_end_refuses_all(void **state) {
    struct world *world = *state;
    replace(world->store, "k/1", "1");
    fail_syncs = 1;
    assert_int_equal(store_publish(world->store, "k/1", "k/2"), IO);
    assert_int_equal(store_publish(world->store, "k/1", "k/2"), IO);
    assert_int_equal(store_replace(world->store, "k/3", view_of_string("3")), IO);
    assert_non_null(strstr(error_text(), "opened again"));
    lose_power(world, true);
    assert_value(world->store, "k/1", "1");
    assert_value(world->store, "k/2", NULL);
    assert_int_equal(store_publish(world->store, "k/1", "k/2"), OK);
}

static void test_a_store_without_a_journal_works(void **state) {
    struct world *world = *state;
    store_close(world->store);
    fail_writes = 1; /* the new journal */
    assert_int_equal(store_open(world->folder, &world->store), OK);
    enum store_extent extent;
    const struct store_step step = {.kind = STORE_MOVE, .key = "k/1", .to = "k/2"};
    replace(world->store, "k/1", "1");
    assert_int_equal(store_change(world->store, &step, 1, &extent), OK);
    assert_int_equal(extent, STORE_NOTHING);
    assert_int_equal(store_seal(world->store, "k", "k/end", view_of_string("e")), OK);
    assert_int_equal(store_delete(world->store, "k/1"), OK);
    assert_value(world->store, "k/end", "e");
    store_close(world->store);
    assert_int_equal(store_open(world->folder, &world->store), OK);
    assert_value(world->store, "k/end", "e");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_sound, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_flushed_comes_back),
        TEST(test_doing_it_again_changes_nothing),
        TEST(test_a_seal_is_there_with_all_that_it_seals),
        TEST(test_steps_count_as_one),
        TEST(test_long_values_go_to_their_files),
        TEST(test_what_went_past_the_journal_stays),
        TEST(test_windows_follow_each_other),
        TEST(test_many_threads_at_once),
        TEST(test_a_torn_end_is_the_end),
        TEST(test_damage_is_no_torn_end),
        TEST(test_heads_bear_one_damage),
        TEST(test_copies_are_of_what_was_said_before),
        TEST(test_a_full_disk_refuses),
        TEST(test_a_flush_that_fails_refuses),
        TEST(test_a_dead_disk_refuses_all),
        TEST(test_a_window_that_cannot_end_refuses_all),
        TEST(test_a_store_without_a_journal_works),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
