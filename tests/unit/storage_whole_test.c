/* Puts in one request: the same as step by step, and refused where a step would be. */
#include "storage_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

static void check_receipt(const struct fixture *f, const struct draft *draft, size_t index,
                          struct view wire) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    const struct draft_object *object = &draft->objects[index];
    uint8_t root[DIGEST_BYTES];
    put_records_root(&object->layout, object->slices, root);
    assert_int_equal(format_parse_signed(wire, &record), OK);
    assert_int_equal(format_open_receipt(record, f->server.public_key, &receipt), OK);
    assert_string_equal(receipt->server, "storage-2");
    assert_memory_equal(receipt->put.data, draft->put.bytes, FORMAT_ID_BYTES);
    assert_memory_equal(receipt->object.data, object->id.bytes, FORMAT_ID_BYTES);
    assert_int_equal(receipt->slot, FIXTURE_SLOT);
    assert_int_equal(receipt->symbol_bytes, object->layout.symbol_bytes);
    assert_memory_equal(receipt->symbol_root.data, root, DIGEST_BYTES);
}

static void check_answer(const struct fixture *f, const struct draft *draft,
                         const struct bytes *wire) {
    AUTO_FORMAT Myelin__WholeAnswer *answer = NULL;
    assert_int_equal(format_parse_whole_answer(bytes_view(wire), &answer), OK);
    assert_int_equal(answer->n_receipt, draft->object_count);
    for (size_t i = 0; i < draft->object_count; i++)
        check_receipt(f, draft, i, format_view(answer->receipt[i]));
}

static void test_one_request_and_a_commit(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, second = {0};
    AUTO_BYTES struct bytes answer = {0}, next = {0};
    draft_make(&first, &f->alice, "study", true, 3);
    assert_int_equal(ask_whole(f, &f->alice, &first, &answer), OK);
    check_answer(f, &first, &answer);
    assert_int_equal(ask_image(f, &f->alice, &first), NOT_FOUND);
    assert_int_equal(ask_slices(f, &f->alice, &first, 0), NOT_FOUND);
    fixture_restart(f); /* what is answered is on the disk */
    assert_int_equal(ask_commit(f, &f->alice, &first), OK);
    assert_whole(f, &first);
    draft_make(&second, &f->alice, "study", false, 2);
    assert_int_equal(ask_whole(f, &f->alice, &second, &next), OK);
    check_answer(f, &second, &next);
    assert_int_equal(ask_commit(f, &f->alice, &second), OK);
    assert_whole(f, &first);
    assert_whole(f, &second);
}

/* The answer was lost. */
static void test_the_same_again(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0};
    AUTO_BYTES struct bytes answer = {0}, again = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    assert_int_equal(ask_whole(f, &f->alice, &draft, &answer), OK);
    assert_int_equal(ask_whole(f, &f->alice, &draft, &again), OK);
    assert_int_equal(answer.len, again.len);
    assert_memory_equal(answer.data, again.data, answer.len);
    /* Not with other contents under the same id. */
    draft_make(&other, &f->alice, "study", true, 2);
    other.put = draft.put;
    assert_int_equal(ask_whole(f, &f->alice, &other, NULL), CONFLICT);
    other.objects[0].id = draft.objects[0].id;
    other.objects[1].id = draft.objects[1].id;
    assert_int_equal(ask_whole(f, &f->alice, &other, NULL), CONFLICT);
    assert_non_null(strstr(error_text(), "prepared with other contents"));
    /* After a restart, prepare alone is asked again. */
    fixture_restart(f);
    char text[64];
    snprintf(text, sizeof text, "put %s is prepared", draft.put.hex);
    assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), CONFLICT);
    assert_string_equal(error_text(), text);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
}

/* Uploads are there: only prepare is to be repeated. */
static void test_a_rival_is_outwaited(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft image = {0}, first = {0}, second = {0};
    char text[64];
    draft_make(&image, &f->alice, "study", true, 1);
    draft_make(&first, &f->alice, "study", false, 1);
    draft_make(&second, &f->alice, "study", false, 2);
    assert_int_equal(ask_put(f, &f->alice, &image), OK);
    assert_int_equal(ask_whole(f, &f->alice, &first, NULL), OK);
    snprintf(text, sizeof text, "put %s is prepared", first.put.hex);
    assert_int_equal(ask_whole(f, &f->alice, &second, NULL), CONFLICT);
    assert_string_equal(error_text(), text);
    assert_int_equal(ask_commit(f, &f->alice, &first), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &second), OK);
    assert_int_equal(ask_commit(f, &f->alice, &second), OK);
    assert_whole(f, &second);
}

static void test_what_begin_refuses(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, again = {0}, unknown = {0}, mallorys = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&again, &f->alice, "study", true, 1);
    draft_make(&unknown, &f->alice, "nowhere", false, 1);
    draft_make(&mallorys, &f->mallory, "study", false, 1);
    assert_int_equal(ask_whole(f, &f->key_server, &draft, NULL), DENIED);
    assert_int_equal(ask_whole(f, &f->other_server, &draft, NULL), DENIED);
    assert_int_equal(ask_whole(f, &f->alice, &unknown, NULL), NOT_FOUND);
    assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), OK);
    assert_int_equal(ask_whole(f, &f->mallory, &draft, NULL), CONFLICT); /* not hers */
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_int_equal(ask_whole(f, &f->alice, &again, NULL), CONFLICT);
    assert_int_equal(ask_whole(f, &f->mallory, &mallorys, NULL), DENIED);
    assert_whole(f, &draft);
}

/* What another user signed is not what she may put. */
static void test_another_users_signature(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_whole(f, &f->mallory, &draft, NULL), INTEGRITY);
    assert_int_equal(ask_commit(f, &f->alice, &draft), CONFLICT);
    assert_int_equal(put_abort(f->storage, &f->mallory.caller, &draft.image, &draft.put), OK);
    assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), OK);
}

static void test_slots_and_slices(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes body = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    draft_whole_body(&draft, &body);
    struct view right = bytes_view(&body);
    assert_int_equal(ask_whole_body(f, &f->alice, &draft, FORMAT_SERVERS_MAX, right, NULL),
                     INVALID);
    assert_int_equal(ask_whole_body(f, &f->alice, &draft, FIXTURE_SLOT + 1, right, NULL), PROTOCOL);
    assert_non_null(strstr(error_text(), "slot or sizes"));
    const struct whole_options no_slice = {.slot = FIXTURE_SLOT};
    AUTO_BYTES struct bytes answer = {0};
    assert_int_equal(put_whole(f->storage, &f->alice.caller, &draft.image, &draft.put, &no_slice,
                               right, &answer),
                     INVALID);
    draft.objects[1].slices[0] ^= 1;
    assert_int_equal(ask_whole(f, &f->alice, &draft, &answer), INTEGRITY);
    draft.objects[1].slices[0] ^= 1;
    assert_int_equal(answer.len, 0);
    draft.objects[1].layout.symbol_bytes--;
    assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), PROTOCOL);
    draft.objects[1].layout.symbol_bytes++;
    assert_int_equal(ask_commit(f, &f->alice, &draft), CONFLICT);
    assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), OK); /* the put stayed open */
}

static void test_objects_are_those_announced(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, extra = {0};
    AUTO_BYTES struct bytes body = {0};
    AUTO_FORMAT Myelin__WholePut *whole = NULL;
    draft_make(&draft, &f->alice, "study", true, 2);
    draft_make(&extra, &f->alice, "study", true, 1);
    draft_whole_body(&draft, &body);
    assert_int_equal(format_parse_whole_put(bytes_view(&body), &whole), OK);
    AUTO_BYTES struct bytes fewer = {0}, strange = {0};
    whole->n_object = 1;
    assert_int_equal(format_pack(whole, &fewer), OK);
    whole->n_object = 2;
    memcpy(whole->object[1]->object.data, extra.objects[0].id.bytes, FORMAT_ID_BYTES);
    assert_int_equal(format_pack(whole, &strange), OK);
    assert_int_equal(ask_whole_body(f, &f->alice, &draft, FIXTURE_SLOT, bytes_view(&fewer), NULL),
                     PROTOCOL);
    assert_non_null(strstr(error_text(), "was not uploaded"));
    assert_int_equal(ask_whole_body(f, &f->alice, &draft, FIXTURE_SLOT, bytes_view(&strange), NULL),
                     NOT_FOUND);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), OK);
}

/* Of a request that was cut off nothing is known. */
static void test_cut_and_endless(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes body = {0}, long_body = {0};
    draft_make(&draft, &f->alice, "study", true, 2);
    draft_whole_body(&draft, &body);
    for (size_t len = 0; len < body.len; len += len < 300 || len + 300 > body.len ? 1 : 997)
        assert_int_equal(
            ask_whole_body(f, &f->alice, &draft, FIXTURE_SLOT, view_of(body.data, len), NULL),
            PROTOCOL);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), NOT_FOUND);
    assert_int_equal(bytes_reserve(&long_body, FORMAT_LIMIT_WHOLE_PUT + 1), OK);
    memset(long_body.data, 0, FORMAT_LIMIT_WHOLE_PUT + 1);
    assert_int_equal(ask_whole_body(f, &f->alice, &draft, FIXTURE_SLOT,
                                    view_of(long_body.data, FORMAT_LIMIT_WHOLE_PUT + 1), NULL),
                     PROTOCOL);
}

struct twin {
    struct fixture *f;
    const struct draft *draft;
    atomic_uint *prepared;
};

static void *ask_as_twin(void *context) {
    const struct twin *twin = context;
    result asked = ask_whole(twin->f, &twin->f->alice, twin->draft, NULL);
    if (asked == OK)
        atomic_fetch_add(twin->prepared, 1);
    else if (asked != CONFLICT && asked != PROTOCOL) /* the other one uploads again just now */
        atomic_fetch_add(twin->prepared, 100);
    return NULL;
}

/* The very same request twice at the same moment, as after a connection that seemed dead: never
 * anything but prepared or told to come again. */
static void test_the_same_twice_at_once(void **state) {
    struct fixture *f = *state;
    for (unsigned round = 0; round < 20; round++) {
        AUTO_DRAFT struct draft draft = {0};
        char id[16];
        pthread_t threads[4];
        atomic_uint prepared = 0;
        snprintf(id, sizeof id, "study-%u", round);
        draft_make(&draft, &f->alice, id, true, 2);
        struct twin twin = {f, &draft, &prepared};
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask_as_twin, &twin), 0);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_in_range(prepared, 0, 4);
        assert_int_equal(ask_whole(f, &f->alice, &draft, NULL), OK);
        assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
        assert_whole(f, &draft);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_request_and_a_commit),    TEST(test_the_same_again),
        TEST(test_a_rival_is_outwaited),        TEST(test_what_begin_refuses),
        TEST(test_another_users_signature),     TEST(test_slots_and_slices),
        TEST(test_objects_are_those_announced), TEST(test_cut_and_endless),
        TEST(test_the_same_twice_at_once),
    };
    return cmocka_run_group_tests_name("storage whole puts", tests, NULL, NULL);
}
