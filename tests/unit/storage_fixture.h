/*
 * For the tests of src/storage: a storage server, users who make images for it, and what they ask.
 * The tests play all clients.
 */
#ifndef MYELIN_TESTS_STORAGE_FIXTURE_H
#define MYELIN_TESTS_STORAGE_FIXTURE_H

#include "storage_draft.h"

/* ------------------------------------------------------------------ its requests */

static inline void draft_begin_body(const struct draft *draft, struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    ProtobufCBinaryData ids[FIXTURE_OBJECTS];
    for (size_t i = 0; i < draft->object_count; i++)
        ids[i] = format_bytes(view_of(draft->objects[i].id.bytes, FORMAT_ID_BYTES));
    memcpy(tau, draft->tau, sizeof tau);
    Myelin__BeginPut begin = MYELIN__BEGIN_PUT__INIT;
    begin.tau = format_bytes(view_of(tau, sizeof tau));
    begin.creates = draft->creates;
    begin.object = ids;
    begin.n_object = draft->object_count;
    assert_int_equal(format_pack(&begin, out_body), OK);
}

static inline result ask_begin(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    draft_begin_body(draft, &body);
    return put_begin(fixture->storage, &who->caller, &draft->image, &draft->put, bytes_view(&body));
}

static inline struct upload_options upload_options_of(const struct draft_object *object) {
    return (struct upload_options){
        .object = object->id, .slot = FIXTURE_SLOT, .slice_bytes = object->layout.slice_len};
}

/* In parts of an odd length. */
static inline result ask_upload(struct fixture *fixture, const struct person *who,
                                const struct draft *draft, size_t index) {
    const struct draft_object *object = &draft->objects[index];
    struct upload_options options = upload_options_of(object);
    struct upload *upload = NULL;
    AUTO_BYTES struct bytes receipt = {0};
    TRY(upload_open(fixture->storage, &who->caller, &draft->image, &draft->put, &options, &upload));
    for (uint64_t done = 0; done < object->layout.symbol_bytes;) {
        uint64_t left = object->layout.symbol_bytes - done;
        size_t part = left < 777 ? (size_t)left : 777;
        result appended = upload_append(upload, view_of(object->slices + done, part));
        if (appended != OK) {
            upload_abandon(upload);
            return appended;
        }
        done += part;
    }
    return upload_finish(upload, &receipt);
}

static inline void draft_prepare_body(const struct draft *draft, struct bytes *out_body) {
    Myelin__Signed *manifests[FIXTURE_OBJECTS];
    uint8_t tau[G2_BYTES];
    memcpy(tau, draft->tau, sizeof tau);
    for (size_t i = 0; i < draft->object_count; i++)
        manifests[i] = draft->objects[i].manifest;
    Myelin__PreparePut prepare = MYELIN__PREPARE_PUT__INIT;
    prepare.tau = format_bytes(view_of(tau, G2_BYTES));
    prepare.envelope = draft->creates ? draft->envelope : NULL;
    prepare.symbol = draft->creates ? draft->symbol : NULL;
    prepare.manifest = manifests;
    prepare.n_manifest = draft->object_count;
    assert_int_equal(format_pack(&prepare, out_body), OK);
}

static inline result ask_prepare(struct fixture *fixture, const struct person *who,
                                 const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    draft_prepare_body(draft, &body);
    return put_prepare(fixture->storage, &who->caller, &draft->image, &draft->put,
                       bytes_view(&body));
}

/* What `ask_begin`, `ask_upload` and `ask_prepare` bring, at once. */
static inline void draft_whole_body(const struct draft *draft, struct bytes *out_body) {
    AUTO_BYTES struct bytes begin = {0}, prepare = {0};
    Myelin__WholeObject objects[FIXTURE_OBJECTS], *pointers[FIXTURE_OBJECTS];
    draft_begin_body(draft, &begin);
    draft_prepare_body(draft, &prepare);
    for (size_t i = 0; i < draft->object_count; i++) {
        const struct draft_object *object = &draft->objects[i];
        objects[i] = (Myelin__WholeObject)MYELIN__WHOLE_OBJECT__INIT;
        objects[i].object = format_bytes(view_of(object->id.bytes, FORMAT_ID_BYTES));
        objects[i].slices = format_bytes(view_of(object->slices, object->layout.symbol_bytes));
        pointers[i] = &objects[i];
    }
    Myelin__WholePut whole = MYELIN__WHOLE_PUT__INIT;
    whole.begin = format_bytes(bytes_view(&begin));
    whole.prepare = format_bytes(bytes_view(&prepare));
    whole.object = pointers;
    whole.n_object = draft->object_count;
    assert_int_equal(format_pack(&whole, out_body), OK);
}

/* `out_answer` may be NULL. */
static inline result ask_whole_body(struct fixture *fixture, const struct person *who,
                                    const struct draft *draft, unsigned slot, struct view body,
                                    struct bytes *out_answer) {
    const struct whole_options options = {.slot = slot, .slice_bytes = FIXTURE_SLICE};
    AUTO_BYTES struct bytes answer = {0};
    TRY(put_whole(fixture->storage, &who->caller, &draft->image, &draft->put, &options, body,
                  &answer));
    return out_answer == NULL ? OK : bytes_append(out_answer, bytes_view(&answer));
}

static inline result ask_whole(struct fixture *fixture, const struct person *who,
                               const struct draft *draft, struct bytes *out_answer) {
    AUTO_BYTES struct bytes body = {0};
    draft_whole_body(draft, &body);
    return ask_whole_body(fixture, who, draft, FIXTURE_SLOT, bytes_view(&body), out_answer);
}

static inline result ask_commit(struct fixture *fixture, const struct person *who,
                                const struct draft *draft) {
    return put_commit(fixture->storage, &who->caller, &draft->image, &draft->put,
                      bytes_view(&draft->commit));
}

static inline result ask_stage(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    TRY(ask_begin(fixture, who, draft));
    for (size_t i = 0; i < draft->object_count; i++)
        TRY(ask_upload(fixture, who, draft, i));
    return ask_prepare(fixture, who, draft);
}

static inline result ask_put(struct fixture *fixture, const struct person *who,
                             const struct draft *draft) {
    TRY(ask_stage(fixture, who, draft));
    return ask_commit(fixture, who, draft);
}

/* A forward of `draft`'s image with genuine points. */
static inline void make_forward(const struct draft *draft, const struct person *recipient,
                                uint64_t serial_ms, struct bytes *out_body) {
    struct scalar exponent;
    struct g2 point;
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES], tau[G2_BYTES];
    char owner[16], to[16];
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &point);
    g2_to_bytes(&point, rk1);
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &point);
    g2_to_bytes(&point, rk2);
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    memcpy(to, recipient->name, sizeof to);
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    forward.owner = owner;
    forward.recipient = to;
    forward.tau = format_bytes(view_of(tau, sizeof tau));
    forward.rk1 = format_bytes(view_of(rk1, sizeof rk1));
    forward.rk2 = format_bytes(view_of(rk2, sizeof rk2));
    forward.serial_ms = serial_ms;
    forward.label = format_bytes(view_of("label", 5));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &forward, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline void make_revocation(const struct draft *draft, const struct person *recipient,
                                   uint64_t serial_ms, struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    char owner[16], to[16];
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    memcpy(to, recipient->name, sizeof to);
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = owner;
    revocation.recipient = to;
    revocation.tau = format_bytes(view_of(tau, sizeof tau));
    revocation.serial_ms = serial_ms;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &revocation, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline void make_removal(const struct draft *draft, uint64_t serial_ms,
                                struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    char owner[16];
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Removal removal = MYELIN__REMOVAL__INIT;
    removal.owner = owner;
    removal.tau = format_bytes(view_of(tau, sizeof tau));
    removal.serial_ms = serial_ms;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &removal, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline result ask_forward(struct fixture *fixture, const struct draft *draft,
                                 const struct person *recipient, uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_forward(draft, recipient, serial_ms, &body);
    return forward_put(fixture->storage, &draft->owner->caller, &draft->image, recipient->name,
                       bytes_view(&body));
}

static inline result ask_revoke(struct fixture *fixture, const struct draft *draft,
                                const struct person *recipient, uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_revocation(draft, recipient, serial_ms, &body);
    return forward_revoke(fixture->storage, &draft->owner->caller, &draft->image, recipient->name,
                          bytes_view(&body));
}

static inline result ask_remove(struct fixture *fixture, const struct draft *draft,
                                uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_removal(draft, serial_ms, &body);
    return removal_take(fixture->storage, &draft->owner->caller, &draft->image, bytes_view(&body));
}

/* ------------------------------------------------------------------ what a reader sees */

static inline result ask_image(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    AUTO_BYTES struct bytes answer = {0};
    return image_answer(fixture->storage, &who->caller, &draft->image, &answer);
}

static inline result ask_symbol_for(struct fixture *fixture, const struct person *who,
                                    const struct draft *draft, const struct person *user) {
    AUTO_BYTES struct bytes answer = {0};
    return forward_symbol(fixture->storage, &who->caller, &draft->image, user->name, SLOT_ANY,
                          &answer);
}

/* The object's slices as served, compared with the draft's; INTEGRITY where they differ. */
static inline result ask_slices(struct fixture *fixture, const struct person *who,
                                const struct draft *draft, size_t index) {
    const struct draft_object *object = &draft->objects[index];
    struct image_range range;
    TRY(image_open_symbol(fixture->storage, &who->caller, &draft->image, &object->id, SLOT_ANY,
                          &range));
    assert_int_equal(range.length, object->layout.symbol_bytes);
    uint8_t *bytes = malloc(range.length);
    assert_non_null(bytes);
    ssize_t got = pread(range.fd, bytes, range.length, (off_t)range.offset);
    bool same = got == (ssize_t)range.length && memcmp(bytes, object->slices, range.length) == 0;
    free(bytes);
    close(range.fd);
    return same ? OK : FAIL(INTEGRITY, "other slices than were put");
}

static inline Myelin__ManifestPage *objects_of(struct fixture *fixture, const struct person *who,
                                               const struct draft *draft) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__ManifestPage *page = NULL;
    if (listing_objects(fixture->storage, &who->caller, &draft->image, "", &wire) != OK)
        return NULL;
    assert_int_equal(format_parse_manifest_page(bytes_view(&wire), &page), OK);
    return page;
}

static inline Myelin__CheckAnswer *check_of(struct fixture *fixture, const struct person *who,
                                            const struct draft *draft) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__CheckAnswer *answer = NULL;
    assert_int_equal(image_check(fixture->storage, &who->caller, &draft->image, SLOT_ANY, &wire),
                     OK);
    assert_int_equal(format_parse_check_answer(bytes_view(&wire), &answer), OK);
    return answer;
}

/* All of the draft is there, and good. */
static inline void assert_whole(struct fixture *fixture, const struct draft *draft) {
    for (size_t i = 0; i < draft->object_count; i++)
        assert_int_equal(ask_slices(fixture, draft->owner, draft, i), OK);
    AUTO_FORMAT Myelin__CheckAnswer *answer = check_of(fixture, draft->owner, draft);
    assert_true(answer->envelope_good);
    for (size_t i = 0; i < answer->n_object; i++)
        assert_true(answer->object[i]->good);
}

#endif
