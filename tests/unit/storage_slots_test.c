/* Slots: files and requests name theirs; stores and records of the first version are brought along.
 */
#include "storage_fixture.h"

#include "storage/put_record.h"
#include "storage/record.h"

static void test_names_of_slices(void **state) {
    (void)state;
    static const char hex[] = "00112233445566778899aabbccddeeff";
    static const char *const wrong[] = {"", ".", ".x", ".-1", ".01", ".255", ".1x", ".1.", "1"};
    struct short_id object;
    uint32_t slot;
    char name[64];
    for (uint32_t i = 0; i < 255; i += 127) {
        snprintf(name, sizeof name, "%s.%u", hex, i);
        assert_true(place_parse_slices(name, &object, &slot));
        assert_string_equal(object.hex, hex);
        assert_int_equal(slot, i);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(name, sizeof name, "%s%s", hex, wrong[i]);
        assert_false(place_parse_slices(name, &object, &slot));
    }
    assert_false(place_parse_slices("00112233445566778899AABBCCDDEEFF.1", &object, &slot));
}

static result read_slot(struct fixture *f, const struct draft *draft, uint32_t slot) {
    struct image_range range;
    TRY(image_open_symbol(f->storage, &f->alice.caller, &draft->image, &draft->objects[1].id, slot,
                          &range));
    close(range.fd);
    return OK;
}

static void test_a_request_names_its_slot(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    AUTO_BYTES struct bytes answer = {0};
    draft_make(&draft, &f->alice, "slots", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(read_slot(f, &draft, SLOT_ANY), OK);
    assert_int_equal(read_slot(f, &draft, FIXTURE_SLOT), OK);
    assert_int_equal(read_slot(f, &draft, 0), NOT_FOUND);
    assert_int_equal(read_slot(f, &draft, 200), NOT_FOUND);
    assert_int_equal(
        image_hashes(f->storage, &f->alice.caller, &draft.image, &draft.objects[1].id, 0, &answer),
        NOT_FOUND);
    for (uint32_t slot = 0; slot < FIXTURE_N; slot++)
        assert_int_equal(
            forward_symbol(f->storage, &f->alice.caller, &draft.image, "alice", slot, &answer),
            slot == FIXTURE_SLOT ? OK : NOT_FOUND);
}

static void test_several_objects_come_together_or_none(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    AUTO_BYTES struct bytes slices = {0};
    draft_make(&draft, &f->alice, "several", true, 3);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    struct image_wanted wanted[IMAGE_WANTED_MAX];
    for (size_t i = 0; i < 3; i++)
        wanted[i] = (struct image_wanted){draft.objects[2 - i].id, FIXTURE_SLOT};
    assert_int_equal(image_symbols(f->storage, &f->alice.caller, &draft.image, wanted, 3, &slices),
                     OK);
    size_t at = 0;
    for (size_t i = 3; i-- > 0;) {
        const struct draft_object *object = &draft.objects[i];
        assert_true(slices.len - at >= object->layout.symbol_bytes);
        assert_memory_equal(slices.data + at, object->slices, object->layout.symbol_bytes);
        at += object->layout.symbol_bytes;
    }
    assert_int_equal(at, slices.len);
    wanted[1].slot = 0; /* another server's */
    assert_int_equal(image_symbols(f->storage, &f->alice.caller, &draft.image, wanted, 3, &slices),
                     NOT_FOUND);
    assert_int_equal(at, slices.len);
}

static void test_a_forward_serves_the_slot_that_is_asked_for(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft;
    AUTO_BYTES struct bytes kept = {0}, made = {0};
    draft_make(&draft, &f->alice, "forwarded", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 5), OK);
    assert_int_equal(
        forward_symbol(f->storage, &f->bob.caller, &draft.image, "bob", FIXTURE_SLOT, &kept), OK);
    assert_int_equal(forward_symbol(f->storage, &f->bob.caller, &draft.image, "bob", 0, &made),
                     NOT_FOUND);
    /* The same symbol under another slot: what is answered is made of that one. */
    draft.symbol->slot = 2;
    AUTO_BYTES struct bytes wire = {0};
    assert_int_equal(format_pack(draft.symbol, &wire), OK);
    assert_int_equal(
        record_replace(f->store, place_of_symbol(&draft.image, 2).key, "symbol", bytes_view(&wire)),
        OK);
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    assert_int_equal(forward_symbol(f->storage, &f->bob.caller, &draft.image, "bob", 2, &made), OK);
    assert_int_equal(format_parse_symbol_answer(bytes_view(&made), &answer), OK);
    assert_int_equal(answer->symbol->slot, 2);
    assert_int_equal(answer->symbol->b, 1);
}

/* As the first version had it: no slot in names, none in records, and it says so. */
static void make_old(struct fixture *f, const struct draft *draft) {
    for (size_t i = 0; i < draft->object_count; i++)
        assert_int_equal(
            store_publish(
                f->store, place_of_slices(&draft->image, &draft->objects[i].id, FIXTURE_SLOT).key,
                place_of_object(&draft->image, &draft->objects[i].id, PLACE_SLICES_SUFFIX).key),
            OK);
    assert_int_equal(store_publish(f->store, place_of_symbol(&draft->image, FIXTURE_SLOT).key,
                                   place_of_image(&draft->image, PLACE_SYMBOL).key),
                     OK);
    assert_int_equal(
        record_replace(f->store, "format", "format", view_of_string("storage 1 storage-2\n")), OK);
}

static void make_old_record(struct fixture *f, struct place place) {
    AUTO_PUT_RECORD struct put_record record = {0};
    assert_int_equal(put_record_get(f->store, place.key, &record), OK);
    assert_int_equal(record.slot, FIXTURE_SLOT);
    record.slot = SLOT_ANY;
    assert_int_equal(put_record_replace(f->store, place.key, &record), OK);
}

static void test_an_old_store_is_brought_up_to_date(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft, prepared;
    draft_make(&draft, &f->alice, "old", true, 3);
    draft_make(&prepared, &f->alice, "old and prepared", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 5), OK);
    assert_int_equal(ask_stage(f, &f->alice, &prepared), OK);
    make_old(f, &draft);
    make_old_record(f, place_of_put(&draft.image, &draft.put));
    make_old_record(f, place_staged(&prepared.put, PLACE_PREPARED));
    for (int start = 0; start < 2; start++) {
        fixture_restart(f);
        for (size_t i = 0; i < draft.object_count; i++)
            assert_int_equal(ask_slices(f, &f->bob, &draft, i), OK);
        assert_int_equal(read_slot(f, &draft, FIXTURE_SLOT), OK);
    }
    assert_int_equal(ask_commit(f, &f->alice, &prepared), OK);
    assert_int_equal(ask_slices(f, &f->alice, &prepared, 1), OK);
    assert_int_equal(read_slot(f, &prepared, FIXTURE_SLOT), OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_names_of_slices),
        TEST(test_a_request_names_its_slot),
        TEST(test_several_objects_come_together_or_none),
        TEST(test_a_forward_serves_the_slot_that_is_asked_for),
        TEST(test_an_old_store_is_brought_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
