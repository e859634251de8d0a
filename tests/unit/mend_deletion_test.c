/* The mender and deletions: who missed one learns it, nobody brings an object back, and nobody's
 * word but the owner's takes one away. */
#include "mend_move.h"

#include "storage/deletion.h"
#include "storage/storage_state.h"

static Myelin__Signed *sign_deletion(struct drawn *d, const struct person *signer, unsigned object,
                                     const struct short_id *made) {
    uint8_t id[FORMAT_ID_BYTES];
    char owner[16];
    Myelin__Signed *record = NULL;
    Myelin__Deletion deletion = MYELIN__DELETION__INIT;
    memcpy(owner, d->owner->name, sizeof owner);
    deletion.owner = owner;
    deletion.tau = format_bytes(view_of(d->tau, G2_BYTES));
    deletion.object = format_bytes(view_of(d->objects[object].id.bytes, FORMAT_ID_BYTES));
    deletion.serial_ms = world.now_ms + 1;
    memcpy(id, made->bytes, sizeof id);
    deletion.made = format_bytes(view_of(id, sizeof id));
    assert_int_equal(format_sign(&signer->key, &deletion, &record), OK);
    return record;
}

static result delete_at(struct host *host, struct drawn *d, unsigned object) {
    AUTO_BYTES struct bytes body = {0};
    AUTO_FORMAT Myelin__Signed *record = sign_deletion(d, d->owner, object, &d->put);
    Myelin__DeleteObjects message = MYELIN__DELETE_OBJECTS__INIT;
    message.deletion = &record;
    message.n_deletion = 1;
    assert_int_equal(format_pack(&message, &body), OK);
    return deletion_take(host->storage, &d->owner->caller, &d->image, bytes_view(&body));
}

static struct host *host_at(struct drawn *d, unsigned slot) {
    return &world.hosts[d->host[slot]];
}

static bool has_slices_of(struct drawn *d, unsigned slot, unsigned object) {
    uint64_t bytes;
    return store_size(host_at(d, slot)->store,
                      place_of_slices(&d->image, &d->objects[object].id, slot).key, &bytes) == OK;
}

static bool has_deletion(struct host *host, struct drawn *d, unsigned object) {
    return deletion_is_here(host->storage, &d->image, &d->objects[object].id);
}

/* Object 0 is gone, object 1 is good, and the server knows all that the others know. */
static void expect_deleted(struct drawn *d, unsigned slot) {
    struct host *host = host_at(d, slot);
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CheckAnswer *answer = NULL;
    uint8_t digest[DIGEST_BYTES], other[DIGEST_BYTES];
    struct image_totals totals;
    assert_int_equal(image_check(host->storage, &d->owner->caller, &d->image, slot, &wire), OK);
    assert_int_equal(format_parse_check_answer(bytes_view(&wire), &answer), OK);
    assert_true(answer->envelope_good);
    assert_int_equal(answer->n_object, 1);
    assert_true(answer->object[0]->good);
    assert_false(has_slices_of(d, slot, 0));
    assert_true(has_slices_of(d, slot, 1));
    assert_true(has_deletion(host, d, 0));
    assert_int_equal(image_totals(host->storage, &d->image, &totals), OK);
    assert_int_equal(totals.objects, 1);
    assert_int_equal(totals.symbol_bytes, d->objects[1].layout.symbol_bytes);
    assert_int_equal(host->storage->counters.symbol_bytes, d->objects[1].layout.symbol_bytes);
    assert_int_equal(state_digest(host->storage, &d->image, digest), OK);
    assert_int_equal(state_digest(host_at(d, (slot + 1) % N)->storage, &d->image, other), OK);
    assert_memory_equal(digest, other, sizeof digest);
}

static void test_who_missed_a_deletion_learns_it(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "missed");
    image_put_all(&d);
    for (unsigned slot = 1; slot < N; slot++)
        assert_int_equal(delete_at(host_at(&d, slot), &d, 0), OK);
    assert_true(has_slices_of(&d, 0, 0));
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    assert_int_equal(report.failed, 0);
    assert_int_equal(report.mended, 1);
    assert_int_equal(report.bytes_read, 0);
    expect_deleted(&d, 0);
    for (unsigned slot = 0; slot < N; slot++) { /* and then there is nothing to do anywhere */
        assert_int_equal(image_mend(&d, slot, NULL, &report), OK);
        assert_int_equal(report.found + report.mended, 0);
        expect_deleted(&d, slot);
    }
}

/* It is enough that one of those who are asked knows; who has not got it may be asked first. */
static void test_one_who_knows_is_enough(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "one");
    image_put_all(&d);
    assert_int_equal(delete_at(host_at(&d, 3), &d, 0), OK);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_mend(&d, slot, NULL, &report), OK);
    for (unsigned slot = 0; slot < N; slot++)
        expect_deleted(&d, slot);
}

static void test_what_was_lost_comes_without_what_was_deleted(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "lost");
    image_put_all(&d);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(delete_at(host_at(&d, slot), &d, 0), OK);
    image_lose(&d, 2);
    host_at(&d, 2)->storage->counters.symbol_bytes = 0; /* as a start would count it */
    assert_int_equal(image_mend(&d, 2, NULL, &report), OK);
    assert_int_equal(report.failed, 0);
    assert_in_range(report.bytes_written, d.objects[1].layout.symbol_bytes,
                    d.objects[1].layout.symbol_bytes + 2000);
    expect_deleted(&d, 2);
    struct place place = place_of_object(&d.image, &d.objects[0].id, PLACE_MANIFEST_SUFFIX);
    uint64_t bytes;
    assert_int_equal(store_size(host_at(&d, 2)->store, place.key, &bytes), OK);
    /* and a record that is lost or damaged alone */
    place = place_of_object(&d.image, &d.objects[0].id, PLACE_DELETION_SUFFIX);
    assert_int_equal(store_replace(host_at(&d, 2)->store, place.key, view_of("rubbish", 7)), OK);
    assert_int_equal(image_mend(&d, 2, NULL, &report), OK);
    assert_int_equal(report.mended, 1);
    expect_deleted(&d, 2);
}

/* Slices that the disk gave back, or a store from a backup brought. */
static void test_slices_that_came_back_go(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "back");
    image_put_all(&d);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(delete_at(host_at(&d, slot), &d, 0), OK);
    struct place place = place_of_slices(&d.image, &d.objects[0].id, 1);
    assert_int_equal(store_put(host_at(&d, 1)->store, place.key, view_of("slices", 6)), OK);
    assert_int_equal(image_mend(&d, 1, NULL, &report), OK);
    expect_deleted(&d, 1);
}

static void plant(struct drawn *d, unsigned slot, Myelin__Signed *record) {
    struct place place = place_of_object(&d->image, &d->objects[0].id, PLACE_DELETION_SUFFIX);
    struct host *host = host_at(d, slot);
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    image_lock_write(host->storage, &d->image, &lock); /* its digest changes */
    assert_int_equal(signed_put(host->store, place.key, RECORD_DELETION, record), OK);
}

static void test_nobody_elses_word_deletes(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    struct short_id earlier;
    random_id(&earlier);
    image_draw(&d, &world.alice, "forged");
    image_put_all(&d);
    AUTO_FORMAT Myelin__Signed *forged = sign_deletion(&d, &world.mallory, 0, &d.put);
    AUTO_FORMAT Myelin__Signed *old = sign_deletion(&d, &world.alice, 0, &earlier);
    plant(&d, 1, forged);
    plant(&d, 2, forged);
    plant(&d, 3, old); /* from the image as it was before it was removed and put again */
    plant(&d, 4, old);
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    assert_int_equal(report.failed + report.mended, 0);
    assert_false(has_deletion(host_at(&d, 0), &d, 0));
    image_expect(&d, 0);
}

/* A slot moves on without the object; and its last server keeps the owner's word until another has
 * it. */
static void test_slots_move_without_what_was_deleted(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    struct move move;
    image_draw(&d, &world.alice, "moving");
    image_put_all(&d);
    move_begin(&d, &move);
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK); /* all of it is at the new one */
    assert_true(has_slices_of(&d, 0, 0));
    assert_int_equal(delete_at(move.old, &d, 0), OK); /* who alone hears of it */
    for (unsigned slot = 1; slot < N; slot++)
        host_at(&d, slot)->lie = DOWN;
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.moving, 1);
    assert_true(has_deletion(move.old, &d, 0));
    for (unsigned slot = 1; slot < N; slot++)
        host_at(&d, slot)->lie = HONEST;
    /* the others hear of it from the old one, which they still ask */
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_mend(&d, slot, NULL, &report), OK);
    for (unsigned slot = 1; slot < N; slot++)
        expect_deleted(&d, slot);
    expect_deleted(&d, 0);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.moving, 0);
    assert_false(has_deletion(move.old, &d, 0)); /* nothing of the image is left there */
    move_end(&move);
    description_free(&move.next);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_missed_a_deletion_learns_it, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_one_who_knows_is_enough, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_lost_comes_without_what_was_deleted,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_slices_that_came_back_go, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_elses_word_deletes, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_slots_move_without_what_was_deleted, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
