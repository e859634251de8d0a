/* The mender: what is lost is made again as it was, from k good others whoever lies; what was
 * removed stays away; and a stranger who claims an image gives way to its owner. */
#include "mend_move.h"

#include <pthread.h>
#include <stdatomic.h>

static void flip_in(struct store *store, struct place place, size_t at) {
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(store_get(store, place.key, 1 << 20, &value), OK);
    value.data[at] ^= 1;
    assert_int_equal(store_replace(store, place.key, bytes_view(&value)), OK);
}

static void flip_file(struct drawn *d, unsigned slot, struct place place, size_t at) {
    flip_in(world.hosts[d->host[slot]].store, place, at);
}

static void test_a_lost_image_is_as_it_was(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "lost");
    image_put_all(&d);
    for (unsigned slot = 0; slot < N; slot++) {
        image_lose(&d, slot);
        assert_int_equal(image_mend(&d, slot, NULL, &report), OK);
        assert_int_equal(report.failed, 0);
        image_expect(&d, slot);
        uint64_t bytes = d.objects[0].layout.symbol_bytes + d.objects[1].layout.symbol_bytes;
        assert_in_range(report.bytes_written, bytes, bytes + 2000); /* and a symbol */
        assert_in_range(report.bytes_read, K * bytes, K * bytes + 4000);
        assert_int_equal(image_mend(&d, slot, NULL, &report), OK);
        assert_int_equal(report.found + report.mended, 0);
        assert_int_equal(report.bytes_read + report.bytes_written, 0);
    }
}

static void test_only_bad_slices_are_fetched(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "slice");
    image_put_all(&d);
    struct object *object = &d.objects[0];
    struct place place = place_of_slices(&d.image, &object->id, 2);
    flip_file(&d, 2, place, object->layout.slice_len + 5); /* in the second slice */
    assert_int_equal(image_mend(&d, 2, NULL, &report), OK);
    assert_int_equal(report.bytes_written, object->layout.slice_len);
    assert_int_equal(report.bytes_read, K * object->layout.slice_len);
    image_expect(&d, 2);
    flip_file(&d, 2, place, object->layout.symbol_bytes + 5); /* in the table: nothing to fetch */
    assert_int_equal(image_mend(&d, 2, NULL, &report), OK);
    assert_int_equal(report.bytes_read, 0);
    assert_int_equal(report.mended, 1);
    image_expect(&d, 2);
}

static void test_a_look_reads_no_slices_that_are_there(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    const struct mend_options quick = {.is_quick = true};
    image_draw(&d, &world.alice, "look");
    image_put_all(&d);
    struct host *host = &world.hosts[d.host[1]];
    flip_file(&d, 1, place_of_slices(&d.image, &d.objects[0].id, 1), 3);
    assert_int_equal(store_delete(host->store, place_of_slices(&d.image, &d.objects[1].id, 1).key),
                     OK);
    assert_int_equal(mend_image(host->mender, &d.image, &quick, &report), OK);
    assert_int_equal(report.mended, 1); /* the one that was lost */
    assert_int_equal(image_mend(&d, 1, NULL, &report), OK);
    assert_int_equal(report.mended, 1); /* the one that was flipped */
    image_expect(&d, 1);
}

static void test_liars_are_not_believed(void **state) {
    (void)state;
    static const enum lie lies[] = {LIES_ON_SLICES, LIES_ON_HASHES, LIES_ON_SYMBOLS,
                                    SHOWS_NO_OBJECTS, DOWN};
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "liars");
    image_put_all(&d);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        image_lose(&d, 0);
        world.hosts[d.host[1]].lie = world.hosts[d.host[3]].lie = lies[i];
        assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
        assert_int_equal(report.failed, 0);
        image_expect(&d, 0);
    }
}

static void test_too_few_good_ones(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "few");
    image_put_all(&d);
    struct place place = place_of_slices(&d.image, &d.objects[0].id, 0);
    flip_file(&d, 0, place, 0);
    for (unsigned slot = 1; slot < N - 1; slot++)
        world.hosts[d.host[slot]].lie = LIES_ON_SLICES;
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    assert_int_equal(report.failed, 1);
    assert_int_equal(report.parts[1].code == QUORUM || report.parts[2].code == QUORUM, 1);
    for (unsigned slot = 1; slot < N; slot++)
        world.hosts[d.host[slot]].lie = DOWN;
    image_lose(&d, 0);
    assert_int_equal(image_mend(&d, 0, NULL, &report), QUORUM);
    image_expect_none(&d, 0);
}

static void test_a_prepared_put_gets_its_commit(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "prepared");
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_put(&d, slot, slot != 4), OK);
    image_expect_none(&d, 4);
    assert_int_equal(image_mend(&d, 4, NULL, &report), OK);
    image_expect(&d, 4);
    assert_int_equal(report.bytes_read, 0); /* its slices were there */
}

static void test_who_may_ask(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "rights");
    image_put_all(&d);
    image_lose(&d, 1);
    assert_int_equal(image_mend(&d, 1, &world.mallory.caller, &report), DENIED);
    image_expect_none(&d, 1);
    const struct storage_caller manager = {.name = "manager", .role = STORAGE_ROLE_MANAGER};
    const struct storage_caller key = {.name = "key-1", .role = STORAGE_ROLE_KEY_SERVER};
    assert_int_equal(image_mend(&d, 1, &key, &report), DENIED);
    assert_int_equal(image_mend(&d, 1, &manager, &report), OK);
    image_expect(&d, 1);
    image_lose(&d, 1);
    assert_int_equal(image_mend(&d, 1, &world.alice.caller, &report), OK);
    image_expect(&d, 1);
}

static void test_repair_raises_no_dead(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d, again;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "dead");
    image_put_all(&d);
    world.now_ms += 1000;
    for (unsigned slot = 0; slot < 3; slot++) /* two miss it */
        assert_int_equal(image_remove(&d, slot, &world.alice), OK);
    assert_int_equal(image_mend(&d, 0, NULL, &report), NOT_FOUND);
    image_expect_none(&d, 0);
    for (unsigned slot = 3; slot < N; slot++) { /* and learn of it */
        assert_int_equal(image_mend(&d, slot, NULL, &report), NOT_FOUND);
        image_expect_none(&d, slot);
    }
    world.now_ms += 1000;
    image_draw(&again, &world.alice, "dead");
    for (unsigned slot = 1; slot < N; slot++)
        assert_int_equal(image_put(&again, slot, true), OK);
    assert_int_equal(image_mend(&again, 0, NULL, &report), OK);
    image_expect(&again, 0);
}

static void test_a_squatter_gives_way(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d, squat;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "squat");
    image_put_all(&d);
    world.now_ms -= 100000; /* a time in the past is no earlier claim */
    image_draw(&squat, &world.mallory, "squat");
    world.now_ms += 100000;
    for (unsigned slot = 0; slot < 2; slot++) {
        image_lose(&d, slot);
        assert_int_equal(image_put(&squat, slot, true), OK);
    }
    assert_int_equal(image_mend(&d, 2, NULL, &report), OK); /* two claim it: fewer than three */
    image_expect(&d, 2);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(image_mend(&d, slot, &world.alice.caller, &report), OK);
        image_expect(&d, slot);
    }
    assert_int_equal(image_mend(&squat, 0, &world.mallory.caller, &report), DENIED);
}

static void test_a_removed_image_is_nobody_elses(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d, squat, again;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "tomb");
    image_put_all(&d);
    world.now_ms += 1000;
    for (unsigned slot = 0; slot < N - 1; slot++)
        assert_int_equal(image_remove(&d, slot, &world.alice), OK);
    image_lose(&d, N - 1); /* lost it, and missed the removal */
    world.now_ms += 1000;
    image_draw(&squat, &world.mallory, "tomb");
    assert_int_equal(image_put(&squat, 0, true), DENIED);
    assert_int_equal(image_remove(&squat, 0, &world.mallory), OK); /* says that it was his */
    assert_int_equal(image_put(&squat, N - 1, true), OK);
    assert_int_equal(image_remove(&squat, N - 1, &world.mallory), OK); /* there it was */
    image_draw(&again, &world.alice, "tomb");
    assert_int_equal(image_put(&again, N - 1, true), DENIED);
    assert_int_equal(image_mend(&again, N - 1, NULL, &report), NOT_FOUND); /* hears of alice's */
    assert_int_equal(image_put(&squat, N - 1, true), DENIED);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_put(&again, slot, true), OK);
}

/* So many say that an image was theirs that not all can be told: its owner's word is. */
static void test_strangers_hide_no_removal(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "crowd");
    image_put_all(&d);
    world.now_ms += 1000;
    for (unsigned slot = 1; slot < N; slot++)
        assert_int_equal(image_remove(&d, slot, &world.alice), OK);
    for (unsigned i = 0; i < 2 * FORMAT_REMOVALS_MAX; i++) {
        struct person stranger = world.mallory;
        char name[16];
        snprintf(name, sizeof name, "a%02u", i); /* before "alice" */
        memcpy(stranger.name, name, sizeof name);
        stranger.caller.name = stranger.name;
        for (unsigned slot = 1; slot < N; slot++)
            assert_int_equal(image_remove(&d, slot, &stranger), OK);
    }
    assert_int_equal(image_mend(&d, 0, NULL, &report), NOT_FOUND);
    image_expect_none(&d, 0);
}

/* The manager gave alice's name to another key as well. */
static void test_a_namesake_removes_nothing(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    image_draw(&d, &world.alice, "namesake");
    image_put_all(&d);
    world.now_ms += 1000;
    assert_int_equal(image_remove(&d, 0, &world.namesake), DENIED);
    image_expect(&d, 0);
    image_lose(&d, 1);
    assert_int_equal(image_remove(&d, 1, &world.namesake), OK); /* where nobody knows better */
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    image_expect(&d, 0);
    assert_int_equal(image_mend(&d, 0, &world.namesake.caller, &report), DENIED);
    assert_int_equal(image_mend(&d, 1, NULL, &report), OK); /* it is none of alice's */
    image_expect(&d, 1);
    host_stop(d.host[1]);
    host_start(d.host[1]);
    image_expect(&d, 1);
    assert_int_equal(image_remove(&d, 0, &world.alice), OK);
    image_expect_none(&d, 0);
    assert_int_equal(image_mend(&d, 2, NULL, &report), NOT_FOUND);
    image_expect_none(&d, 2);
    assert_int_equal(image_remove(&d, 2, &world.namesake), DENIED);
}

static void forward_sign(struct drawn *d, uint64_t serial_ms, struct bytes *out_body) {
    struct scalar exponent;
    struct g2 point;
    uint8_t rk[G2_BYTES];
    char owner[16], to[] = "bob";
    AUTO_FORMAT Myelin__Signed *record = NULL;
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &point);
    g2_to_bytes(&point, rk);
    memcpy(owner, d->owner->name, sizeof owner);
    forward.owner = owner;
    forward.recipient = to;
    forward.tau = format_bytes(view_of(d->tau, G2_BYTES));
    forward.rk1 = forward.rk2 = format_bytes(view_of(rk, sizeof rk));
    forward.serial_ms = serial_ms;
    forward.label = format_bytes(view_of("label", 5));
    assert_int_equal(format_sign(&d->owner->key, &forward, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static void revocation_sign(struct drawn *d, uint64_t serial_ms, struct bytes *out_body) {
    char owner[16], from[] = "bob";
    AUTO_FORMAT Myelin__Signed *record = NULL;
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    memcpy(owner, d->owner->name, sizeof owner);
    revocation.owner = owner;
    revocation.recipient = from;
    revocation.tau = format_bytes(view_of(d->tau, G2_BYTES));
    revocation.serial_ms = serial_ms;
    assert_int_equal(format_sign(&d->owner->key, &revocation, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static result ask_symbol(struct drawn *d, unsigned slot, struct bytes *out_wire) {
    out_wire->len = 0;
    return forward_symbol(world.hosts[d->host[slot]].storage, &world.bob.caller, &d->image, "bob",
                          slot, out_wire);
}

static void test_forwards_are_made_again_and_revocations_hold(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    AUTO_BYTES struct bytes forward = {0}, revocation = {0}, before = {0}, after = {0};
    image_draw(&d, &world.alice, "forward");
    image_put_all(&d);
    forward_sign(&d, world.now_ms, &forward);
    revocation_sign(&d, world.now_ms + 1, &revocation);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(forward_put(world.hosts[d.host[slot]].storage, &world.alice.caller,
                                     &d.image, "bob", bytes_view(&forward)),
                         OK);
    assert_int_equal(ask_symbol(&d, 3, &before), OK);
    image_lose(&d, 3);
    assert_int_equal(image_mend(&d, 3, NULL, &report), OK);
    assert_int_equal(ask_symbol(&d, 3, &after), OK);
    assert_true(view_equal(bytes_view(&before), bytes_view(&after))); /* by the same key */
    for (unsigned slot = 0; slot < N; slot++)
        if (slot != 3)
            assert_int_equal(forward_revoke(world.hosts[d.host[slot]].storage, &world.alice.caller,
                                            &d.image, "bob", bytes_view(&revocation)),
                             OK);
    assert_int_equal(ask_symbol(&d, 3, &after), OK); /* it missed that */
    assert_int_equal(image_mend(&d, 3, NULL, &report), OK);
    assert_int_equal(ask_symbol(&d, 3, &after), DENIED);
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK); /* who knows better learns nothing */
    assert_int_equal(ask_symbol(&d, 0, &after), DENIED);
}

/* ------------------------------------------------------------------ slots that move */

/* The new holder has the symbol of the envelope, and no slices; and the old one lost what tells
 * that its objects are committed, when nobody else answers. */
static void test_a_slot_stays_until_its_new_holder_has_all_of_it(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    struct move move;
    image_draw(&d, &world.alice, "moving");
    image_put_all(&d);
    move_begin(&d, &move);
    struct host *fresh = &world.hosts[move.number];
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    for (unsigned i = 0; i < OBJECTS; i++)
        assert_int_equal(
            store_delete(fresh->store, place_of_slices(&d.image, &d.objects[i].id, 0).key), OK);
    assert_int_equal(store_delete(move.old->store, place_of_put(&d.image, &d.put).key), OK);
    assert_int_equal(store_delete(fresh->store, place_of_put(&d.image, &d.put).key), OK);
    for (unsigned i = 0; i < N; i++)
        world.hosts[i].lie = i == move.number ? HONEST : DOWN;
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.dropped, 0);
    assert_true(has_slices(move.old, &d, 0) && has_slices(move.old, &d, 1));
    flip_in(move.old->store, place_of_object(&d.image, &d.objects[0].id, PLACE_MANIFEST_SUFFIX),
            40);
    fresh->lie = SHOWS_NO_OBJECTS; /* a manifest that is lost here too names slices that stay */
    assert_int_equal(
        store_delete(move.old->store,
                     place_of_object(&d.image, &d.objects[1].id, PLACE_MANIFEST_SUFFIX).key),
        OK);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.dropped, 0);
    assert_true(has_slices(move.old, &d, 0));
    for (unsigned i = 0; i < N; i++)
        world.hosts[i].lie = HONEST;
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.dropped, 1);
    assert_false(has_slices(move.old, &d, 0) || has_slices(move.old, &d, 1));
    image_expect(&d, 0);
    move_end(&move);
    description_free(&move.next);
}

static bool has_forward(struct host *host, struct drawn *d) {
    uint64_t bytes;
    return store_size(host->store, place_of_forward(&d->image, "bob").key, &bytes) == OK;
}

/* The last to have a forward keeps it until one that stays has it: slots alone are not the image.
 */
static void test_a_forward_stays_until_a_holder_has_it(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    AUTO_BYTES struct bytes forward = {0};
    struct move move;
    image_draw(&d, &world.alice, "kept");
    image_put_all(&d);
    move_begin(&d, &move);
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK); /* all of it is at the new one */
    forward_sign(&d, world.now_ms, &forward);
    assert_int_equal(
        forward_put(move.old->storage, &world.alice.caller, &d.image, "bob", bytes_view(&forward)),
        OK);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.dropped, 1);
    assert_int_equal(report.moving, 1);
    assert_true(has_forward(move.old, &d));
    assert_int_equal(forward_put(world.hosts[move.number].storage, &world.alice.caller, &d.image,
                                 "bob", bytes_view(&forward)),
                     OK);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.moving, 0);
    assert_false(has_forward(move.old, &d));
    move_end(&move);
    description_free(&move.next);
}

/* ------------------------------------------------------------------ puts while slots move */

static bool is_staged(struct host *host, struct drawn *d) {
    AUTO_NAMES struct store_names names = {0};
    assert_int_equal(store_list(host->store, place_staging(&d->put).key, "", "", &names), OK);
    return names.count > 0;
}

/* From now on slot 0 of the drawn image is asked of the server that had it. */
static void ask_old(struct drawn *d) {
    d->host[0] = N;
}

/* What is not prepared when a slot moves away goes with it, and so does what comes after. */
static void test_a_put_leaves_with_its_slot(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn open, late;
    struct move move;
    image_draw(&open, &world.alice, "moving");
    image_draw(&late, &world.alice, "moving");
    assert_int_equal(image_stage(&open, 0), OK);
    assert_true(is_staged(&world.hosts[open.host[0]], &open));
    move_begin(&open, &move);
    ask_old(&open);
    ask_old(&late);
    assert_false(is_staged(move.old, &open));
    assert_int_equal(image_prepare(&open, 0), NOT_FOUND);
    assert_int_equal(image_stage(&late, 0), OK);
    assert_true(is_staged(move.old, &late));
    assert_int_equal(image_prepare(&late, 0), CONFLICT);
    assert_false(is_staged(move.old, &late));
    move_end(&move);
    description_free(&move.next);
}

static void note_doubt(void *context, const struct image_id *image) {
    *(struct image_id *)context = *image;
}

/* What was prepared before the slot moved may be committed after it: the mender hears of it. */
static void test_a_put_that_was_prepared_before_its_slot_moved(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    AUTO_MEND_REPORT struct mend_report report = {0};
    struct image_id doubted = {.hex = ""};
    struct move move;
    image_draw(&d, &world.alice, "moving");
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_put(&d, slot, false), OK);
    unsigned fresh = d.host[0];
    move_begin(&d, &move);
    ask_old(&d);
    storage_on_doubt(move.old->storage, note_doubt, &doubted);
    assert_true(is_staged(move.old, &d));
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_commit(&d, slot), OK);
    assert_string_equal(doubted.hex, d.image.hex);
    d.host[0] = fresh;
    assert_int_equal(image_mend(&d, 0, NULL, &report), OK);
    assert_int_equal(mend_old(&move, &d, &report), OK);
    assert_int_equal(report.dropped, 1);
    assert_false(is_staged(move.old, &d) || has_slices(move.old, &d, 0));
    image_expect(&d, 0);
    move_end(&move);
    description_free(&move.next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* A thread that mends slowly: its pacing holds it at its first bytes. */
struct slow_mend {
    struct drawn *drawn;
    pthread_t thread;
    atomic_bool is_held, is_let_go;
    bool yields; /* to who waits, as a paused scrub does */
    result mended;
};

static void hold(void *context, uint64_t bytes) {
    (void)bytes;
    struct slow_mend *slow = context;
    struct mender *mender = world.hosts[slow->drawn->host[0]].mender;
    atomic_store(&slow->is_held, true);
    while (!atomic_load(&slow->is_let_go) && !(slow->yields && mender_is_awaited(mender)))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *mend_slowly(void *context) {
    struct slow_mend *slow = context;
    AUTO_MEND_REPORT struct mend_report report = {0};
    const struct mend_options options = {.pace = hold, .context = slow};
    slow->mended = mend_image(world.hosts[slow->drawn->host[0]].mender, &slow->drawn->image,
                              &options, &report);
    return NULL;
}

/* What becomes of a second one, which waits for 300 ms at most. */
static result mend_meanwhile(struct slow_mend *slow) {
    AUTO_MEND_REPORT struct mend_report report = {0};
    const struct mend_options options = {.wait_ms = slow->yields ? 20000 : 300};
    assert_int_equal(pthread_create(&slow->thread, NULL, mend_slowly, slow), 0);
    while (!atomic_load(&slow->is_held))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    result mended = mend_image(world.hosts[slow->drawn->host[0]].mender, &slow->drawn->image,
                               &options, &report);
    atomic_store(&slow->is_let_go, true);
    pthread_join(slow->thread, NULL);
    assert_int_equal(slow->mended, OK);
    return mended;
}

static void test_a_mend_that_is_awaited_hurries(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    image_draw(&d, &world.alice, "awaited");
    image_put_all(&d);
    struct slow_mend slow = {.drawn = &d, .yields = true};
    assert_int_equal(mend_meanwhile(&slow), OK);
}

static void test_nobody_waits_for_a_mend_for_ever(void **state) {
    (void)state;
    AUTO_DRAWN struct drawn d;
    image_draw(&d, &world.alice, "stuck");
    image_put_all(&d);
    struct slow_mend slow = {.drawn = &d};
    assert_int_equal(mend_meanwhile(&slow), TIMEOUT);
    assert_non_null(strstr(error_text(), "is being mended already"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_lost_image_is_as_it_was),
        TEST(test_only_bad_slices_are_fetched),
        TEST(test_a_look_reads_no_slices_that_are_there),
        TEST(test_liars_are_not_believed),
        TEST(test_too_few_good_ones),
        TEST(test_a_prepared_put_gets_its_commit),
        TEST(test_who_may_ask),
        TEST(test_repair_raises_no_dead),
        TEST(test_a_squatter_gives_way),
        TEST(test_a_removed_image_is_nobody_elses),
        TEST(test_strangers_hide_no_removal),
        TEST(test_a_namesake_removes_nothing),
        TEST(test_forwards_are_made_again_and_revocations_hold),
        TEST(test_a_slot_stays_until_its_new_holder_has_all_of_it),
        TEST(test_a_forward_stays_until_a_holder_has_it),
        TEST(test_a_put_leaves_with_its_slot),
        TEST(test_a_put_that_was_prepared_before_its_slot_moved),
        TEST(test_a_mend_that_is_awaited_hurries),
        TEST(test_nobody_waits_for_a_mend_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
