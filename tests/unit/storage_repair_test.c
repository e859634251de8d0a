/* What was removed stays away; what was lost can be put again. */
#include "storage_fixture.h"

static void test_a_removed_image_stays_away(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft old = {0}, staged = {0}, fresh = {0};
    draft_make(&old, &f->alice, "study", true, 2);
    draft_make(&staged, &f->alice, "study", false, 1);
    assert_int_equal(ask_put(f, &f->alice, &old), OK);
    assert_int_equal(ask_forward(f, &old, &f->bob, fixture_now_ms), OK);
    assert_int_equal(ask_stage(f, &f->alice, &staged), OK);
    assert_int_equal(ask_remove(f, &old, fixture_now_ms - 1), CONFLICT); /* older than the image */
    assert_int_equal(ask_remove(f, &old, fixture_now_ms + 10), OK);
    assert_int_equal(ask_remove(f, &old, fixture_now_ms + 10), OK);
    assert_int_equal(ask_commit(f, &f->alice, &staged), NOT_FOUND);
    assert_int_equal(ask_slices(f, &f->alice, &old, 0), NOT_FOUND);
    assert_int_equal(ask_image(f, &f->bob, &old), NOT_FOUND);

    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    assert_int_equal(image_answer(f->storage, &f->key_server.caller, &old.image, &wire), OK);
    assert_int_equal(format_parse_image_answer(bytes_view(&wire), &answer), OK);
    assert_non_null(answer->removal);
    assert_null(answer->envelope);
    assert_int_equal(ask_image(f, &f->alice, &old), OK);

    fixture_restart(f);
    assert_int_equal(ask_stage(f, &f->alice, &old), CONFLICT);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &old.image, &old.put), OK);
    fixture_now_ms += 11;
    draft_make(&fresh, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &fresh), OK);
    assert_whole(f, &fresh);
    assert_int_equal(ask_forward(f, &fresh, &f->bob, fixture_now_ms - 1), CONFLICT);
    assert_int_equal(ask_forward(f, &fresh, &f->bob, fixture_now_ms), OK);
}

/* A server that missed the image hears of its removal all the same. */
static void test_a_removal_before_the_image(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, hers = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&hers, &f->mallory, "study", true, 1);
    assert_int_equal(ask_remove(f, &hers, fixture_now_ms + 1000), OK); /* binds nobody else */
    assert_int_equal(ask_stage(f, &f->alice, &draft), OK);
    assert_int_equal(ask_remove(f, &draft, fixture_now_ms), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), NOT_FOUND);
    assert_int_equal(ask_stage(f, &f->alice, &draft), CONFLICT);
}

static void lose(struct fixture *f, struct place place) {
    uint64_t size;
    assert_int_equal(store_size(f->store, place.key, &size), OK);
    assert_int_equal(store_delete(f->store, place.key), OK);
}

/* The same put once more brings back what a disk lost: by the owner, or by a recipient. */
static void test_repair(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 4);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, fixture_now_ms), OK);

    lose(f, place_of_slices(&draft.image, &draft.objects[1].id, FIXTURE_SLOT));
    lose(f, place_of_slices(&draft.image, &draft.objects[2].id, FIXTURE_SLOT));
    lose(f, place_of_object(&draft.image, &draft.objects[2].id, ".manifest"));
    AUTO_FORMAT Myelin__CheckAnswer *answer = check_of(f, &f->alice, &draft);
    assert_int_equal(answer->n_object, 4);
    size_t lost = 0;
    for (size_t i = 0; i < 4; i++)
        if (!answer->object[i]->good) {
            assert_string_equal(answer->object[i]->fault, "lost");
            lost++;
        }
    assert_int_equal(lost, 2);

    struct draft part = draft; /* only what was lost, and no envelope */
    part.creates = false;
    part.object_count = 2;
    part.objects[0] = draft.objects[1];
    part.objects[1] = draft.objects[2];
    assert_int_equal(ask_put(f, &f->bob, &part), OK);
    assert_whole(f, &draft);

    lose(f, place_of_symbol(&draft.image, FIXTURE_SLOT));
    assert_int_equal(ask_symbol_for(f, &f->alice, &draft, &f->alice), NOT_FOUND);
    part = draft;
    part.object_count = 0;
    assert_int_equal(ask_put(f, &f->alice, &part), OK);
    assert_int_equal(ask_symbol_for(f, &f->alice, &draft, &f->alice), OK);
    assert_whole(f, &draft);
    fixture_restart(f);
    assert_whole(f, &draft);
}

/* With the put's record lost too, its contents are gathered from what is here. */
static void test_repair_without_the_puts_record(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 3);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    lose(f, place_of_put(&draft.image, &draft.put));
    lose(f, place_of_slices(&draft.image, &draft.objects[1].id, FIXTURE_SLOT));
    struct draft part = draft;
    part.creates = false;
    part.object_count = 1;
    part.objects[0] = draft.objects[1];
    assert_int_equal(ask_put(f, &f->alice, &part), OK);
    assert_whole(f, &draft);
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    assert_int_equal(image_answer(f->storage, &f->alice.caller, &draft.image, &wire), OK);
    assert_int_equal(format_parse_image_answer(bytes_view(&wire), &answer), OK);
    assert_int_equal(answer->objects, 3);
}

static void test_repair_of_a_server_that_lost_all(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, second = {0};
    draft_make(&first, &f->alice, "study", true, 2);
    draft_make(&second, &f->alice, "study", false, 2);
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    assert_int_equal(ask_put(f, &f->alice, &second), OK);
    fixture_stop(f);
    assert_int_equal(file_remove_tree(f->folder), OK);
    fixture_start(f);
    assert_int_equal(ask_image(f, &f->alice, &first), NOT_FOUND);
    assert_int_equal(ask_put(f, &f->bob, &first), INTEGRITY); /* not what bob signed */
    assert_int_equal(put_abort(f->storage, &f->bob.caller, &first.image, &first.put), OK);
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    assert_int_equal(ask_put(f, &f->alice, &second), OK);
    assert_whole(f, &first);
    assert_whole(f, &second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_removed_image_stays_away),
        TEST(test_a_removal_before_the_image),
        TEST(test_repair),
        TEST(test_repair_without_the_puts_record),
        TEST(test_repair_of_a_server_that_lost_all),
    };
    return cmocka_run_group_tests_name("storage removals and repair", tests, NULL, NULL);
}
