/* The rules of records: each refuses its breach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format_breaches.h"
#include "format_samples_records.h"

static char long_name[] = "a123456789012345678901234567890123456789012345678901234567890123";
static char dotted[] = ".alice";

#define SYSTEM(breach, text) REFUSES(Myelin__System, sample_system(), breach, text)
static void system_rules(void **state) {
    (void)state;
    static char bad_address[] = "nowhere", other_suite[] = "BN254", storage_1[] = "storage-1";
    SYSTEM(m.format = 2, "system: format: 2");
    SYSTEM(m.id.len = 15, "id: 15 bytes");
    SYSTEM(m.version = 0, "version");
    SYSTEM(m.suite = other_suite, "suite: 'BN254'");
    SYSTEM(m.k = 0, "k: 0");
    SYSTEM(m.k = 3, "k: 3 is not between 1 and 2");
    SYSTEM(m.t = 0, "t: 0");
    SYSTEM(m.t = 3, "t: 3 is not between 1 and 2");
    SYSTEM(m.n_storage = 0, "storage: 0 of them");
    SYSTEM(m.n_key = 0, "key: 0 of them");
    SYSTEM(m.storage[1]->name = bad_name, "storage[1]: name: 'Alice'");
    SYSTEM(m.key[0]->address = bad_address, "key[0]: address: 'nowhere'");
    SYSTEM(m.key[0]->identity.len = 31, "key[0]: identity: 31 bytes");
    SYSTEM(m.key[1]->name = storage_1, "server storage-1 stands there twice");
    SYSTEM(m.key[1]->identity = m.storage[0]->identity,
           "servers storage-1 and key-2 have one identity key");
    SYSTEM(m.ca_certificate.len = 0, "ca_certificate");
    SYSTEM(m.ca_certificate = zeros(FORMAT_CERTIFICATE_MAX + 1), "ca_certificate: 8193 bytes");
    SYSTEM(m.created_ms = year_10000, "created_ms");
}

/* The sample with n of 2 and a seat for each of its storage servers. */
static Myelin__System system_with_seats(void) {
    static Myelin__Seat seats[3];
    static Myelin__Seat *pointers[3] = {&seats[0], &seats[1], &seats[2]};
    Myelin__System m = sample_system();
    for (size_t i = 0; i < 2; i++) {
        myelin__seat__init(&seats[i]);
        seats[i].label = seats[i].server = m.storage[i]->name;
        seats[i].came = 1;
    }
    seats[2] = seats[1];
    m.n = 2;
    m.version = 5;
    m.seat = pointers;
    m.n_seat = 2;
    return m;
}

#define SEATS(breach, text) REFUSES(Myelin__System, system_with_seats(), breach, text)
static void seat_rules(void **state) {
    (void)state;
    static char nobody[] = "", stranger[] = "storage-9", north[] = "north", label[] = "other";
    ACCEPTS(Myelin__System, system_with_seats(), (void)m);
    ACCEPTS(Myelin__System, system_with_seats(),
            (m.storage[1]->weight = 100, m.storage[1]->domain = m.storage[1]->name));
    ACCEPTS(Myelin__System, system_with_seats(),
            (m.n_seat = 3, m.seat[1]->server = nobody, m.seat[1]->left = 3, m.seat[2]->came = 4));
    SEATS(m.n = 3, "n: 3 is not between 1 and 2");
    SEATS(m.n = 1, "k: 2 is not between 1 and 1");
    SEATS(m.n = 0; m.storage[0]->state = 1, "active storage servers: 1");
    SEATS((m.n_seat = 0, m.n = 1, m.k = 1, m.storage[0]->state = 1), "active storage servers: 1");
    SEATS(m.storage[0]->state = 2, "storage[0]: state: 2");
    SEATS(m.storage[0]->weight = 10001, "storage[0]: weight: 10001");
    SEATS(m.storage[0]->domain = bad_name, "storage[0]: domain: 'Alice'");
    SEATS(m.key[1]->state = 1, "key[1]: weight, domain and state");
    SEATS(m.key[0]->weight = 1, "key[0]: weight, domain and state");
    SEATS(m.n_seat = 1, "seat: 1 of the 2 active storage servers");
    SEATS(m.seat[0]->label = bad_name, "seat[0]: label: 'Alice'");
    SEATS(m.seat[0]->weight = 20000, "seat[0]: weight: 20000");
    SEATS(m.seat[0]->weight = 50, "seat[0]: weight: not that of storage-1");
    SEATS(m.seat[1]->domain = north, "seat[1]: domain: not that of storage-2");
    SEATS(m.seat[1]->came = 0, "seat[1]: came: version 0");
    SEATS(m.seat[0]->came = 2, "seat[1]: came: version 1 is out of order");
    SEATS(m.seat[1]->came = 6, "seat[1]: came: version 6");
    SEATS((m.seat[1]->left = 1, m.seat[1]->server = nobody), "seat[1]: left: version 1");
    SEATS((m.seat[1]->left = 6, m.seat[1]->server = nobody), "seat[1]: left: version 6");
    SEATS(m.seat[1]->left = 3, "seat[1]: server: it was left");
    SEATS(m.seat[1]->server = stranger, "seat[1]: server: 'storage-9' is no active");
    SEATS(m.seat[1]->server = m.storage[0]->name, "seat[1]: server: storage-1 has two seats");
    SEATS(m.seat[1]->label = m.seat[0]->label, "seat[1]: label: storage-1 has two seats at a time");
    SEATS((m.n_seat = 3, m.seat[2]->label = label), "seat[2]: server: storage-2 has two seats");
}

static void previous_rules(void **state) {
    (void)state;
    Myelin__Placement previous = MYELIN__PLACEMENT__INIT;
    Myelin__System old = sample_system();
    previous.version = 4;
    previous.storage = old.storage;
    previous.n_storage = 2;
    ACCEPTS(Myelin__System, system_with_seats(), m.previous = &previous);
    SEATS((m.previous = &previous, m.n = 0, m.n_seat = 0), "n with previous: 0");
    previous.version = 5;
    SEATS(m.previous = &previous, "previous: version: 5");
    previous.version = 4;
    previous.n_storage = 1;
    SEATS(m.previous = &previous, "previous: active storage servers: 1");
    previous.n_storage = 0;
    SEATS(m.previous = &previous, "previous: storage: 0 of them");
}

static void system_has_at_most_255_servers(void **state) {
    (void)state;
    static Myelin__Server servers[256];
    static Myelin__Server *pointers[256];
    static char names[256][16], address[] = "h:1";
    static uint8_t identities[256][32];
    for (int i = 0; i < 256; i++) {
        myelin__server__init(&servers[i]);
        snprintf(names[i], sizeof names[i], "s-%d", i);
        memset(identities[i], 0x77, 32);
        identities[i][0] = (uint8_t)i;
        servers[i].name = names[i];
        servers[i].address = address;
        servers[i].identity = (ProtobufCBinaryData){32, identities[i]};
        pointers[i] = &servers[i];
    }
    ACCEPTS(Myelin__System, sample_system(), (m.storage = pointers, m.n_storage = 255));
    SYSTEM((m.storage = pointers, m.n_storage = 256), "storage: 256 of them");
}

#define ENVELOPE(breach, text) REFUSES(Myelin__Envelope, sample_envelope(), breach, text)
static void envelope_rules(void **state) {
    (void)state;
    ENVELOPE(m.format = 0, "envelope: format");
    ENVELOPE(m.owner = bad_name, "owner: 'Alice'");
    ENVELOPE(m.owner = no_name, "owner");
    ENVELOPE(m.owner = long_name, "owner");
    ENVELOPE(m.tau.len = 95, "tau: 95 bytes, expected 96");
    ENVELOPE(m.k = 0, "k: 0");
    ENVELOPE(m.k = 4, "k: 4");
    ENVELOPE((m.n_servers = 0, m.n_symbol_hash = 0), "servers: 0");
    ENVELOPE(m.servers[1] = m.servers[0], "servers: storage-1 stands there twice");
    ENVELOPE(m.servers[2] = dotted, "servers[2]: '.alice'");
    ENVELOPE(m.n_symbol_hash = 2, "symbol_hash: 2 of them");
    ENVELOPE(m.symbol_hash[1].len = 31, "symbol_hash[1]: 31 bytes");
    ENVELOPE(m.key_commitment.len = 0, "key_commitment: 0 bytes");
    ENVELOPE(m.owner_label.len = 0, "owner_label: 0 bytes");
    ENVELOPE(m.owner_label = zeros(FORMAT_LABEL_MAX + 1), "owner_label");
    ENVELOPE(m.sealed_id.len = 0, "sealed_id: 0 bytes");
    ENVELOPE(m.sealed_id = zeros(FORMAT_LABEL_MAX + 1), "sealed_id");
    ENVELOPE(m.put.len = 17, "put: 17 bytes");
    ENVELOPE(m.created_ms = year_10000, "created_ms");
}

#define MANIFEST(breach, text) REFUSES(Myelin__Manifest, sample_manifest(), breach, text)
static void manifest_rules(void **state) {
    (void)state;
    MANIFEST(m.format = 2, "manifest: format");
    MANIFEST(m.owner = bad_name, "owner");
    MANIFEST(m.tau.len = 97, "tau: 97 bytes");
    MANIFEST(m.object.len = 15, "object: 15 bytes");
    MANIFEST(m.put.len = 0, "put: 0 bytes");
    MANIFEST(m.salt.len = 31, "salt: 31 bytes");
    MANIFEST(m.sealed_meta.len = 0, "sealed_meta: 0 bytes");
    MANIFEST(m.sealed_meta = zeros(FORMAT_SEALED_META_MAX + 1), "sealed_meta");
    MANIFEST(m.k = 0, "k: 0");
    MANIFEST(m.k = 4, "k: 4");
    MANIFEST(m.n_servers = 0, "servers: 0");
    MANIFEST(m.servers[1] = m.servers[0], "servers: storage-1 stands there twice");
    MANIFEST(m.n_symbol_root = 2, "symbol_root: 2 of them");
    MANIFEST(m.symbol_root[2].len = 0, "symbol_root[2]: 0 bytes");
    MANIFEST(m.n_row = 2, "row: 2 of them");
    MANIFEST(m.row[0].len = 1, "row[0]: 1 bytes, expected 2");
    MANIFEST(m.row[0] = zeros(2), "row[0]: all zeros");
    MANIFEST(m.created_ms = UINT64_MAX, "created_ms");
}

static void manifest_sizes_must_agree(void **state) {
    (void)state;
    MANIFEST(m.segment_bytes = 4095, "segment_bytes: 4095");
    MANIFEST(m.segment_bytes = (16 << 20) + 1, "segment_bytes");
    MANIFEST(m.segments = 0, "segments: 0");
    MANIFEST(m.segments = FORMAT_SEGMENTS_MAX + 1, "segments");
    MANIFEST(m.segments = UINT64_MAX, "segments");
    MANIFEST(m.segments = 2, "sealed_bytes");
    MANIFEST(m.segments = 4, "sealed_bytes");
    MANIFEST(m.sealed_bytes = 2 * 4112 + 16, "sealed_bytes"); /* an empty last segment */
    MANIFEST(m.sealed_bytes = 3 * 4112 + 1, "sealed_bytes");
    MANIFEST(m.sealed_bytes = UINT64_MAX, "sealed_bytes");
    MANIFEST((m.segment_bytes = 16 << 20, m.segments = 65537,
              m.sealed_bytes = 65536 * UINT64_C(16777232) + 17),
             "sealed_bytes"); /* more than 1 TiB */
    ACCEPTS(Myelin__Manifest, sample_manifest(), m.sealed_bytes = 2 * 4112 + 17);
    ACCEPTS(Myelin__Manifest, sample_manifest(), m.sealed_bytes = 3 * 4112);
    ACCEPTS(Myelin__Manifest, sample_manifest(), (m.segments = 1, m.sealed_bytes = 16));
    MANIFEST((m.segments = 1, m.sealed_bytes = 15), "sealed_bytes");
}

static void small_records_rules(void **state) {
    (void)state;
#define COMMIT(breach, text) REFUSES(Myelin__Commit, sample_commit(), breach, text)
    COMMIT(m.owner = bad_name, "commit: owner");
    COMMIT(m.tau.len = 0, "tau");
    COMMIT(m.put.len = 15, "put");
    COMMIT(m.contents.len = 31, "contents");
#define REVOCATION(breach, text) REFUSES(Myelin__Revocation, sample_revocation(), breach, text)
    REVOCATION(m.owner = bad_name, "revocation: owner");
    REVOCATION(m.recipient = bad_name, "recipient: 'Alice'");
    REVOCATION(m.recipient = sample_alice, "recipient: alice is the owner");
    REVOCATION(m.tau.len = 1, "tau");
    REVOCATION(m.serial_ms = year_10000, "serial_ms");
#define REMOVAL(breach, text) REFUSES(Myelin__Removal, sample_removal(), breach, text)
    REMOVAL(m.owner = no_name, "removal: owner");
    REMOVAL(m.tau.len = 1, "tau");
    REMOVAL(m.serial_ms = year_10000, "serial_ms");
#define DELETION(breach, text) REFUSES(Myelin__Deletion, sample_deletion(), breach, text)
    DELETION(m.owner = bad_name, "deletion: owner");
    DELETION(m.tau.len = 95, "tau");
    DELETION(m.object.len = 15, "object");
    DELETION(m.made.len = 17, "made");
    DELETION(m.serial_ms = year_10000, "serial_ms");
#define RECEIPT(breach, text) REFUSES(Myelin__Receipt, sample_receipt(), breach, text)
    RECEIPT(m.server = bad_name, "receipt: server");
    RECEIPT(m.put.len = 15, "put");
    RECEIPT(m.object.len = 15, "object");
    RECEIPT(m.slot = 255, "slot: 255");
    RECEIPT(m.symbol_bytes = 0, "symbol_bytes: 0");
    RECEIPT(m.symbol_bytes = (UINT64_C(1) << 40) + 1, "symbol_bytes");
    RECEIPT(m.symbol_root.len = 33, "symbol_root");
#define DRAW(breach, text) REFUSES(Myelin__Draw, sample_draw(), breach, text)
    DRAW(m.server = bad_name, "draw: server");
    DRAW(m.tau.len = 95, "tau");
    DRAW(m.put.len = 15, "put");
    DRAW(m.slot = 255, "slot: 255");
    DRAW(m.draw = 0, "draw: 0");
    DRAW(m.draw = FORMAT_DRAWS_MAX + 1, "draw: 65537");
    DRAW(m.request.len = 31, "request");
    DRAW(m.n_row = 0, "row");
    DRAW(m.row[1].len = 1, "row");
    DRAW(m.row[0].len = 0, "row");
    DRAW(m.n_coefficient = 1, "coefficient");
    DRAW(m.coefficient[1].len = 31, "coefficient");
    DRAW(m.symbol_hash.len = 31, "symbol_hash");
    DRAW(m.n_coefficient = 0, "symbol_hash");
    ACCEPTS(Myelin__Draw, sample_draw(), m.n_coefficient = 0; m.symbol_hash.len = 0);
}

static void forward_and_request_rules(void **state) {
    (void)state;
#define FORWARD(breach, text) REFUSES(Myelin__Forward, sample_forward(), breach, text)
    FORWARD(m.owner = bad_name, "forward: owner");
    FORWARD(m.recipient = no_name, "recipient");
    FORWARD(m.recipient = sample_alice, "recipient: alice is the owner");
    FORWARD(m.tau.len = 95, "tau");
    FORWARD(m.rk1.len = 48, "rk1: 48 bytes");
    FORWARD(m.rk2.len = 0, "rk2: 0 bytes");
    FORWARD(m.serial_ms = year_10000, "serial_ms");
    FORWARD(m.label.len = 0, "label: 0 bytes");
    FORWARD(m.label = zeros(FORMAT_LABEL_MAX + 1), "label");
#define REQUEST(breach, text)                                                                      \
    REFUSES(Myelin__CertificateRequest, sample_certificate_request(), breach, text)
    REQUEST(m.user = bad_name, "certificate_request: user");
    REQUEST(m.system_id.len = 15, "system_id");
    REQUEST(m.identity.len = 31, "identity");
    REQUEST(m.pk1.len = 96, "pk1");
    REQUEST(m.pk2.len = 48, "pk2");
    REQUEST(m.possession.len = 0, "possession");
#define META(breach, text) REFUSES(Myelin__ObjectMeta, sample_object_meta(), breach, text)
    META(m.name = no_name, "object_meta: name");
    META(memcpy(m.name, "../a", 5), "name");
    META(m.size = UINT64_MAX, "size");
    META(m.codec = 3, "codec: 3");
    META(m.codec = 5, "codec: 5");
    META(m.sha256.len = 20, "sha256: 20 bytes");
    META(m.note = zeros(FORMAT_NOTE_MAX + 1), "note");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_rules),
        cmocka_unit_test(seat_rules),
        cmocka_unit_test(previous_rules),
        cmocka_unit_test(system_has_at_most_255_servers),
        cmocka_unit_test(envelope_rules),
        cmocka_unit_test(manifest_rules),
        cmocka_unit_test(manifest_sizes_must_agree),
        cmocka_unit_test(small_records_rules),
        cmocka_unit_test(forward_and_request_rules),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
