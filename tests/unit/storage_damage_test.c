/* Damage: of every file that a storage server keeps, every change is noticed; a disk that refuses
 * to write fails the request and nothing else. */
#include "storage_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "storage/record.h"

/* What readers are answered, all in one: equal before and after, or an error. */
struct view_of_image {
    result results[7];
    uint8_t hashes[7][DIGEST_BYTES];
};

static void keep(struct view_of_image *seen, size_t index, result got, struct bytes *bytes) {
    seen->results[index] = got;
    if (got == OK)
        digest_sha256(bytes_view(bytes), seen->hashes[index]);
    bytes->len = 0;
}

static void look(struct fixture *f, const struct draft *draft, struct view_of_image *seen) {
    AUTO_BYTES struct bytes bytes = {0};
    const struct storage_caller *alice = &f->alice.caller, *bob = &f->bob.caller;
    const struct image_id *image = &draft->image;
    const struct short_id *object = &draft->objects[0].id;
    *seen = (struct view_of_image){0};
    keep(seen, 0, image_answer(f->storage, alice, image, &bytes), &bytes);
    keep(seen, 1, forward_symbol(f->storage, alice, image, "alice", SLOT_ANY, &bytes), &bytes);
    keep(seen, 2, forward_symbol(f->storage, bob, image, "bob", SLOT_ANY, &bytes), &bytes);
    keep(seen, 3, image_hashes(f->storage, alice, image, object, SLOT_ANY, &bytes), &bytes);
    keep(seen, 4, put_read_commit(f->storage, alice, image, &draft->put, &bytes), &bytes);
    keep(seen, 5, image_answer(f->storage, bob, image, &bytes), &bytes);
    keep(seen, 6, listing_objects(f->storage, alice, image, "", &bytes), &bytes);
}

static bool is_slices(const char *name) {
    return strstr(name, PLACE_SLICES_SUFFIX) != NULL;
}

/* The object of index 0 is the one that is looked at. */
static void assert_noticed(struct fixture *f, const struct draft *draft, const char *name,
                           const struct view_of_image *good) {
    struct view_of_image seen;
    size_t errors = 0;
    look(f, draft, &seen);
    for (size_t i = 0; i < 6; i++) {
        if (seen.results[i] != OK)
            errors++;
        else
            assert_memory_equal(seen.hashes[i], good->hashes[i], DIGEST_BYTES);
        assert_true(seen.results[i] == OK || seen.results[i] == INTEGRITY ||
                    seen.results[i] == NOT_FOUND);
    }
    AUTO_FORMAT Myelin__CheckAnswer *answer = check_of(f, &f->alice, draft);
    bool all_good = answer->envelope_good;
    for (size_t i = 0; i < answer->n_object; i++)
        all_good = all_good && answer->object[i]->good;
    if (strstr(name, ".manifest") != NULL || is_slices(name) || strchr(name, '.') == NULL)
        assert_false(all_good); /* parts of the image; the others are errors when asked for */
    else
        assert_true(errors > 0);
}

static void each_file(struct fixture *f, const struct draft *draft,
                      void (*damage)(struct fixture *f, const struct draft *draft, const char *name,
                                     const struct view_of_image *good)) {
    AUTO_NAMES struct store_names names = {0};
    struct view_of_image good;
    look(f, draft, &good);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(good.results[i], OK);
    assert_int_equal(store_list(f->store, place_image(&draft->image).key, "", "", &names), OK);
    /* owner, envelope, symbol, a manifest and slices, the put, the forward */
    assert_int_equal(names.count, 7);
    for (size_t i = 0; i < names.count; i++)
        damage(f, draft, names.names[i], &good);
}

static void restore(struct fixture *f, const char *key, const struct bytes *value) {
    assert_int_equal(store_replace(f->store, key, bytes_view(value)), OK);
}

static void flip_bits(struct fixture *f, const struct draft *draft, const char *name,
                      const struct view_of_image *good) {
    struct place place = place_of_image(&draft->image, name);
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(store_get(f->store, place.key, 1 << 20, &value), OK);
    for (size_t i = 0; i < value.len; i += 1 + value.len / 40) {
        value.data[i] ^= 0x04;
        restore(f, place.key, &value);
        assert_noticed(f, draft, name, good);
        value.data[i] ^= 0x04;
    }
    restore(f, place.key, &value);
    assert_whole(f, draft);
}

static void truncate_file(struct fixture *f, const struct draft *draft, const char *name,
                          const struct view_of_image *good) {
    struct place place = place_of_image(&draft->image, name);
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(store_get(f->store, place.key, 1 << 20, &value), OK);
    const size_t lengths[] = {0, 1, 39, 40, value.len / 2, value.len - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(store_replace(f->store, place.key, view_of(value.data, lengths[i])), OK);
        assert_noticed(f, draft, name, good);
    }
    restore(f, place.key, &value);
    assert_whole(f, draft);
}

/* One record in another's place. */
static void swap_in_another(struct fixture *f, const struct draft *draft, const char *name,
                            const struct view_of_image *good) {
    struct place place = place_of_image(&draft->image, name);
    struct place envelope = place_of_image(&draft->image, PLACE_ENVELOPE);
    struct place symbol = place_of_symbol(&draft->image, FIXTURE_SLOT);
    AUTO_BYTES struct bytes value = {0}, other = {0};
    assert_int_equal(store_get(f->store, place.key, 1 << 20, &value), OK);
    assert_int_equal(store_get(f->store,
                               strcmp(name, PLACE_ENVELOPE) == 0 ? symbol.key : envelope.key,
                               1 << 20, &other),
                     OK);
    restore(f, place.key, &other);
    assert_noticed(f, draft, name, good);
    restore(f, place.key, &value);
}

static void with_image(struct fixture *f,
                       void (*damage)(struct fixture *f, const struct draft *draft,
                                      const char *name, const struct view_of_image *good)) {
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 1000), OK);
    each_file(f, &draft, damage);
    fixture_restart(f);
    assert_whole(f, &draft);
}

static void test_flipped_bits(void **state) {
    with_image(*state, flip_bits);
}

static void test_truncated_files(void **state) {
    with_image(*state, truncate_file);
}

static void test_swapped_records(void **state) {
    with_image(*state, swap_in_another);
}

static const char *fault_of(struct fixture *f, const struct draft *draft, char fault[64]) {
    AUTO_FORMAT Myelin__CheckAnswer *answer = check_of(f, &f->alice, draft);
    assert_int_equal(answer->n_object, 1);
    snprintf(fault, 64, "%s", answer->object[0]->good ? "good" : answer->object[0]->fault);
    return fault;
}

static void test_check_names_the_fault(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes value = {0};
    char fault[64];
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    struct place slices = place_of_slices(&draft.image, &draft.objects[0].id, FIXTURE_SLOT);
    assert_string_equal(fault_of(f, &draft, fault), "good");
    assert_int_equal(store_get(f->store, slices.key, 1 << 20, &value), OK);
    value.data[value.len / 2] ^= 1;
    restore(f, slices.key, &value);
    assert_string_equal(fault_of(f, &draft, fault), "hash differs");
    value.len--;
    restore(f, slices.key, &value);
    assert_string_equal(fault_of(f, &draft, fault), "short");
    assert_int_equal(ask_slices(f, &f->alice, &draft, 0), INTEGRITY);
    assert_int_equal(store_delete(f->store, slices.key), OK);
    assert_string_equal(fault_of(f, &draft, fault), "lost");
    assert_int_equal(ask_slices(f, &f->alice, &draft, 0), NOT_FOUND);
}

/* A damaged removal is no reason to take an old image back. */
static void test_damaged_removals(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_remove(f, &draft, fixture_now_ms), OK);
    struct place removal = place_removal(&draft.image, "alice");
    assert_int_equal(store_replace(f->store, removal.key, view_of_string("x")), OK);
    fixture_restart(f);
    assert_int_equal(ask_stage(f, &f->alice, &draft), INTEGRITY);
    assert_int_equal(ask_image(f, &f->alice, &draft), INTEGRITY);
    assert_int_equal(ask_remove(f, &draft, fixture_now_ms), OK); /* said again */
    assert_int_equal(ask_prepare(f, &f->alice, &draft), NOT_FOUND);
}

/* A prepared put whose record is damaged cannot be trusted; all else goes on. */
static void test_damaged_staging(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft damaged = {0}, good = {0};
    draft_make(&damaged, &f->alice, "study", true, 1);
    draft_make(&good, &f->alice, "other", true, 1);
    assert_int_equal(ask_stage(f, &f->alice, &damaged), OK);
    assert_int_equal(ask_stage(f, &f->alice, &good), OK);
    assert_int_equal(store_replace(f->store, place_staged(&damaged.put, PLACE_PREPARED).key,
                                   view_of_string("x")),
                     OK);
    fixture_restart(f);
    assert_int_equal(ask_commit(f, &f->alice, &damaged), NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &good), OK);
    assert_int_equal(ask_put(f, &f->alice, &damaged), OK);
    assert_whole(f, &damaged);
    assert_whole(f, &good);
}

/* ------------------------------------------------------------------ a full disk */

/* No file of this process may be longer than `bytes`: write() fails as on a full disk. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool staging_is_empty(struct fixture *f) {
    AUTO_NAMES struct store_names names = {0};
    assert_int_equal(store_list(f->store, "staging", "", "", &names), OK);
    return names.count == 0;
}

static void test_a_disk_that_refuses_to_write(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft there = {0}, next = {0};
    draft_make(&there, &f->alice, "study", true, 2);
    draft_make(&next, &f->alice, "other", true, 3);
    assert_int_equal(ask_put(f, &f->alice, &there), OK);
    /* One limit after the other: what fails is the first write, a later one, the records, the
     * journal. */
    for (rlim_t bytes = 0; bytes < 4 << 20; bytes += bytes < 12000 ? 500 : bytes) {
        limit_files(bytes);
        result got = ask_put(f, &f->alice, &next);
        assert_int_equal(ask_slices(f, &f->alice, &there, 1), OK);
        assert_int_equal(ask_image(f, &f->alice, &next), got == OK ? OK : NOT_FOUND);
        limit_files(RLIM_INFINITY);
        if (got == OK)
            break;
        assert_int_equal(got, IO);
        assert_true(staging_is_empty(f));
    }
    assert_whole(f, &next);
    assert_whole(f, &there);
}

static void test_the_reserve_is_kept(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    struct storage_options options = fixture_options(f);
    struct store_space space;
    struct upload *upload = NULL;
    storage_close(f->storage);
    options.reserve_bytes = UINT64_MAX;
    assert_int_equal(storage_open(f->store, &options, &f->storage), OK);
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(store_space(f->store, &space), OK);
    struct upload_options too_long = upload_options_of(&draft.objects[0]);
    too_long.expected_bytes = space.free_bytes - space.total_bytes / STORAGE_RESERVE_SHARE / 2;
    assert_int_equal(
        upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &too_long, &upload),
        IO);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
}

static size_t listed(struct fixture *f, const struct person *who) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImagePage *page = NULL;
    assert_int_equal(listing_images(f->storage, &who->caller, "", &wire), OK);
    assert_int_equal(format_parse_image_page(bytes_view(&wire), &page), OK);
    return page->n_image;
}

static size_t received(struct fixture *f, const struct person *who) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__InboxPage *page = NULL;
    assert_int_equal(listing_inbox(f->storage, &who->caller, "", &wire), OK);
    assert_int_equal(format_parse_inbox_page(bytes_view(&wire), &page), OK);
    return page->n_entry;
}

static bool is_marked(struct fixture *f, struct place mark) {
    uint64_t bytes;
    return store_size(f->store, mark.key, &bytes) == OK;
}

/* What an index lost is found again by a start, and only that. */
static void test_lost_marks(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft kept = {0}, lost = {0};
    draft_make(&kept, &f->alice, "kept", true, 1);
    draft_make(&lost, &f->alice, "lost", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &kept), OK);
    assert_int_equal(ask_put(f, &f->alice, &lost), OK);
    assert_int_equal(ask_forward(f, &kept, &f->bob, 1000), OK);
    assert_int_equal(ask_forward(f, &lost, &f->bob, 1000), OK);
    assert_int_equal(ask_forward(f, &lost, &f->mallory, 1000), OK);
    assert_int_equal(ask_revoke(f, &lost, &f->mallory, 1001), OK);
    struct place marks[] = {place_owner_mark("alice", &lost.image),
                            place_recipient_mark("bob", &lost.image)};
    for (size_t i = 0; i < 2; i++) {
        assert_true(is_marked(f, marks[i]));
        assert_int_equal(store_delete(f->store, marks[i].key), OK);
    }
    assert_int_equal(listed(f, &f->alice), 1);
    assert_int_equal(received(f, &f->bob), 1);
    fixture_restart(f);
    assert_int_equal(listed(f, &f->alice), 2);
    assert_int_equal(received(f, &f->bob), 2);
    assert_false(is_marked(f, place_recipient_mark("mallory", &lost.image)));
}

/* A forward that cannot be read is nobody's, and keeps no server from starting. */
static void test_lost_marks_of_damaged_images(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 1000), OK);
    struct place forward = place_of_forward(&draft.image, "bob");
    struct place mark = place_recipient_mark("bob", &draft.image);
    assert_int_equal(store_delete(f->store, mark.key), OK);
    assert_int_equal(store_replace(f->store, forward.key, view_of_string("no forward")), OK);
    fixture_restart(f);
    assert_false(is_marked(f, mark));
    struct place owner = place_of_image(&draft.image, PLACE_OWNER);
    struct place own_mark = place_owner_mark("alice", &draft.image);
    assert_int_equal(store_delete(f->store, own_mark.key), OK);
    assert_int_equal(store_replace(f->store, owner.key, view_of_string("no owner")), OK);
    fixture_restart(f);
    assert_true(is_marked(f, own_mark)); /* the envelope names him */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_flipped_bits),
        TEST(test_truncated_files),
        TEST(test_swapped_records),
        TEST(test_check_names_the_fault),
        TEST(test_damaged_removals),
        TEST(test_damaged_staging),
        TEST(test_lost_marks),
        TEST(test_lost_marks_of_damaged_images),
        TEST(test_a_disk_that_refuses_to_write),
        TEST(test_the_reserve_is_kept),
    };
    return cmocka_run_group_tests_name("storage damage", tests, NULL, NULL);
}
