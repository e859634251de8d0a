/* The access log: what is appended stays, in order, and what was done to it is seen. */
#include "access_logs.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "format/hash.h"

static void test_pages_are_the_callers_own(void **state) {
    struct access_log *log = open_log(*state);
    uint8_t image[32];
    append_as(log, "alice", "alice", 1, OK);
    append_as(log, "bob", "alice", 1, OK);
    append_as(log, "bob", "bob", 2, OK);
    append_as(log, "carol", "alice", 3, OK);
    assert_int_equal(count_of(log, "alice"), 3);
    assert_int_equal(count_of(log, "bob"), 2);
    assert_int_equal(count_of(log, "carol"), 1);
    assert_int_equal(count_of(log, "dave"), 0);

    memset(image, 1, sizeof image);
    AUTO_FORMAT Myelin__AuditPage *of_image = page_of(log, "alice", image, 0, ALL);
    assert_int_equal(of_image->n_entry, 2);
    AUTO_FORMAT Myelin__AuditPage *first = page_of(log, "alice", NULL, 0, 2);
    assert_int_equal(first->n_entry, 2);
    assert_true(first->more);
    AUTO_FORMAT Myelin__AuditPage *rest = page_of(log, "alice", NULL, first->entry[1]->sequence, 2);
    assert_int_equal(rest->n_entry, 1);
    assert_int_equal(rest->entry[0]->sequence, 4);
    assert_false(rest->more);
    access_log_close(log);
}

static void test_entries_are_chained(void **state) {
    make_log(*state, 5);
    struct access_log *log = open_log(*state);
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, ALL);
    uint8_t previous[32] = {0}, hash[32];
    assert_int_equal(page->n_entry, 5);
    for (size_t i = 0; i < page->n_entry; i++) {
        const Myelin__AuditEntry *entry = page->entry[i];
        assert_int_equal(entry->sequence, i + 1);
        assert_memory_equal(entry->previous.data, previous, sizeof previous);
        format_audit_hash(view_of(previous, 32), format_view(entry->body), hash);
        assert_memory_equal(entry->hash.data, hash, sizeof hash);
        memcpy(previous, hash, sizeof hash);
    }
    access_log_close(log);
}

static void test_reopened_log_goes_on(void **state) {
    make_log(*state, 3);
    make_log(*state, 2);
    struct access_log *log = open_log(*state);
    assert_int_equal(access_log_last(log), 5);
    assert_int_equal(count_of(log, "alice"), 5);
    assert_false(access_log_damaged(log));
    access_log_close(log);
    struct stat status;
    assert_int_equal(stat(in_folder(*state, "access.log"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* Wherever a crash ends the last record, the entries before it stay and the log goes on. */
static void test_torn_tail_is_cut(void **state) {
    AUTO_BYTES struct bytes two = {0}, three = {0}, kept = {0};
    make_log(*state, 2);
    read_whole(in_folder(*state, "access.log"), &two);
    make_log(*state, 1);
    read_whole(in_folder(*state, "access.log"), &three);
    for (size_t len = two.len + 1; len < three.len; len++) {
        write_whole(in_folder(*state, "access.log"), view_of(three.data, len));
        struct access_log *log = open_log(*state);
        assert_false(access_log_damaged(log));
        assert_int_equal(access_log_last(log), 2);
        append_as(log, "alice", "alice", 9, OK);
        assert_int_equal(count_of(log, "alice"), 3);
        access_log_close(log);
        read_whole(in_folder(*state, "access.log.cut-2"), &kept);
        assert_int_equal(kept.len, len - two.len);
        assert_memory_equal(kept.data, three.data + two.len, kept.len);
    }
    assert_false(exists(in_folder(*state, "access.log.1")));
}

static void test_zeros_at_the_end_are_cut(void **state) {
    AUTO_BYTES struct bytes contents = {0};
    static const uint8_t zeros[5000];
    make_log(*state, 2);
    read_whole(in_folder(*state, "access.log"), &contents);
    assert_int_equal(bytes_append(&contents, view_of(zeros, sizeof zeros)), OK);
    write_whole(in_folder(*state, "access.log"), bytes_view(&contents));
    struct access_log *log = open_log(*state);
    assert_false(access_log_damaged(log));
    append_as(log, "alice", "alice", 1, OK);
    access_log_close(log);
    log = open_log(*state);
    assert_int_equal(count_of(log, "alice"), 3);
    access_log_close(log);
}

/* Each bit of a record in the middle: seen, kept as evidence, and the log goes on beside it. */
static void test_every_edit_is_seen(void **state) {
    AUTO_BYTES struct bytes one = {0}, two = {0}, whole = {0};
    AUTO_BYTES struct bytes edited = {0}, after = {0};
    make_log(*state, 1);
    read_whole(in_folder(*state, "access.log"), &one);
    make_log(*state, 1);
    read_whole(in_folder(*state, "access.log"), &two);
    make_log(*state, 8); /* far from the end, so that no length can pass for a torn one */
    read_whole(in_folder(*state, "access.log"), &whole);
    for (size_t offset = one.len; offset < two.len; offset++) {
        write_whole(in_folder(*state, "access.log"), bytes_view(&whole));
        flip_bit(in_folder(*state, "access.log"), offset, (unsigned)offset % 8);
        read_whole(in_folder(*state, "access.log"), &edited);
        struct access_log *log = open_log(*state);
        assert_true(access_log_damaged(log));
        assert_int_equal(count_of(log, "alice"), 1);
        assert_true(access_log_last(log) >= 10);
        append_as(log, "alice", "alice", 1, OK);
        assert_int_equal(count_of(log, "alice"), 2);
        access_log_close(log);
        read_whole(in_folder(*state, "access.log"), &after);
        assert_true(view_equal(bytes_view(&edited), bytes_view(&after)));
        assert_true(exists(in_folder(*state, "access.log.1")));
        assert_int_equal(unlink(in_folder(*state, "access.log.1")), 0);
    }
}

static void test_damage_is_remembered_and_chained_over(void **state) {
    make_log(*state, 4);
    flip_bit(in_folder(*state, "access.log"), 20, 3); /* in the first record */
    struct access_log *log = open_log(*state);
    access_log_close(log);
    log = open_log(*state); /* the new segment is still empty: no third one */
    assert_false(exists(in_folder(*state, "access.log.2")));
    append_as(log, "alice", "alice", 1, OK);
    append_as(log, "alice", "alice", 2, OK);
    access_log_close(log);
    log = open_log(*state);
    assert_true(access_log_damaged(log));
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, ALL);
    assert_int_equal(page->n_entry, 2);
    assert_true(page->entry[0]->sequence > 4);
    append_as(log, "alice", "alice", 3, OK);
    access_log_close(log);
    log = open_log(*state);
    assert_int_equal(count_of(log, "alice"), 3);
    access_log_close(log);
    assert_false(exists(in_folder(*state, "access.log.2")));
}

static void test_dropped_record_is_seen(void **state) {
    AUTO_BYTES struct bytes one = {0}, two = {0}, four = {0};
    make_log(*state, 1);
    read_whole(in_folder(*state, "access.log"), &one);
    make_log(*state, 1);
    read_whole(in_folder(*state, "access.log"), &two);
    make_log(*state, 2);
    read_whole(in_folder(*state, "access.log"), &four);
    memmove(four.data + one.len, four.data + two.len, four.len - two.len);
    four.len -= two.len - one.len;
    write_whole(in_folder(*state, "access.log"), bytes_view(&four));
    struct access_log *log = open_log(*state);
    assert_true(access_log_damaged(log));
    assert_int_equal(count_of(log, "alice"), 1);
    access_log_close(log);
}

static void test_not_a_log_is_left_alone(void **state) {
    write_whole(in_folder(*state, "access.log"), view_of_string("something else entirely"));
    struct access_log *log = open_log(*state);
    assert_true(access_log_damaged(log));
    append_as(log, "alice", "alice", 1, OK);
    access_log_close(log);
    AUTO_BYTES struct bytes contents = {0};
    read_whole(in_folder(*state, "access.log"), &contents);
    assert_true(view_equal(bytes_view(&contents), view_of_string("something else entirely")));
}

static void test_edit_while_open_is_not_served(void **state) {
    AUTO_BYTES struct bytes wire = {0};
    struct access_log *log = open_log(*state);
    append_as(log, "alice", "alice", 1, OK);
    FILE *file = fopen(in_folder(*state, "access.log"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    int last = getc(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    putc(last ^ 1, file);
    fclose(file);
    assert_int_equal(access_log_page(log, "alice", NULL, 0, ALL, &wire), INTEGRITY);
    access_log_close(log);
}

static void test_bad_entry_changes_nothing(void **state) {
    struct access_log *log = open_log(*state);
    append_as(log, "alice", "alice", 1, OK);
    append_as(log, "Not A Name", "alice", 1, INVALID);
    append_as(log, "alice", "alice", 1, OK);
    assert_int_equal(access_log_last(log), 2);
    access_log_close(log);
    log = open_log(*state);
    assert_int_equal(count_of(log, "alice"), 2);
    access_log_close(log);
}

/* A full disk refuses entries and costs none that was acknowledged. */
static void test_full_disk(void **state) {
    struct access_log *log = open_log(*state);
    append_as(log, "alice", "alice", 1, OK);
    struct stat status;
    struct rlimit before, small;
    assert_int_equal(stat(in_folder(*state, "access.log"), &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)status.st_size + 10; /* part of a record fits */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    append_as(log, "alice", "alice", 2, IO);
    append_as(log, "alice", "alice", 3, IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    append_as(log, "alice", "alice", 4, OK);
    assert_int_equal(count_of(log, "alice"), 2);
    access_log_close(log);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_int_equal(access_log_last(log), 2);
    access_log_close(log);
}

enum { THREADS = 16, EACH = 25 };

static void *append_many(void *log) {
    for (int i = 0; i < EACH; i++)
        append_as(log, "alice", "bob", (uint8_t)i, OK);
    return NULL;
}

static void test_many_threads(void **state) {
    struct access_log *log = open_log(*state);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_many, log), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(access_log_last(log), THREADS * EACH);
    access_log_close(log);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "bob", NULL, 0, ACCESS_LOG_PAGE_MAX);
    assert_int_equal(page->n_entry, THREADS * EACH);
    access_log_close(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_pages_are_the_callers_own),
        LOG_TEST(test_entries_are_chained),
        LOG_TEST(test_reopened_log_goes_on),
        LOG_TEST(test_torn_tail_is_cut),
        LOG_TEST(test_zeros_at_the_end_are_cut),
        LOG_TEST(test_every_edit_is_seen),
        LOG_TEST(test_damage_is_remembered_and_chained_over),
        LOG_TEST(test_dropped_record_is_seen),
        LOG_TEST(test_not_a_log_is_left_alone),
        LOG_TEST(test_edit_while_open_is_not_served),
        LOG_TEST(test_bad_entry_changes_nothing),
        LOG_TEST(test_full_disk),
        LOG_TEST(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
