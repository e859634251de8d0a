/*
 * A valid message of every kind to and from key servers, and their and their users' files.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_KEYS_H
#define MYELIN_TESTS_FORMAT_SAMPLES_KEYS_H

#include "format_samples_storage.h"

static ProtobufCBinaryData sample_commitment1[2], sample_commitment2[2];
static inline void sample_commitments(void) {
    for (int i = 0; i < 2; i++) {
        sample_commitment1[i] = sample_bytes((uint8_t)(70 + i), 48);
        sample_commitment2[i] = sample_bytes((uint8_t)(80 + i), 96);
    }
}

static inline Myelin__EnrollShare sample_enroll_share(void) {
    Myelin__EnrollShare m = MYELIN__ENROLL_SHARE__INIT;
    sample_commitments();
    m.user = sample_alice;
    m.index = 1;
    m.s1 = sample_bytes(1, 32);
    m.s2 = sample_bytes(2, 32);
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.proof = sample_bytes(3, 96);
    return m;
}

static inline Myelin__UserAnswer sample_user_answer(void) {
    Myelin__UserAnswer m = MYELIN__USER_ANSWER__INIT;
    sample_commitments();
    m.certificate = sample_bytes(1, 300);
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.enrolled_ms = 1700000000000;
    return m;
}

static inline Myelin__UserPage sample_user_page(void) {
    static char *users[2];
    Myelin__UserPage m = MYELIN__USER_PAGE__INIT;
    users[0] = sample_alice;
    users[1] = sample_bob;
    m.user = users;
    m.n_user = 2;
    return m;
}

static inline Myelin__OpenRequest sample_open_request(void) {
    Myelin__OpenRequest m = MYELIN__OPEN_REQUEST__INIT;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.u = 2;
    m.prove = 1;
    return m;
}

static inline Myelin__OpenAnswer sample_open_answer(void) {
    static Myelin__ServedSymbol served[2];
    static Myelin__ServedSymbol *symbols[2] = {&served[0], &served[1]};
    Myelin__OpenAnswer m = MYELIN__OPEN_ANSWER__INIT;
    m.index = 1;
    m.b = 1;
    m.beta = sample_bytes(1, 96);
    m.partial = sample_bytes(2, 96);
    for (int i = 0; i < 2; i++) {
        myelin__served_symbol__init(&served[i]);
        served[i].server = sample_servers()[i];
        served[i].symbol = sample_symbol();
        served[i].symbol->b = 1;
    }
    m.symbol = symbols;
    m.n_symbol = 2;
    m.proof = sample_bytes(3, 64);
    m.forward = sample_signed();
    return m;
}

static inline Myelin__RekeyRequest sample_rekey_request(void) {
    Myelin__RekeyRequest m = MYELIN__REKEY_REQUEST__INIT;
    m.recipient = sample_bob;
    m.tau = sample_bytes(1, 96);
    m.p = sample_bytes(2, 96);
    m.q = sample_bytes(3, 96);
    return m;
}

static inline Myelin__RekeyAnswer sample_rekey_answer(void) {
    Myelin__RekeyAnswer m = MYELIN__REKEY_ANSWER__INIT;
    m.index = 1;
    m.p = sample_bytes(2, 96);
    m.q = sample_bytes(3, 96);
    return m;
}

static inline Myelin__RecoverRequest sample_recover_request(void) {
    Myelin__RecoverRequest m = MYELIN__RECOVER_REQUEST__INIT;
    m.recipient = sample_bob;
    m.tau = sample_bytes(1, 96);
    return m;
}

static inline Myelin__RecoverAnswer sample_recover_answer(void) {
    Myelin__RecoverAnswer m = MYELIN__RECOVER_ANSWER__INIT;
    m.index = 1;
    m.box = sample_bytes(2, 80);
    m.head = sample_signed();
    return m;
}

static inline Myelin__AuditEntry *sample_audit_entry(void) {
    static Myelin__AuditEntry m;
    myelin__audit_entry__init(&m);
    m.sequence = 7;
    m.previous = sample_bytes(1, 32);
    m.body = sample_bytes(2, 100);
    m.hash = sample_bytes(3, 32);
    return &m;
}

static inline Myelin__AuditPage sample_audit_page(void) {
    static Myelin__AuditEntry second;
    static Myelin__AuditEntry *entries[2];
    Myelin__AuditPage m = MYELIN__AUDIT_PAGE__INIT;
    entries[0] = sample_audit_entry();
    second = *entries[0];
    second.sequence = 9;
    entries[1] = &second;
    m.entry = entries;
    m.n_entry = 2;
    return m;
}

static inline Myelin__AuditBody sample_audit_body(void) {
    static char action[] = "open", outcome[] = "denied: no forward";
    Myelin__AuditBody m = MYELIN__AUDIT_BODY__INIT;
    m.time_ms = 1700000000000;
    m.user = sample_bob;
    m.action = action;
    m.owner = sample_alice;
    m.image = sample_bytes(1, 32);
    m.outcome = outcome;
    return m;
}

static inline Myelin__Head sample_head(void) {
    static char server[] = "key-2";
    Myelin__Head m = MYELIN__HEAD__INIT;
    m.system = sample_bytes(1, 16);
    m.server = server;
    m.sequence = 7;
    m.hash = sample_bytes(2, 32);
    m.time_ms = 1700000000000;
    return m;
}

static inline Myelin__HeadFile sample_head_file(void) {
    static Myelin__Signed *heads[2];
    Myelin__HeadFile m = MYELIN__HEAD_FILE__INIT;
    heads[0] = heads[1] = sample_signed();
    m.head = heads;
    m.n_head = 2;
    return m;
}

static inline Myelin__KeystoreSecrets sample_keystore_secrets(void) {
    Myelin__KeystoreSecrets m = MYELIN__KEYSTORE_SECRETS__INIT;
    m.a3 = sample_bytes(1, 32);
    m.identity_seed = sample_bytes(2, 32);
    return m;
}

static inline Myelin__Keystore sample_keystore(void) {
    Myelin__Keystore m = MYELIN__KEYSTORE__INIT;
    m.format = 1;
    m.user = sample_alice;
    m.certificate = sample_bytes(1, 300);
    m.system_id = sample_bytes(2, 16);
    m.ca_key = sample_bytes(3, 32);
    m.ops_limit = 3;
    m.memory_limit = 64 << 20;
    m.salt = sample_bytes(4, 16);
    m.nonce = sample_bytes(5, 24);
    m.box = sample_bytes(6, 84);
    return m;
}

static inline Myelin__ShareFile sample_share_file(void) {
    Myelin__ShareFile m = MYELIN__SHARE_FILE__INIT;
    sample_commitments();
    m.format = 1;
    m.user = sample_alice;
    m.index = 1;
    m.certificate = sample_bytes(1, 300);
    m.commitment1 = sample_commitment1;
    m.commitment2 = sample_commitment2;
    m.n_commitment1 = m.n_commitment2 = 2;
    m.enrolled_ms = 1700000000000;
    m.nonce = sample_bytes(2, 24);
    m.box = sample_bytes(3, 80);
    m.active = 1;
    return m;
}

#endif
