/* The offline check: whatever is done to a log's files is found and placed, and what its server
 * makes of it holds. */
#include "access_logs.h"

#include "audit/check.h"
#include "audit/segment.h"

enum { ENTRIES = 14, SMALL = 900, FILES_MAX = 16 };

/* A log of several segments, as bytes. */
struct whole {
    size_t count;
    struct bytes segment[FILES_MAX];
    struct chain_head head;
};

static void whole_free(struct whole *whole) {
    for (size_t i = 0; i < whole->count; i++)
        bytes_free(&whole->segment[i]);
}
#define AUTO_WHOLE __attribute__((cleanup(whole_free)))

static const char *segment_of(const char *folder, size_t number) {
    static char paths[FILES_MAX + 1][PATH_MAX];
    assert_int_equal(segment_path(folder, (uint32_t)number, paths[number], PATH_MAX), OK);
    return paths[number];
}

static void make_whole(const char *folder, struct whole *out) {
    struct access_log *log = open_log(folder);
    access_log_set_limit(log, SMALL);
    for (int i = 0; i < ENTRIES; i++)
        append_as(log, "alice", "alice", (uint8_t)i, OK);
    access_log_head(log, &out->head);
    access_log_close(log);
    while (exists(segment_of(folder, out->count))) {
        read_whole(segment_of(folder, out->count), &out->segment[out->count]);
        out->count++;
    }
    assert_int_equal(out->count, 3);
}

static void check_files(const char *folder, size_t first, size_t count,
                        const struct chain_head *head, struct check *out) {
    const char *paths[FILES_MAX];
    for (size_t i = 0; i < count; i++)
        paths[i] = segment_of(folder, first + i);
    assert_int_equal(check_segments(paths, count, head, NULL, NULL, out), OK);
}

/* Where each record of a segment begins; the last is the segment's end. */
static size_t boundaries(struct view segment, size_t number, size_t out[ENTRIES + 1]) {
    size_t count = 0, at = number == 0 ? CHAIN_MAGIC_BYTES : (size_t)SEGMENT_ANCHOR_BYTES;
    while (at < segment.len) {
        out[count++] = at;
        at += CHAIN_FRAME_BYTES + load_be32(segment.data + at);
    }
    out[count] = at;
    return count;
}

static void test_a_whole_log_holds(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    AUTO_CHECK struct check check = {0};
    check_files(*state, 0, 3, &whole.head, &check);
    assert_int_equal(check.faults, 0);
    assert_int_equal(check.entries, ENTRIES);
    assert_int_equal(check.before.sequence, 0);
    assert_memory_equal(&check.last, &whole.head, sizeof whole.head);
    assert_int_equal(check.head, CHECK_HEAD_HOLDS);
    assert_int_equal(check.files[1].first, check.files[0].last.sequence + 1);
}

static void test_any_order_and_an_archive(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    const char *paths[] = {segment_of(*state, 2), segment_of(*state, 0), segment_of(*state, 1)};
    AUTO_CHECK struct check mixed = {0}, rest = {0}, older = {0};
    assert_int_equal(check_segments(paths, 3, &whole.head, NULL, NULL, &mixed), OK);
    assert_int_equal(mixed.faults, 0);
    assert_int_equal(mixed.entries, ENTRIES);
    check_files(*state, 1, 2, &whole.head, &rest);
    assert_int_equal(rest.faults, 0);
    assert_int_equal(rest.before.sequence, mixed.files[0].last.sequence);
    assert_memory_equal(rest.before.hash, mixed.files[0].last.hash, DIGEST_BYTES);
    check_files(*state, 1, 2, &(struct chain_head){.sequence = 1}, &older);
    assert_int_equal(older.head, CHECK_HEAD_OLDER);
}

/* Cut anywhere in the last segment, and at the end of each entry of the others. */
static void test_every_cut_is_found(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    for (size_t s = 0; s < whole.count; s++) {
        size_t starts[ENTRIES + 1];
        size_t count = boundaries(bytes_view(&whole.segment[s]), s, starts);
        for (size_t len = 0; len < whole.segment[s].len; len++) {
            bool is_boundary = false;
            for (size_t i = 0; i < count; i++)
                is_boundary = is_boundary || starts[i] == len;
            if (s + 1 < whole.count && !is_boundary && len % 7 != 0)
                continue;
            write_whole(segment_of(*state, s), view_of(whole.segment[s].data, len));
            AUTO_CHECK struct check check = {0}, alone = {0};
            check_files(*state, 0, 3, &whole.head, &check);
            assert_true(check.faults > 0 || check.head == CHECK_HEAD_MISSING);
            if (s + 1 < whole.count)
                assert_true(check.faults > 0);
            else /* whole entries cut off the end show in a head alone */
                assert_int_equal(check.faults, !is_boundary);
            check_files(*state, 0, 3, NULL, &alone);
            assert_int_equal(alone.faults, check.faults);
        }
        write_whole(segment_of(*state, s), bytes_view(&whole.segment[s]));
    }
}

static void test_every_edit_is_placed(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    for (size_t s = 0; s < whole.count; s++) {
        size_t starts[ENTRIES + 1];
        size_t count = boundaries(bytes_view(&whole.segment[s]), s, starts);
        for (size_t at = 0; at < whole.segment[s].len; at += 3) {
            flip_bit(segment_of(*state, s), at, (unsigned)at % 8);
            AUTO_CHECK struct check check = {0};
            check_files(*state, 0, 3, &whole.head, &check);
            assert_true(check.faults > 0);
            const struct check_file *first = &check.files[0];
            for (size_t i = 0; i < check.count && first->is_whole; i++)
                first = &check.files[i];
            size_t entry = 0; /* of the segment: the one that was edited */
            while (entry < count && starts[entry + 1] <= at)
                entry++;
            if (at >= starts[0]) {
                assert_string_equal(first->path, segment_of(*state, s));
                assert_int_equal(first->offset, starts[entry]);
                assert_int_equal(first->sequence, check.files[s].before.sequence + entry + 1);
            }
            write_whole(segment_of(*state, s), bytes_view(&whole.segment[s]));
        }
    }
}

/* One entry taken out, two swapped, one twice: in each segment, at each place. */
static void rearrange(struct view segment, const size_t starts[], size_t count, size_t entry,
                      int how, struct bytes *out) {
    out->len = 0;
    assert_int_equal(bytes_append(out, view_of(segment.data, starts[0])), OK);
    for (size_t i = 0; i < count; i++) {
        size_t from = how == 1 && i == entry ? i + 1 : how == 1 && i == entry + 1 ? i - 1 : i;
        struct view record = view_of(segment.data + starts[from], starts[from + 1] - starts[from]);
        if (how != 0 || i != entry)
            assert_int_equal(bytes_append(out, record), OK);
        if (how == 2 && i == entry)
            assert_int_equal(bytes_append(out, record), OK);
    }
}

static void test_every_rearrangement_is_found(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    AUTO_BYTES struct bytes altered = {0};
    for (size_t s = 0; s < whole.count; s++) {
        size_t starts[ENTRIES + 1];
        size_t count = boundaries(bytes_view(&whole.segment[s]), s, starts);
        for (int how = 0; how < 3; how++)
            for (size_t entry = 0; entry + (how == 1) < count; entry++) {
                rearrange(bytes_view(&whole.segment[s]), starts, count, entry, how, &altered);
                write_whole(segment_of(*state, s), bytes_view(&altered));
                AUTO_CHECK struct check check = {0};
                check_files(*state, 0, 3, &whole.head, &check);
                bool only_tail = how == 0 && s == 2 && entry + 1 == count;
                assert_true(only_tail ? check.head == CHECK_HEAD_MISSING : check.faults > 0);
            }
        write_whole(segment_of(*state, s), bytes_view(&whole.segment[s]));
    }
}

static void test_a_lost_segment_is_found(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    const char *ends[] = {segment_of(*state, 0), segment_of(*state, 2)};
    AUTO_CHECK struct check middle = {0}, last = {0};
    assert_int_equal(check_segments(ends, 2, &whole.head, NULL, NULL, &middle), OK);
    assert_int_equal(middle.faults, 1);
    assert_non_null(strstr(middle.files[1].why, "before it are missing"));
    assert_int_equal(middle.head, CHECK_HEAD_HOLDS); /* but not in silence */
    check_files(*state, 0, 2, &whole.head, &last);
    assert_int_equal(last.faults, 0);
    assert_int_equal(last.head, CHECK_HEAD_MISSING);
}

/* A chain that is good in itself, of another past. */
static void test_another_past_is_found(void **state) {
    AUTO_WHOLE struct whole whole = {0};
    make_whole(*state, &whole);
    struct chain_head other = whole.head;
    other.hash[0] ^= 1;
    AUTO_CHECK struct check check = {0};
    check_files(*state, 0, 3, &other, &check);
    assert_int_equal(check.faults, 0);
    assert_int_equal(check.head, CHECK_HEAD_DIFFERS);
}

/* What a server makes of damage: the damaged segment is named, the ones after it hold. */
static void test_a_log_that_went_on_after_damage(void **state) {
    make_log(*state, 6);
    flip_bit(in_folder(*state, "access.log"), 300, 1);
    make_log(*state, 3);
    AUTO_CHECK struct check check = {0};
    check_files(*state, 0, 2, NULL, &check);
    assert_int_equal(check.faults, 1);
    assert_false(check.files[0].is_whole);
    assert_true(check.files[1].is_whole);
    assert_int_equal(check.files[1].entries, 3);
}

static result take_three(void *context, const struct chain_head *at,
                         const Myelin__AuditBody *body) {
    uint64_t *next = context;
    assert_int_equal(at->sequence, ++*next);
    assert_string_equal(body->user, "alice");
    return *next == 3 ? FAIL(IO, "enough") : OK;
}

static void test_entries_are_handed_out_in_order(void **state) {
    make_log(*state, 5);
    const char *path = in_folder(*state, "access.log");
    uint64_t next = 0;
    AUTO_CHECK struct check check = {0};
    assert_int_equal(check_segments(&path, 1, NULL, take_three, &next, &check), IO);
    assert_int_equal(next, 3);
    path = in_folder(*state, "nothing");
    assert_int_equal(check_segments(&path, 1, NULL, NULL, NULL, &check), NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_a_whole_log_holds),
        LOG_TEST(test_any_order_and_an_archive),
        LOG_TEST(test_every_cut_is_found),
        LOG_TEST(test_every_edit_is_placed),
        LOG_TEST(test_every_rearrangement_is_found),
        LOG_TEST(test_a_lost_segment_is_found),
        LOG_TEST(test_another_past_is_found),
        LOG_TEST(test_a_log_that_went_on_after_damage),
        LOG_TEST(test_entries_are_handed_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
