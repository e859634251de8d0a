/* Puts: nothing before the commit, all of it after; conflicts, staleness, bounds. */
#include "storage_fixture.h"

static void test_a_put_appears_at_its_commit(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 3);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask_upload(f, &f->alice, &draft, i), OK);
    assert_int_equal(ask_image(f, &f->alice, &draft), NOT_FOUND);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_image(f, &f->alice, &draft), NOT_FOUND);
    assert_int_equal(ask_slices(f, &f->alice, &draft, 0), NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
    AUTO_FORMAT Myelin__ManifestPage *page = objects_of(f, &f->alice, &draft);
    assert_int_equal(page->n_manifest, 3);
    assert_false(page->more);
    fixture_restart(f);
    assert_whole(f, &draft);
}

static void test_an_image_grows(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, second = {0}, unknown = {0};
    draft_make(&first, &f->alice, "study", true, 2);
    draft_make(&second, &f->alice, "study", false, 3);
    draft_make(&unknown, &f->alice, "another", false, 1);
    assert_int_equal(ask_begin(f, &f->alice, &unknown), NOT_FOUND);
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    assert_int_equal(ask_put(f, &f->alice, &second), OK);
    assert_whole(f, &first);
    assert_whole(f, &second);
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    assert_int_equal(image_answer(f->storage, &f->alice.caller, &first.image, &wire), OK);
    assert_int_equal(format_parse_image_answer(bytes_view(&wire), &answer), OK);
    assert_int_equal(answer->objects, 5);
    assert_null(answer->removal);
    uint64_t symbol_bytes = 0;
    for (size_t i = 0; i < 2; i++)
        symbol_bytes += first.objects[i].layout.symbol_bytes;
    for (size_t i = 0; i < 3; i++)
        symbol_bytes += second.objects[i].layout.symbol_bytes;
    assert_int_equal(answer->symbol_bytes, symbol_bytes);
}

static void test_what_is_there_is_not_replaced(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, again = {0}, same_object = {0};
    draft_make(&first, &f->alice, "study", true, 2);
    draft_make(&again, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    assert_int_equal(ask_begin(f, &f->alice, &again), CONFLICT);
    draft_make(&same_object, &f->alice, "study", false, 2);
    same_object.objects[1].id = first.objects[0].id;
    assert_int_equal(ask_begin(f, &f->alice, &same_object), CONFLICT);
    assert_non_null(strstr(error_text(), first.objects[0].id.hex));
}

/* Both began before either was there; the second prepare is told of the first. */
static void test_two_puts_at_once(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, second = {0};
    draft_make(&first, &f->alice, "study", true, 1);
    draft_make(&second, &f->alice, "study", true, 1);
    assert_int_equal(ask_begin(f, &f->alice, &first), OK);
    assert_int_equal(ask_begin(f, &f->alice, &second), OK);
    assert_int_equal(ask_upload(f, &f->alice, &first, 0), OK);
    assert_int_equal(ask_upload(f, &f->alice, &second, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &first), OK);
    char text[64];
    snprintf(text, sizeof text, "put %s is prepared", first.put.hex);
    assert_int_equal(ask_prepare(f, &f->alice, &second), CONFLICT);
    assert_string_equal(error_text(), text);
    assert_int_equal(ask_prepare(f, &f->alice, &first), OK); /* the answer was lost: again */
    assert_int_equal(ask_commit(f, &f->alice, &first), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &second), CONFLICT);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &second.image, &second.put), OK);
    assert_whole(f, &first);
}

static void test_a_prepared_put_yields_after_a_while(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft dead = {0}, next = {0};
    draft_make(&dead, &f->alice, "study", true, 1);
    draft_make(&next, &f->alice, "study", true, 1);
    assert_int_equal(ask_stage(f, &f->alice, &dead), OK);
    fixture_restart(f);
    fixture_now_ms += STORAGE_OVERRULE_MS - 1;
    assert_int_equal(ask_stage(f, &f->alice, &next), CONFLICT);
    fixture_now_ms += 1;
    assert_int_equal(ask_prepare(f, &f->alice, &next), OK);
    assert_int_equal(ask_commit(f, &f->alice, &dead), NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &next), OK);
    assert_whole(f, &next);
}

/* Another's put is no older, and no younger, for a step of the clock, also over a restart. */
static void test_a_clock_that_steps_overrules_nobody(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft held = {0}, next = {0};
    const int64_t hours = 10 * 3600 * 1000;
    draft_make(&held, &f->alice, "study", true, 1);
    draft_make(&next, &f->alice, "study", true, 1);
    assert_int_equal(ask_stage(f, &f->alice, &held), OK);
    fixture_step_ms = hours;
    assert_int_equal(ask_stage(f, &f->alice, &next), CONFLICT);
    fixture_restart(f);
    fixture_step_ms = -hours;
    assert_int_equal(ask_stage(f, &f->alice, &next), CONFLICT);
    fixture_now_ms += STORAGE_OVERRULE_MS;
    assert_int_equal(ask_prepare(f, &f->alice, &next), OK);
    fixture_step_ms = 0;
    fixture_restart(f);
    assert_int_equal(ask_commit(f, &f->alice, &held), NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &next), OK);
    assert_whole(f, &next);
}

static void test_silent_uploads_are_swept(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, prepared = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    draft_make(&prepared, &f->alice, "other", true, 1);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_stage(f, &f->alice, &prepared), OK);
    fixture_now_ms += STORAGE_SILENT_UPLOAD_MS - 1;
    storage_sweep(f->storage);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), OK);
    fixture_now_ms += STORAGE_SILENT_UPLOAD_MS;
    storage_sweep(f->storage);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), NOT_FOUND);
    uint64_t size;
    assert_int_equal(
        store_size(f->store, place_staged_object(&draft.put, &draft.objects[0].id, ".slices").key,
                   &size),
        NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &prepared), OK);
}

static void test_a_restart_keeps_what_was_prepared(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft prepared = {0}, uploaded = {0};
    draft_make(&prepared, &f->alice, "study", true, 3);
    draft_make(&uploaded, &f->alice, "other", true, 1);
    assert_int_equal(ask_stage(f, &f->alice, &prepared), OK);
    assert_int_equal(ask_begin(f, &f->alice, &uploaded), OK);
    assert_int_equal(ask_upload(f, &f->alice, &uploaded, 0), OK);
    fixture_restart(f);
    assert_int_equal(ask_prepare(f, &f->alice, &uploaded), NOT_FOUND);
    assert_int_equal(ask_prepare(f, &f->alice, &prepared), OK);
    /* Whoever brings the owner's signature: here somebody who may not even read the image. */
    assert_int_equal(ask_commit(f, &f->mallory, &prepared), OK);
    assert_int_equal(ask_commit(f, &f->mallory, &prepared), OK);
    assert_whole(f, &prepared);
}

static void test_only_the_owners_commit_counts(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0}, forged = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&other, &f->alice, "study", true, 1);
    draft_make(&forged, &f->mallory, "study", true, 1);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), CONFLICT); /* not prepared */
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    const struct bytes *const wrong[] = {&other.commit, &forged.commit};
    const result expected[] = {INVALID, INTEGRITY};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(put_commit(f->storage, &f->alice.caller, &draft.image, &draft.put,
                                    bytes_view(wrong[i])),
                         expected[i]);
    assert_int_equal(
        put_commit(f->storage, &f->alice.caller, &draft.image, &draft.put, view_of("junk", 4)),
        PROTOCOL);
    assert_int_equal(ask_image(f, &f->alice, &draft), NOT_FOUND);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
}

static void test_a_commit_of_other_contents_is_refused(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    bytes_free(&draft.commit);
    draft.object_count = 1;
    draft_make_commit(&draft);
    draft.object_count = 2;
    assert_int_equal(ask_stage(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), INTEGRITY);
    assert_int_equal(ask_image(f, &f->alice, &draft), NOT_FOUND);
}

static void test_the_commit_can_be_read_by_others(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes commit = {0}, none = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(
        put_read_commit(f->storage, &f->alice.caller, &draft.image, &draft.put, &commit), OK);
    assert_true(view_equal(bytes_view(&commit), bytes_view(&draft.commit)));
    struct short_id other;
    random_id(&other);
    assert_int_equal(put_read_commit(f->storage, &f->alice.caller, &draft.image, &other, &none),
                     NOT_FOUND);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), CONFLICT);
}

/* Each way in which a prepare does not fit leaves the put to be corrected. */
static void test_prepare_compares_everything(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0}, foreign = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    draft_make(&other, &f->alice, "study", true, 2);
    draft_make(&foreign, &f->mallory, "study", true, 2);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), PROTOCOL); /* nothing uploaded */
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ask_upload(f, &f->alice, &draft, i), OK);

    struct draft wrong = draft;
    wrong.symbol = other.symbol;
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), INTEGRITY);
    wrong = draft;
    wrong.envelope = other.envelope; /* of another put */
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), PROTOCOL);
    wrong.envelope = foreign.envelope; /* signed by somebody else */
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), INTEGRITY);
    wrong = draft;
    wrong.creates = false; /* no envelope */
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), PROTOCOL);
    wrong = draft;
    wrong.object_count = 1;
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), PROTOCOL);
    wrong = draft;
    wrong.objects[1] = draft.objects[0]; /* one manifest twice */
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), PROTOCOL);
    wrong = draft;
    wrong.objects[1] = other.objects[1];
    assert_int_equal(ask_prepare(f, &f->alice, &wrong), PROTOCOL);

    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
}

static void test_uploads_must_be_what_was_signed(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    struct draft_object *object = &draft.objects[1];
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);

    object->slices[4000] ^= 1;
    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), INTEGRITY);
    object->slices[4000] ^= 1;
    object->layout.symbol_bytes -= 1;
    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), PROTOCOL);
    object->layout.symbol_bytes += 1;
    object->layout.slice_len += 1;
    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), PROTOCOL);
    object->layout.slice_len -= 1;

    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 1), CONFLICT); /* too late */
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
}

static void test_receipts_say_what_came(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    uint8_t root[DIGEST_BYTES];
    draft_make(&draft, &f->alice, "study", true, 3);
    const struct draft_object *object = &draft.objects[2];
    struct upload_options options = upload_options_of(object);
    struct upload *upload = NULL, *second = NULL;
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(
        upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload), OK);
    assert_int_equal(
        upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &second),
        CONFLICT);
    assert_int_equal(upload_append(upload, view_of(object->slices, object->layout.symbol_bytes)),
                     OK);
    assert_int_equal(upload_finish(upload, &wire), OK);
    assert_int_equal(format_parse_signed(bytes_view(&wire), &record), OK);
    assert_int_equal(format_open_receipt(record, f->server.public_key, &receipt), OK);
    put_records_root(&object->layout, object->slices, root);
    assert_string_equal(receipt->server, "storage-2");
    assert_int_equal(receipt->slot, FIXTURE_SLOT);
    assert_int_equal(receipt->symbol_bytes, object->layout.symbol_bytes);
    assert_memory_equal(receipt->symbol_root.data, root, sizeof root);
    assert_memory_equal(receipt->put.data, draft.put.bytes, FORMAT_ID_BYTES);
    assert_memory_equal(receipt->object.data, object->id.bytes, FORMAT_ID_BYTES);
}

static void test_uploads_have_bounds(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&other, &f->alice, "study", true, 1);
    struct upload_options options = upload_options_of(&draft.objects[0]);
    struct upload *upload = NULL;
    AUTO_BYTES struct bytes receipt = {0};
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    const struct {
        struct short_id object;
        uint64_t slot, slice;
        result expected;
    } bad[] = {
        {options.object, FORMAT_SERVERS_MAX, 10, INVALID},
        {options.object, UINT64_MAX, 10, INVALID},
        {options.object, 1, 0, INVALID},
        {options.object, 1, (uint64_t)FORMAT_SLICE_MAX + 1, INVALID},
        {other.objects[0].id, 1, 10, NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct upload_options wrong = {bad[i].object, bad[i].slot, bad[i].slice, 0};
        assert_int_equal(
            upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &wrong, &upload),
            bad[i].expected);
    }
    assert_int_equal(
        upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload), OK);
    assert_int_equal(upload_finish(upload, &receipt), INVALID); /* empty */
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
}

static void test_an_abort_reaches_running_uploads(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    struct upload_options options = upload_options_of(&draft.objects[0]);
    struct upload *upload = NULL;
    uint64_t size;
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK); /* the answer was lost: again */
    assert_int_equal(
        upload_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload), OK);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), OK);
    assert_int_equal(upload_append(upload, view_of("x", 1)), CONFLICT);
    upload_abandon(upload);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), NOT_FOUND);
    assert_int_equal(store_size(f->store,
                                place_staged_object(&draft.put, &options.object, ".slices").key,
                                &size),
                     NOT_FOUND);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
}

static void test_users_cannot_fill_the_memory(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0};
    draft_make(&draft, &f->alice, "study", true, 0);
    draft_make(&other, &f->bob, "study", true, 0);
    for (int i = 0; i < STORAGE_PUTS_OF_USER_MAX; i++) {
        random_id(&draft.put);
        assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    }
    random_id(&draft.put);
    assert_int_equal(ask_begin(f, &f->alice, &draft), NO_MEMORY);
    assert_int_equal(ask_begin(f, &f->bob, &other), OK);
}

static void test_the_store_belongs_to_one_server(void **state) {
    struct fixture *f = *state;
    struct storage_options options = fixture_options(f);
    struct storage *other = NULL;
    options.server = "storage-3";
    storage_close(f->storage);
    f->storage = NULL;
    assert_int_equal(storage_open(f->store, &options, &other), CONFLICT);
    options.server = "../x";
    assert_int_equal(storage_open(f->store, &options, &other), INVALID);
}

static void test_metrics_count(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes text = {0};
    char expected[64];
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, fixture_now_ms), OK);
    assert_int_equal(storage_metrics_text(f->storage, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    const char *all = (const char *)text.data;
    snprintf(expected, sizeof expected, "\nmyelin_storage_symbol_bytes %llu\n",
             (unsigned long long)draft.objects[0].layout.symbol_bytes);
    assert_non_null(strstr(all, "\nmyelin_storage_images 1\n"));
    assert_non_null(strstr(all, expected));
    assert_non_null(strstr(all, "\nmyelin_storage_puts_committed_total 1\n"));
    assert_non_null(strstr(all, "\nmyelin_storage_reencryptions_total 1\n"));
    fixture_restart(f);
    AUTO_BYTES struct bytes again = {0};
    assert_int_equal(storage_metrics_text(f->storage, &again), OK);
    assert_int_equal(bytes_append(&again, view_of("", 1)), OK);
    assert_non_null(strstr((const char *)again.data, expected));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_put_appears_at_its_commit),
        TEST(test_an_image_grows),
        TEST(test_what_is_there_is_not_replaced),
        TEST(test_two_puts_at_once),
        TEST(test_a_prepared_put_yields_after_a_while),
        TEST(test_a_clock_that_steps_overrules_nobody),
        TEST(test_silent_uploads_are_swept),
        TEST(test_a_restart_keeps_what_was_prepared),
        TEST(test_only_the_owners_commit_counts),
        TEST(test_a_commit_of_other_contents_is_refused),
        TEST(test_the_commit_can_be_read_by_others),
        TEST(test_prepare_compares_everything),
        TEST(test_uploads_must_be_what_was_signed),
        TEST(test_receipts_say_what_came),
        TEST(test_uploads_have_bounds),
        TEST(test_an_abort_reaches_running_uploads),
        TEST(test_users_cannot_fill_the_memory),
        TEST(test_the_store_belongs_to_one_server),
        TEST(test_metrics_count),
    };
    return cmocka_run_group_tests_name("storage puts", tests, NULL, NULL);
}
