/*
 * For the tests of deletions: an owner's word that objects of a draft go.
 */
#ifndef MYELIN_TESTS_STORAGE_DELETION_H
#define MYELIN_TESTS_STORAGE_DELETION_H

#include "storage/deletion.h"
#include "storage_fixture.h"

/* The put that made the image, for drafts that add to one. */
static struct short_id deletion_made;

/* By `signer`, who says that he is the draft's owner. */
static inline Myelin__Signed *sign_deletion(const struct draft *draft, const struct person *signer,
                                            const struct short_id *object, uint64_t serial_ms) {
    uint8_t tau[G2_BYTES], id[FORMAT_ID_BYTES];
    char owner[16];
    Myelin__Signed *record = NULL;
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(id, object->bytes, sizeof id);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Deletion deletion = MYELIN__DELETION__INIT;
    deletion.owner = owner;
    deletion.tau = format_bytes(view_of(tau, sizeof tau));
    deletion.object = format_bytes(view_of(id, sizeof id));
    deletion.serial_ms = serial_ms;
    uint8_t made[FORMAT_ID_BYTES];
    memcpy(made, draft->creates ? draft->put.bytes : deletion_made.bytes, sizeof made);
    deletion.made = format_bytes(view_of(made, sizeof made));
    assert_int_equal(format_sign(&signer->key, &deletion, &record), OK);
    return record;
}

/* Of the first `count` objects. */
static inline void make_deletions(const struct draft *draft, size_t count, uint64_t serial_ms,
                                  struct bytes *out_body) {
    Myelin__Signed *records[FIXTURE_OBJECTS];
    Myelin__DeleteObjects message = MYELIN__DELETE_OBJECTS__INIT;
    for (size_t i = 0; i < count; i++)
        records[i] = sign_deletion(draft, draft->owner, &draft->objects[i].id, serial_ms);
    message.deletion = records;
    message.n_deletion = count;
    assert_int_equal(format_pack(&message, out_body), OK);
    for (size_t i = 0; i < count; i++)
        format_free(records[i]);
}

static inline result ask_delete(struct fixture *fixture, const struct draft *draft, size_t count,
                                uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_deletions(draft, count, serial_ms, &body);
    return deletion_take(fixture->storage, &draft->owner->caller, &draft->image, bytes_view(&body));
}

#endif
