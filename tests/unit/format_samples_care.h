/*
 * A valid record and message of every kind of share care.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_CARE_H
#define MYELIN_TESTS_FORMAT_SAMPLES_CARE_H

#include "format_samples_keys.h"

/* Dealings, as part of other messages. */
static inline Myelin__Signed **sample_signed_list(void) {
    static Myelin__Signed *records[2];
    records[0] = records[1] = sample_signed();
    return records;
}

/* The first `count` share indices, or one that is 0. */
static inline ProtobufCBinaryData sample_holders(size_t count) {
    static uint8_t indices[] = {1, 2, 255}, zero[] = {0, 1};
    return (ProtobufCBinaryData){.len = count == 0 ? 2 : count,
                                 .data = count == 0 ? zero : indices};
}

/* Of a replacement for key server 2. */
static inline uint32_t *sample_dealers(void) {
    static uint32_t dealers[2];
    dealers[0] = 1;
    dealers[1] = 255;
    return dealers;
}

static inline Myelin__Dealing sample_dealing(void) {
    static ProtobufCBinaryData boxes[SAMPLE_N];
    Myelin__Dealing m = MYELIN__DEALING__INIT;
    for (int i = 0; i < SAMPLE_N; i++)
        boxes[i] = sample_bytes((uint8_t)(7 * i), 112);
    m.user = sample_alice;
    m.generation = sample_bytes(1, 32);
    m.dealer = 1;
    m.lost = 2;
    m.n_dealers = 2;
    m.dealers = sample_dealers();
    m.commitments = sample_bytes(2, 144);
    m.n_box = SAMPLE_N;
    m.box = boxes;
    return m;
}

/* Of a resharing to three, two of which will open. */
static inline Myelin__Dealing sample_dealing_reshare(void) {
    Myelin__Dealing m = sample_dealing();
    m.lost = 0;
    m.n_dealers = 0;
    m.t = 2;
    m.receivers = sample_holders(3);
    m.ballot = 7;
    m.n_box = 3;
    return m;
}

static inline Myelin__CareBase *sample_care_base(void) {
    static Myelin__CareBase m;
    myelin__care_base__init(&m);
    sample_commitments();
    m.certificate = sample_bytes(1, 300);
    m.enrolled_ms = 1700000000000;
    m.epoch = 3;
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.holders = sample_holders(3);
    return &m;
}

static inline Myelin__Acceptance sample_acceptance(void) {
    static char server[] = "key-1";
    Myelin__Acceptance m = MYELIN__ACCEPTANCE__INIT;
    m.server = server;
    m.user = sample_alice;
    m.ballot = 1;
    m.generation = sample_bytes(1, 32);
    return m;
}

static inline Myelin__Blinded sample_blinded(void) {
    Myelin__Blinded m = MYELIN__BLINDED__INIT;
    m.user = sample_alice;
    m.generation = sample_bytes(1, 32);
    m.helper = 1;
    m.lost = 2;
    m.dealings = sample_bytes(2, 32);
    m.box = sample_bytes(3, 112);
    return m;
}

static inline Myelin__CareRequest sample_care_request(void) {
    Myelin__CareRequest m = MYELIN__CARE_REQUEST__INIT;
    m.user = sample_alice;
    m.ballot = 7;
    return m;
}

static inline Myelin__CareRequest sample_care_request_reshare(void) {
    Myelin__CareRequest m = sample_care_request();
    m.t = 2;
    m.holders = sample_holders(3);
    return m;
}

static inline Myelin__CareRequest sample_care_request_lost(void) {
    Myelin__CareRequest m = MYELIN__CARE_REQUEST__INIT;
    m.user = sample_alice;
    m.lost = 2;
    m.n_dealers = 2;
    m.dealers = sample_dealers();
    return m;
}

static inline Myelin__CareState sample_care_state(void) {
    Myelin__CareState m = MYELIN__CARE_STATE__INIT;
    sample_commitments();
    m.certificate = sample_bytes(1, 300);
    m.enrolled_ms = 1700000000000;
    m.epoch = 3;
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.promised = 9;
    m.accepted = 8;
    m.next = sample_bytes(2, 32);
    m.n_next_dealing = 2;
    m.next_dealing = sample_signed_list();
    m.dealing = sample_signed();
    return m;
}

static inline Myelin__CareOffer sample_care_offer(void) {
    Myelin__CareOffer m = MYELIN__CARE_OFFER__INIT;
    m.user = sample_alice;
    m.ballot = 7;
    m.generation = sample_bytes(1, 32);
    m.n_dealing = 2;
    m.dealing = sample_signed_list();
    return m;
}

static inline Myelin__CareComplaint sample_care_complaint(void) {
    static uint32_t servers[2] = {1, 255};
    Myelin__CareComplaint m = MYELIN__CARE_COMPLAINT__INIT;
    m.n_server = 2;
    m.server = servers;
    return m;
}

static inline Myelin__CareFinish sample_care_finish(void) {
    Myelin__CareFinish m = MYELIN__CARE_FINISH__INIT;
    m.user = sample_alice;
    m.generation = sample_bytes(1, 32);
    m.n_acceptance = 2;
    m.acceptance = sample_signed_list();
    return m;
}

static inline Myelin__CareRestore sample_care_restore(void) {
    Myelin__CareRestore m = MYELIN__CARE_RESTORE__INIT;
    sample_commitments();
    m.user = sample_alice;
    m.certificate = sample_bytes(1, 300);
    m.enrolled_ms = 1700000000000;
    m.epoch = 3;
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.n_dealing = m.n_blinded = 2;
    m.dealing = sample_signed_list();
    m.blinded = sample_signed_list();
    return m;
}

/* In the middle of a refresh. */
static inline Myelin__ShareFile sample_share_file_next(void) {
    Myelin__ShareFile m = sample_share_file();
    m.epoch = 2;
    m.promised = 9;
    m.accepted = 9;
    m.next = sample_bytes(4, 500);
    m.n_next_dealing = 2;
    m.next_dealing = sample_signed_list();
    return m;
}

#endif
