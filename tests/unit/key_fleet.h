/*
 * Five key servers in one process, alice enrolled at all of them.
 */
#ifndef MYELIN_TESTS_KEY_FLEET_H
#define MYELIN_TESTS_KEY_FLEET_H

#include "key_system.h"

struct fleet {
    struct identity identity[M];
    struct key_service service[M];
    char store[M][PATH_MAX];
};

static struct fleet fleet;

static inline void fleet_open(unsigned i) {
    assert_int_equal(key_service_open(fleet.store[i], seal_key, i + 1, &world.description,
                                      fleet.identity[i].tls, &fleet.service[i]),
                     OK);
    fleet.service[i].signing = fleet.identity[i].key;
}

static inline void fleet_restart(unsigned i) {
    key_service_close(&fleet.service[i]);
    fleet_open(i);
}

static inline void enrol_at(unsigned i, struct person *person) {
    struct offer offer;
    AUTO_BYTES struct bytes wire = {0};
    offer_make(person, &offer);
    scalar_to_bytes(&person->shares[i].s1, offer.s1);
    scalar_to_bytes(&person->shares[i].s2, offer.s2);
    offer.message.index = i + 1;
    assert_int_equal(format_pack(&offer.message, &wire), OK);
    assert_int_equal(service_enroll(&fleet.service[i], &person->peer, bytes_view(&wire)), OK);
    assert_int_equal(service_activate(&fleet.service[i], &person->peer), OK);
}

static inline int fleet_setup(void **state) {
    static int fleets;
    (void)state;
    for (unsigned i = 0; i < M; i++) {
        char name[16];
        snprintf(name, sizeof name, "key-%u", i + 1);
        identity_of(name, TLS_ROLE_KEY, &fleet.identity[i]);
        snprintf(fleet.store[i], PATH_MAX, "%.1000s/fleet-%d-%u", world.dir, fleets, i);
        assert_int_equal(file_make_folders(fleet.store[i], 0700), OK);
        fleet_open(i);
        enrol_at(i, &world.alice);
    }
    fleets++;
    return 0;
}

static inline int fleet_teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < M; i++) {
        key_service_close(&fleet.service[i]);
        identity_free(&fleet.identity[i]);
    }
    return 0;
}

/* A dealer's record with one of its boxes exchanged, well signed. */
static inline Myelin__Signed *deal_wrongly(const Myelin__Signed *honest, unsigned dealer,
                                           unsigned victim) {
    AUTO_FORMAT Myelin__Dealing *dealing = NULL;
    Myelin__Signed *record = NULL;
    assert_int_equal(format_parse_dealing(format_view(honest->body), &dealing), OK);
    ProtobufCBinaryData boxes[M];
    memcpy(boxes, dealing->box, dealing->n_box * sizeof *boxes);
    AUTO_BYTES struct bytes box = {0};
    uint8_t wrong[2 * SCALAR_BYTES] = {0};
    wrong[SCALAR_BYTES - 1] = wrong[sizeof wrong - 1] = 1;
    assert_int_equal(
        sign_box_seal(fleet.identity[victim].key->public_key, view_of(wrong, sizeof wrong), &box),
        OK);
    size_t at = dealing->lost != 0 && victim + 1 > dealing->lost ? victim - 1 : victim;
    boxes[at] = format_bytes(bytes_view(&box));
    Myelin__Dealing altered = *dealing;
    altered.box = boxes;
    assert_int_equal(format_sign(fleet.identity[dealer].key, &altered, &record), OK);
    return record;
}

#endif
