/* Segments of the access log: the chain goes on over them, old ones may go, and gaps are seen. */
#include "access_logs.h"

#include <pthread.h>

#include "audit/segment.h"

enum { SMALL = 900 }; /* bytes: some four entries */

static void make_segments(const char *folder, int entries) {
    struct access_log *log = open_log(folder);
    access_log_set_limit(log, SMALL);
    for (int i = 0; i < entries; i++)
        append_as(log, "alice", "alice", (uint8_t)i, OK);
    access_log_close(log);
}

static size_t segments_in(const char *folder) {
    uint32_t *numbers = NULL;
    size_t count = 0;
    assert_int_equal(segment_list(folder, &numbers, &count), OK);
    for (size_t i = 1; i < count; i++)
        assert_true(numbers[i] == numbers[i - 1] + 1);
    free(numbers);
    return count;
}

static void remove_segment(const char *folder, uint32_t number) {
    char path[PATH_MAX];
    assert_int_equal(segment_path(folder, number, path, sizeof path), OK);
    assert_int_equal(unlink(path), 0);
}

static void test_the_chain_goes_on_over_segments(void **state) {
    make_segments(*state, 40);
    assert_true(segments_in(*state) > 5);
    struct access_log *log = open_log(*state);
    assert_false(access_log_damaged(log));
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, ALL);
    assert_int_equal(page->n_entry, 40);
    for (size_t i = 0; i < 40; i++) {
        uint8_t hash[32];
        assert_int_equal(page->entry[i]->sequence, i + 1);
        assert_int_equal(access_log_hash_at(log, i + 1, hash), OK);
        assert_memory_equal(hash, page->entry[i]->hash.data, 32);
        if (i > 0)
            assert_memory_equal(page->entry[i]->previous.data, page->entry[i - 1]->hash.data, 32);
    }
    access_log_close(log);
}

static void test_on_request(void **state) {
    struct access_log *log = open_log(*state);
    assert_int_equal(access_log_rotate(log), OK); /* nothing to be rotated */
    assert_int_equal(segments_in(*state), 1);
    append_as(log, "alice", "alice", 1, OK);
    assert_int_equal(access_log_rotate(log), OK);
    assert_int_equal(access_log_rotate(log), OK);
    assert_int_equal(segments_in(*state), 2);
    append_as(log, "alice", "alice", 2, OK);
    assert_int_equal(count_of(log, "alice"), 2);
    access_log_close(log);
}

/* More entries than fit on a page are gone, while the log is open: those after them are shown. */
static void test_what_is_taken_away_hides_nothing(void **state) {
    struct access_log *log = open_log(*state);
    access_log_set_limit(log, SMALL);
    for (int i = 0; i < 40; i++)
        append_as(log, "alice", "alice", (uint8_t)i, OK);
    uint32_t count = (uint32_t)segments_in(*state);
    for (uint32_t i = 0; i + 1 < count; i++)
        remove_segment(*state, i);
    AUTO_FORMAT Myelin__AuditPage *all = page_of(log, "alice", NULL, 0, ALL);
    assert_true(all->n_entry > 1 && all->n_entry < 10);
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, 1);
    assert_int_equal(page->n_entry, 1);
    assert_true(page->more);
    assert_int_equal(page->entry[0]->sequence, all->entry[0]->sequence);
    access_log_close(log);
}

static void test_old_segments_may_go(void **state) {
    make_segments(*state, 40);
    size_t count = segments_in(*state);
    for (uint32_t i = 0; i + 1 < count; i++) {
        remove_segment(*state, i);
        struct access_log *log = open_log(*state);
        assert_false(access_log_damaged(log));
        assert_int_equal(access_log_last(log), 40);
        assert_true(count_of(log, "alice") < 40);
        access_log_close(log);
    }
    struct access_log *log = open_log(*state);
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, ALL);
    uint64_t before = page->n_entry > 0 ? page->entry[0]->sequence - 1 : 40;
    uint8_t hash[32];
    assert_int_equal(access_log_hash_at(log, before, hash), OK);
    if (page->n_entry > 0)
        assert_memory_equal(hash, page->entry[0]->previous.data, 32);
    assert_int_equal(access_log_hash_at(log, before - 1, hash), NOT_FOUND);
    assert_error_has("taken away");
    append_as(log, "alice", "alice", 1, OK);
    assert_int_equal(access_log_last(log), 41);
    access_log_close(log);
    make_segments(*state, 10); /* numbers go on where they were */
    assert_true(segments_in(*state) > 1);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_int_equal(access_log_last(log), 51);
    access_log_close(log);
}

static void test_old_segments_may_go_meanwhile(void **state) {
    make_segments(*state, 20);
    struct access_log *log = open_log(*state);
    uint8_t hash[32];
    remove_segment(*state, 0);
    size_t left = count_of(log, "alice");
    assert_true(left > 0 && left < 20);
    assert_int_equal(access_log_hash_at(log, 1, hash), NOT_FOUND);
    assert_int_equal(access_log_hash_at(log, 20, hash), OK);
    assert_int_equal(access_log_hash_at(log, 21, hash), NOT_FOUND);
    access_log_close(log);
}

/* A segment in the middle, and the end of one, whole entries only: the entries behind are served,
 * and the log is damaged. */
static void test_gaps_are_seen(void **state) {
    AUTO_BYTES struct bytes second = {0};
    make_segments(*state, 40);
    read_whole(in_folder(*state, "access.log.1"), &second);
    remove_segment(*state, 1);
    struct access_log *log = open_log(*state);
    assert_true(access_log_damaged(log));
    assert_int_equal(access_log_last(log), 40);
    assert_true(count_of(log, "alice") < 40 && count_of(log, "alice") > 20);
    access_log_close(log);

    uint32_t first_record = load_be32(second.data + SEGMENT_ANCHOR_BYTES);
    write_whole(in_folder(*state, "access.log.1"),
                view_of(second.data, SEGMENT_ANCHOR_BYTES + CHAIN_FRAME_BYTES + first_record));
    log = open_log(*state);
    assert_true(access_log_damaged(log));
    assert_int_equal(access_log_last(log), 40);
    access_log_close(log);

    write_whole(in_folder(*state, "access.log.1"), bytes_view(&second));
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_int_equal(count_of(log, "alice"), 40);
    access_log_close(log);
}

static void test_a_segment_twice_is_seen(void **state) {
    AUTO_BYTES struct bytes second = {0};
    make_segments(*state, 12);
    read_whole(in_folder(*state, "access.log.1"), &second);
    write_whole(in_folder(*state, "access.log.99"), bytes_view(&second));
    struct access_log *log = open_log(*state);
    assert_true(access_log_damaged(log));
    assert_int_equal(count_of(log, "alice"), 12);
    append_as(log, "alice", "alice", 1, OK);
    assert_int_equal(count_of(log, "alice"), 13);
    access_log_close(log);
    assert_true(exists(in_folder(*state, "access.log.100")));
}

static void test_every_edit_of_an_anchor_is_seen(void **state) {
    AUTO_BYTES struct bytes third = {0};
    make_segments(*state, 18);
    read_whole(in_folder(*state, "access.log.2"), &third);
    for (size_t at = 0; at < SEGMENT_ANCHOR_BYTES; at++) {
        write_whole(in_folder(*state, "access.log.2"), bytes_view(&third));
        flip_bit(in_folder(*state, "access.log.2"), at, (unsigned)at % 8);
        struct access_log *log = open_log(*state);
        assert_true(access_log_damaged(log));
        assert_true(access_log_last(log) >= 8);
        append_as(log, "alice", "alice", 1, OK);
        access_log_close(log);
        uint32_t *numbers = NULL;
        size_t count = 0;
        assert_int_equal(segment_list(*state, &numbers, &count), OK);
        for (size_t i = 0; i < count; i++)
            if (numbers[i] > 2)
                remove_segment(*state, numbers[i]);
        free(numbers);
    }
}

/* Killed between the new segment and its first entry, and while it was made. */
static void test_a_crash_between_segments(void **state) {
    make_segments(*state, 3);
    struct access_log *log = open_log(*state);
    assert_int_equal(access_log_rotate(log), OK);
    access_log_close(log);
    write_whole(in_folder(*state, "access.log.2.0123456789abcdef.tmp"), view_of_string("MYEL"));
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_false(exists(in_folder(*state, "access.log.2.0123456789abcdef.tmp")));
    append_as(log, "alice", "alice", 1, OK);
    access_log_close(log);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_int_equal(count_of(log, "alice"), 4);
    access_log_close(log);
    assert_int_equal(segments_in(*state), 2);
}

/* Where the next segment cannot be made, the log goes on in the last one. */
static void test_no_next_segment(void **state) {
    struct access_log *log = open_log(*state);
    append_as(log, "alice", "alice", 1, OK);
    write_whole(in_folder(*state, "access.log.1"), view_of_string("in the way"));
    assert_int_equal(access_log_rotate(log), CONFLICT);
    append_as(log, "alice", "alice", 2, OK);
    assert_int_equal(count_of(log, "alice"), 2);
    assert_int_equal(unlink(in_folder(*state, "access.log.1")), 0);
    assert_int_equal(access_log_rotate(log), OK);
    append_as(log, "alice", "alice", 3, OK);
    access_log_close(log);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    assert_int_equal(count_of(log, "alice"), 3);
    access_log_close(log);
}

/* Used at once, and closed at once: neither waits for older segments to be verified. */
static void test_used_while_older_ones_are_verified(void **state) {
    make_segments(*state, 60);
    struct access_log *log = NULL;
    assert_int_equal(access_log_open(*state, &log), OK);
    append_as(log, "alice", "alice", 1, OK);
    assert_int_equal(access_log_rotate(log), OK);
    append_as(log, "alice", "alice", 2, OK);
    assert_int_equal(access_log_wait(log, 20000), OK);
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "alice", NULL, 0, ALL);
    assert_int_equal(page->n_entry, 62);
    for (size_t i = 0; i < page->n_entry; i++)
        assert_int_equal(page->entry[i]->sequence, i + 1);
    access_log_close(log);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(access_log_open(*state, &log), OK);
        access_log_close(log);
    }
}

enum { THREADS = 16, EACH = 25 };

static void *append_many(void *log) {
    for (int i = 0; i < EACH; i++) {
        append_as(log, "alice", "bob", (uint8_t)i, OK);
        if (i % 8 == 0)
            assert_int_equal(access_log_rotate(log), OK);
    }
    return NULL;
}

static void test_rotation_under_load(void **state) {
    struct access_log *log = open_log(*state);
    access_log_set_limit(log, SMALL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_many, log), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    AUTO_FORMAT Myelin__AuditPage *now = page_of(log, "bob", NULL, 0, ACCESS_LOG_PAGE_MAX);
    assert_int_equal(now->n_entry, THREADS * EACH);
    access_log_close(log);
    log = open_log(*state);
    assert_false(access_log_damaged(log));
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, "bob", NULL, 0, ACCESS_LOG_PAGE_MAX);
    assert_int_equal(page->n_entry, THREADS * EACH);
    assert_true(segments_in(*state) > 5);
    access_log_close(log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_the_chain_goes_on_over_segments),
        LOG_TEST(test_on_request),
        LOG_TEST(test_what_is_taken_away_hides_nothing),
        LOG_TEST(test_old_segments_may_go),
        LOG_TEST(test_old_segments_may_go_meanwhile),
        LOG_TEST(test_gaps_are_seen),
        LOG_TEST(test_a_segment_twice_is_seen),
        LOG_TEST(test_every_edit_of_an_anchor_is_seen),
        LOG_TEST(test_a_crash_between_segments),
        LOG_TEST(test_no_next_segment),
        LOG_TEST(test_used_while_older_ones_are_verified),
        LOG_TEST(test_rotation_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
