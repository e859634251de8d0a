/* Deletions at a storage server: whose word counts, what goes with an object and what stays, and
 * that it stays gone through puts, crashes and damage. */
#include "storage_deletion.h"

#include "storage/state.h"
#include "storage/storage_state.h"

static uint64_t later(void) {
    return fixture_now_ms + 1;
}

static uint64_t symbol_bytes_of(const struct draft *draft, size_t first) {
    uint64_t bytes = 0;
    for (size_t i = first; i < draft->object_count; i++)
        bytes += draft->objects[i].layout.symbol_bytes;
    return bytes;
}

static bool has_slices(struct fixture *f, const struct draft *draft, size_t index) {
    struct place place = place_of_slices(&draft->image, &draft->objects[index].id, FIXTURE_SLOT);
    uint64_t bytes;
    return store_size(f->store, place.key, &bytes) == OK;
}

static bool has_deletion(struct fixture *f, const struct draft *draft, size_t index) {
    return deletion_is_here(f->storage, &draft->image, &draft->objects[index].id);
}

/* The first `deleted` objects are gone, all others there, and everything counted so. */
static void expect_deleted(struct fixture *f, const struct draft *draft, size_t deleted) {
    struct image_totals totals;
    AUTO_FORMAT Myelin__ManifestPage *page = objects_of(f, draft->owner, draft);
    AUTO_FORMAT Myelin__CheckAnswer *checked = check_of(f, draft->owner, draft);
    assert_non_null(page);
    assert_int_equal(page->n_manifest, draft->object_count);
    assert_int_equal(page->n_deletion, deleted);
    assert_int_equal(page->n_unreadable, 0);
    assert_int_equal(checked->n_object, draft->object_count - deleted);
    for (size_t i = 0; i < checked->n_object; i++)
        assert_true(checked->object[i]->good);
    for (size_t i = 0; i < draft->object_count; i++) {
        assert_int_equal(has_slices(f, draft, i), i >= deleted);
        assert_int_equal(ask_slices(f, draft->owner, draft, i), i >= deleted ? OK : NOT_FOUND);
    }
    assert_int_equal(image_totals(f->storage, &draft->image, &totals), OK);
    assert_int_equal(totals.objects, draft->object_count - deleted);
    assert_int_equal(totals.symbol_bytes, symbol_bytes_of(draft, deleted));
    assert_int_equal(f->storage->counters.symbol_bytes, symbol_bytes_of(draft, deleted));
}

static void test_deleted_objects_are_gone(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    draft_make(&draft, &f->alice, "gone", true, 4);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    expect_deleted(f, &draft, 0);
    assert_int_equal(state_digest_known(f->storage, &draft.image, before), OK);
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    expect_deleted(f, &draft, 1);
    assert_int_equal(state_digest_known(f->storage, &draft.image, after), OK);
    assert_memory_not_equal(before, after, sizeof before);
    assert_int_equal(ask_delete(f, &draft, 3, later() + 7), OK); /* one of them once more */
    expect_deleted(f, &draft, 3);
    assert_int_equal(ask_slices(f, &f->alice, &draft, 0), NOT_FOUND);
    assert_non_null(strstr(error_text(), "was deleted by its owner"));
    fixture_restart(f);
    expect_deleted(f, &draft, 3);
    assert_int_equal(ask_delete(f, &draft, 4, later()), OK);
    expect_deleted(f, &draft, 4);
    assert_int_equal(ask_remove(f, &draft, later()), OK); /* an image without objects is one */
    assert_int_equal(f->storage->counters.symbol_bytes, 0);
    assert_int_equal(ask_delete(f, &draft, 1, later() + 8), NOT_FOUND);
}

static result send_one(struct fixture *f, const struct person *who, const struct draft *draft,
                       Myelin__Signed *record) {
    AUTO_BYTES struct bytes body = {0};
    Myelin__DeleteObjects message = MYELIN__DELETE_OBJECTS__INIT;
    message.deletion = &record;
    message.n_deletion = 1;
    assert_int_equal(format_pack(&message, &body), OK);
    return deletion_take(f->storage, &who->caller, &draft->image, bytes_view(&body));
}

static result send_signed(struct fixture *f, const struct person *who, const struct draft *draft,
                          const struct draft *signed_for, const struct person *signer,
                          uint64_t serial_ms) {
    AUTO_FORMAT Myelin__Signed *record =
        sign_deletion(signed_for, signer, &draft->objects[0].id, serial_ms);
    return send_one(f, who, draft, record);
}

static void test_only_the_owners_word_counts(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft, earlier, other, bobs;
    draft_make(&earlier, &f->alice, "rights", true, 1);
    draft_make(&draft, &f->alice, "rights", true, 2);
    draft_make(&other, &f->alice, "another image", true, 1);
    draft_make(&bobs, &f->bob, "rights", true, 1);
    assert_int_equal(send_signed(f, &f->alice, &draft, &draft, &f->alice, later()), NOT_FOUND);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, later()), OK);
    const struct person *others[] = {&f->bob, &f->mallory, &f->key_server, &f->other_server};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(send_signed(f, others[i], &draft, &draft, &f->alice, later()), DENIED);
    assert_int_equal(send_signed(f, &f->alice, &draft, &draft, &f->bob, later()), INTEGRITY);
    assert_int_equal(send_signed(f, &f->alice, &draft, &other, &f->alice, later()), INVALID);
    assert_int_equal(send_signed(f, &f->alice, &draft, &bobs, &f->alice, later()), INVALID);
    assert_int_equal(send_signed(f, &f->alice, &draft, &earlier, &f->alice, later()), CONFLICT);
    assert_int_equal(
        deletion_take(f->storage, &f->alice.caller, &draft.image, view_of("rubbish", 7)), PROTOCOL);
    expect_deleted(f, &draft, 0);
    assert_int_equal(send_signed(f, &f->alice, &draft, &draft, &f->alice, later()), OK);
    expect_deleted(f, &draft, 1);
}

/* One of the list is wrong: none is taken. */
static void test_all_or_none(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    AUTO_BYTES struct bytes body = {0};
    draft_make(&draft, &f->alice, "all", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    Myelin__Signed *records[] = {
        sign_deletion(&draft, &f->alice, &draft.objects[0].id, later()),
        sign_deletion(&draft, &f->mallory, &draft.objects[1].id, later()),
    };
    Myelin__DeleteObjects message = MYELIN__DELETE_OBJECTS__INIT;
    message.deletion = records;
    message.n_deletion = 2;
    assert_int_equal(format_pack(&message, &body), OK);
    assert_int_equal(deletion_take(f->storage, &f->alice.caller, &draft.image, bytes_view(&body)),
                     INTEGRITY);
    expect_deleted(f, &draft, 0);
    format_free(records[0]);
    format_free(records[1]);
}

static void test_an_id_is_not_used_again(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft, again;
    draft_make(&draft, &f->alice, "again", true, 2);
    draft_make(&again, &f->alice, "again", false, 1);
    deletion_made = draft.put;
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_delete(f, &again, 1, later()), OK); /* before it was ever put */
    assert_int_equal(ask_begin(f, &f->alice, &again), CONFLICT);
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    assert_int_equal(ask_begin(f, &f->alice, &draft), CONFLICT); /* nor for a repair */
}

/* The put was under way: its other objects are wanted. */
static void test_deleted_before_the_commit(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first, draft, late;
    draft_make(&first, &f->alice, "commit", true, 0);
    draft_make(&draft, &f->alice, "commit", false, 3);
    draft_make(&late, &f->alice, "commit", false, 2);
    deletion_made = first.put;
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    assert_int_equal(ask_begin(f, &f->alice, &late), OK);
    assert_int_equal(ask_stage(f, &f->alice, &draft), OK);
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    fixture_restart(f); /* a prepared put outlives it */
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    expect_deleted(f, &draft, 1);
    fixture_restart(f);
    expect_deleted(f, &draft, 1);
    assert_int_equal(ask_begin(f, &f->alice, &late), OK);
    for (size_t i = 0; i < late.object_count; i++)
        assert_int_equal(ask_upload(f, &f->alice, &late, i), OK);
    assert_int_equal(ask_delete(f, &late, 1, later()), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &late), CONFLICT);
}

/* The server died between the word and the slices; or the disk gave them back. */
static void test_a_start_removes_what_was_left(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    draft_make(&draft, &f->alice, "left", true, 3);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_delete(f, &draft, 2, later()), OK);
    const struct draft_object *object = &draft.objects[1];
    struct place place = place_of_slices(&draft.image, &object->id, FIXTURE_SLOT);
    assert_int_equal(
        store_put(f->store, place.key, view_of(object->slices, object->layout.symbol_bytes)), OK);
    fixture_restart(f);
    expect_deleted(f, &draft, 2);
}

/* A record that is damaged, or torn by a crash before it counted: the owner never said that. */
static void test_a_damaged_deletion_is_none(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    draft_make(&draft, &f->alice, "damaged", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    struct place place = place_of_object(&draft.image, &draft.objects[0].id, PLACE_DELETION_SUFFIX);
    assert_int_equal(store_replace(f->store, place.key, view_of("rubbish", 7)), OK);
    assert_false(has_deletion(f, &draft, 0));
    assert_int_equal(deletion_get(f->storage, &draft.image, &draft.objects[0].id, &record),
                     INTEGRITY);
    expect_deleted(f, &draft, 0);
    fixture_restart(f);
    expect_deleted(f, &draft, 0);
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    fixture_restart(f);
    expect_deleted(f, &draft, 1);
}

/* A lost manifest of an object that was deleted is nothing that a reader misses. */
static void test_lost_manifests_of_deleted_objects(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    draft_make(&draft, &f->alice, "lost", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    struct place place = place_of_object(&draft.image, &draft.objects[0].id, PLACE_MANIFEST_SUFFIX);
    assert_int_equal(store_replace(f->store, place.key, view_of("rubbish", 7)), OK);
    for (int round = 0; round < 2; round++) {
        AUTO_FORMAT Myelin__ManifestPage *page = objects_of(f, &f->alice, &draft);
        assert_int_equal(page->n_manifest, 1);
        assert_int_equal(page->n_deletion, 1);
        assert_int_equal(page->n_unreadable, 0);
        assert_int_equal(ask_slices(f, &f->alice, &draft, 0), round == 0 ? INTEGRITY : NOT_FOUND);
        assert_int_equal(store_delete(f->store, place.key), OK);
    }
}

static void put_marks(struct fixture *f, const struct draft *draft, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char hex[2 * FORMAT_ID_BYTES + 1];
        struct short_id id;
        snprintf(hex, sizeof hex, "%032zx", i);
        assert_int_equal(short_id_parse("an id", hex, &id), OK);
        AUTO_FORMAT Myelin__Signed *record = sign_deletion(draft, draft->owner, &id, later());
        assert_int_equal(signed_put(f->store,
                                    place_of_object(&draft->image, &id, PLACE_DELETION_SUFFIX).key,
                                    RECORD_DELETION, record),
                         OK);
    }
}

/* More than a page holds: each once, in order, manifests among them. */
static void test_pages(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    enum { COUNT = 5000 };
    size_t manifests = 0, deletions = 0;
    char after[2 * FORMAT_ID_BYTES + 1] = "";
    draft_make(&draft, &f->alice, "pages", true, 5);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    put_marks(f, &draft, COUNT);
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ManifestPage *page = NULL;
        assert_int_equal(listing_objects(f->storage, &f->alice.caller, &draft.image, after, &wire),
                         OK);
        assert_int_equal(format_parse_manifest_page(bytes_view(&wire), &page), OK);
        assert_in_range(page->n_deletion, 0, FORMAT_PAGE_ENTRIES_MAX);
        for (size_t i = 0; i < page->n_deletion; i++) {
            AUTO_FORMAT Myelin__Deletion *deletion = NULL;
            char hex[2 * FORMAT_ID_BYTES + 1];
            assert_int_equal(format_parse_deletion(format_view(page->deletion[i]->body), &deletion),
                             OK);
            hex_encode(format_view(deletion->object), hex);
            assert_true(strcmp(hex, after) > 0);
            memcpy(after, hex, sizeof after);
        }
        manifests += page->n_manifest;
        deletions += page->n_deletion;
        more = page->more;
        assert_true(!more || page->n_deletion > 0);
    }
    assert_int_equal(manifests, 5);
    assert_int_equal(deletions, COUNT);
}

static void test_what_an_image_can_have(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    draft_make(&draft, &f->alice, "many", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    for (size_t i = 0; i + 1 < FORMAT_CHECKED_MAX; i++) {
        char name[2 * FORMAT_ID_BYTES + sizeof PLACE_DELETION_SUFFIX];
        snprintf(name, sizeof name, "%032zx" PLACE_DELETION_SUFFIX, i);
        assert_int_equal(
            store_put(f->store, place_of_image(&draft.image, name).key, view_of("", 0)), OK);
    }
    assert_int_equal(ask_delete(f, &draft, 2, later()), INVALID);
    assert_false(has_deletion(f, &draft, 0));
    assert_int_equal(ask_delete(f, &draft, 1, later()), OK);
    assert_true(has_deletion(f, &draft, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deleted_objects_are_gone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_only_the_owners_word_counts, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_all_or_none, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_an_id_is_not_used_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_deleted_before_the_commit, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_start_removes_what_was_left, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_deletion_is_none, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lost_manifests_of_deleted_objects, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_pages, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_an_image_can_have, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
