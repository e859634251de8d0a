/*
 * A valid record of every kind, but those of share care.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_RECORDS_H
#define MYELIN_TESTS_FORMAT_SAMPLES_RECORDS_H

#include "format_samples.h"

static inline Myelin__System sample_system(void) {
    static Myelin__Server servers[4];
    static Myelin__Server *storage[2], *key[2];
    static char names[4][16] = {"storage-1", "storage-2", "key-1", "key-2"};
    static char address[] = "127.0.0.1:4001", suite[16];
    Myelin__System m = MYELIN__SYSTEM__INIT;
    memcpy(suite, "BLS12-381", 10);
    for (int i = 0; i < 4; i++) {
        myelin__server__init(&servers[i]);
        servers[i].name = names[i];
        servers[i].address = address;
        servers[i].identity = sample_bytes((uint8_t)(50 * i), 32);
        (i < 2 ? storage : key)[i % 2] = &servers[i];
    }
    m.format = 1;
    m.id = sample_bytes(1, 16);
    m.version = 1;
    m.suite = suite;
    m.k = m.t = 2;
    m.n_storage = m.n_key = 2;
    m.storage = storage;
    m.key = key;
    m.ca_certificate = sample_bytes(3, 300);
    m.created_ms = 1700000000000;
    return m;
}

static inline Myelin__Envelope sample_envelope(void) {
    Myelin__Envelope m = MYELIN__ENVELOPE__INIT;
    m.format = 1;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.k = SAMPLE_K;
    m.servers = sample_servers();
    m.symbol_hash = sample_hashes;
    m.n_servers = m.n_symbol_hash = SAMPLE_N;
    m.key_commitment = sample_bytes(2, 32);
    m.owner_label = sample_bytes(3, 60);
    m.sealed_id = sample_bytes(4, 60);
    m.put = sample_bytes(5, 16);
    m.created_ms = 1700000000000;
    return m;
}

static inline Myelin__Manifest sample_manifest(void) {
    Myelin__Manifest m = MYELIN__MANIFEST__INIT;
    m.format = 1;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.object = sample_bytes(2, 16);
    m.put = sample_bytes(3, 16);
    m.salt = sample_bytes(4, 32);
    m.sealed_meta = sample_bytes(5, 90);
    m.segment_bytes = 4096;
    m.segments = 3;
    m.sealed_bytes = 2 * 4112 + 100;
    m.k = SAMPLE_K;
    m.servers = sample_servers();
    m.symbol_root = sample_hashes;
    m.row = sample_rows;
    m.n_servers = m.n_symbol_root = m.n_row = SAMPLE_N;
    m.created_ms = 1700000000000;
    return m;
}

static inline Myelin__ObjectMeta sample_object_meta(void) {
    static char name[1100];
    Myelin__ObjectMeta m = MYELIN__OBJECT_META__INIT;
    memcpy(name, "series 1/slice 7.dcm", 21);
    m.name = name;
    m.size = 123456;
    m.codec = 4;
    m.sha256 = sample_bytes(1, 32);
    return m;
}

static inline Myelin__Commit sample_commit(void) {
    Myelin__Commit m = MYELIN__COMMIT__INIT;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.put = sample_bytes(2, 16);
    m.contents = sample_bytes(3, 32);
    return m;
}

static inline Myelin__Forward sample_forward(void) {
    Myelin__Forward m = MYELIN__FORWARD__INIT;
    m.owner = sample_alice;
    m.recipient = sample_bob;
    m.tau = sample_bytes(1, 96);
    m.rk1 = sample_bytes(2, 96);
    m.rk2 = sample_bytes(3, 96);
    m.serial_ms = 1700000000000;
    m.label = sample_bytes(4, 70);
    return m;
}

static inline Myelin__Revocation sample_revocation(void) {
    Myelin__Revocation m = MYELIN__REVOCATION__INIT;
    m.owner = sample_alice;
    m.recipient = sample_bob;
    m.tau = sample_bytes(1, 96);
    m.serial_ms = 1700000000000;
    return m;
}

static inline Myelin__Removal sample_removal(void) {
    Myelin__Removal m = MYELIN__REMOVAL__INIT;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.serial_ms = 1700000000000;
    return m;
}

static inline Myelin__Deletion sample_deletion(void) {
    Myelin__Deletion m = MYELIN__DELETION__INIT;
    m.owner = sample_alice;
    m.tau = sample_bytes(1, 96);
    m.object = sample_bytes(2, 16);
    m.serial_ms = 1700000000000;
    m.made = sample_bytes(3, 16);
    return m;
}

static inline Myelin__Receipt sample_receipt(void) {
    Myelin__Receipt m = MYELIN__RECEIPT__INIT;
    m.server = sample_servers()[0];
    m.put = sample_bytes(1, 16);
    m.object = sample_bytes(2, 16);
    m.slot = 2;
    m.symbol_bytes = 4096;
    m.symbol_root = sample_bytes(3, 32);
    return m;
}

static inline Myelin__Draw sample_draw(void) {
    static ProtobufCBinaryData rows[2], coefficients[SAMPLE_K];
    Myelin__Draw m = MYELIN__DRAW__INIT;
    m.server = sample_servers()[0];
    m.tau = sample_bytes(1, 96);
    m.put = sample_bytes(2, 16);
    m.slot = 2;
    m.draw = 3;
    m.request = sample_bytes(3, 32);
    for (int i = 0; i < 2; i++)
        rows[i] = sample_bytes((uint8_t)(40 + i), SAMPLE_K);
    for (int i = 0; i < SAMPLE_K; i++)
        coefficients[i] = sample_bytes((uint8_t)(60 + i), 32);
    m.row = rows;
    m.n_row = 2;
    m.coefficient = coefficients;
    m.n_coefficient = SAMPLE_K;
    m.symbol_hash = sample_bytes(4, 32);
    return m;
}

static inline Myelin__CertificateRequest sample_certificate_request(void) {
    Myelin__CertificateRequest m = MYELIN__CERTIFICATE_REQUEST__INIT;
    m.user = sample_alice;
    m.system_id = sample_bytes(1, 16);
    m.identity = sample_bytes(2, 32);
    m.pk1 = sample_bytes(3, 48);
    m.pk2 = sample_bytes(4, 96);
    m.possession = sample_bytes(5, 96);
    return m;
}

#endif
