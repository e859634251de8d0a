/*
 * A valid message of every kind, for tests of src/format. Each call fills the same static memory
 * anew, so a test may break what it got as it likes.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_H
#define MYELIN_TESTS_FORMAT_SAMPLES_H

#include <string.h>

#include "format/format.h"

enum { SAMPLE_N = 3, SAMPLE_K = 2 };

/* Bytes that differ from place to place; `first` tells samples apart. */
static inline ProtobufCBinaryData sample_bytes(uint8_t first, size_t len) {
    static uint8_t pool[32][1024];
    static unsigned next;
    uint8_t *bytes = pool[next++ % 32];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(first + i);
    return (ProtobufCBinaryData){len, bytes};
}

static char sample_alice[] = "alice", sample_bob[] = "bob";
static char *sample_names[SAMPLE_N];
static ProtobufCBinaryData sample_hashes[SAMPLE_N], sample_rows[SAMPLE_N];

static inline char **sample_servers(void) {
    static char names[SAMPLE_N][16];
    for (int i = 0; i < SAMPLE_N; i++) {
        memcpy(names[i], "storage-1", 10);
        names[i][8] = (char)('1' + i);
        sample_names[i] = names[i];
        sample_hashes[i] = sample_bytes((uint8_t)(10 * i), 32);
        sample_rows[i] = sample_bytes((uint8_t)(i + 1), SAMPLE_K);
    }
    return sample_names;
}

static inline Myelin__Signed *sample_signed(void) {
    static Myelin__Signed record;
    myelin__signed__init(&record);
    record.body = sample_bytes(1, 40);
    record.signature = sample_bytes(2, 64);
    return &record;
}

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
    m.codec = 2;
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

static inline Myelin__Symbol *sample_symbol(void) {
    static Myelin__Symbol m;
    static ProtobufCBinaryData coefficients[SAMPLE_K];
    myelin__symbol__init(&m);
    m.slot = 1;
    m.b = 0;
    m.alpha = sample_bytes(1, 48);
    m.beta = sample_bytes(2, 96);
    m.gamma = sample_bytes(3, 576);
    for (int i = 0; i < SAMPLE_K; i++)
        coefficients[i] = sample_bytes((uint8_t)(60 + i), 32);
    m.coefficient = coefficients;
    m.n_coefficient = SAMPLE_K;
    return &m;
}

static inline Myelin__BeginPut sample_begin_put(void) {
    static ProtobufCBinaryData objects[2];
    Myelin__BeginPut m = MYELIN__BEGIN_PUT__INIT;
    m.tau = sample_bytes(1, 96);
    m.creates = 1;
    objects[0] = sample_bytes(2, 16);
    objects[1] = sample_bytes(3, 16);
    m.object = objects;
    m.n_object = 2;
    return m;
}

static inline Myelin__DrawRequest sample_draw_request(void) {
    static Myelin__Ciphertext parts[2];
    static Myelin__Ciphertext *ciphertexts[2] = {&parts[0], &parts[1]};
    Myelin__DrawRequest m = MYELIN__DRAW_REQUEST__INIT;
    m.tau = sample_bytes(1, 96);
    m.slot = 1;
    m.k = 3;
    m.held = sample_bytes(1, 2); /* blocks 1 and 2 */
    m.draw = 3;
    m.rows = 5;
    for (int i = 0; i < 2; i++) {
        myelin__ciphertext__init(&parts[i]);
        parts[i].alpha = sample_bytes(2, 48);
        parts[i].gamma = sample_bytes(3, 576);
    }
    m.ciphertext = ciphertexts;
    m.n_ciphertext = 2;
    return m;
}

static inline Myelin__PreparePut sample_prepare_put(void) {
    static Myelin__Signed *manifests[2];
    Myelin__PreparePut m = MYELIN__PREPARE_PUT__INIT;
    m.tau = sample_bytes(1, 96);
    m.envelope = manifests[0] = manifests[1] = sample_signed();
    m.symbol = sample_symbol();
    m.manifest = manifests;
    m.n_manifest = 2;
    return m;
}

static inline Myelin__ImageAnswer sample_image_answer(void) {
    Myelin__ImageAnswer m = MYELIN__IMAGE_ANSWER__INIT;
    m.envelope = sample_signed();
    m.objects = 3;
    m.symbol_bytes = 10000;
    return m;
}

static inline Myelin__ImagePage sample_image_page(void) {
    static Myelin__ImageEntry entry;
    static Myelin__ImageEntry *entries[1] = {&entry};
    static char *recipients[1] = {sample_bob};
    Myelin__ImagePage m = MYELIN__IMAGE_PAGE__INIT;
    myelin__image_entry__init(&entry);
    recipients[0] = sample_bob;
    entry.envelope = sample_signed();
    entry.objects = 3;
    entry.sealed_bytes = 10000;
    entry.recipient = recipients;
    entry.n_recipient = 1;
    m.image = entries;
    m.n_image = 1;
    m.more = 1;
    return m;
}

static inline Myelin__ManifestPage sample_manifest_page(void) {
    static Myelin__Signed *manifests[1];
    Myelin__ManifestPage m = MYELIN__MANIFEST_PAGE__INIT;
    manifests[0] = sample_signed();
    m.manifest = manifests;
    m.n_manifest = 1;
    return m;
}

static inline Myelin__InboxPage sample_inbox_page(void) {
    static Myelin__InboxEntry entry;
    static Myelin__InboxEntry *entries[1] = {&entry};
    Myelin__InboxPage m = MYELIN__INBOX_PAGE__INIT;
    myelin__inbox_entry__init(&entry);
    entry.forward = sample_signed();
    entry.objects = 1;
    m.entry = entries;
    m.n_entry = 1;
    return m;
}

static inline Myelin__SymbolAnswer sample_symbol_answer(void) {
    Myelin__SymbolAnswer m = MYELIN__SYMBOL_ANSWER__INIT;
    m.symbol = sample_symbol();
    m.symbol->b = 1;
    m.forward = sample_signed();
    return m;
}

static inline Myelin__CheckAnswer sample_check_answer(void) {
    static Myelin__CheckedObject checked[2];
    static Myelin__CheckedObject *objects[2] = {&checked[0], &checked[1]};
    static char fault[] = "hash differs", none[] = "";
    Myelin__CheckAnswer m = MYELIN__CHECK_ANSWER__INIT;
    for (int i = 0; i < 2; i++) {
        myelin__checked_object__init(&checked[i]);
        checked[i].object = sample_bytes((uint8_t)i, 16);
        checked[i].good = i;
        checked[i].fault = i ? none : fault;
    }
    m.object = objects;
    m.n_object = 2;
    m.envelope_good = 1;
    return m;
}

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

/* Dealings, as part of other messages. */
static inline Myelin__Signed **sample_signed_list(void) {
    static Myelin__Signed *records[2];
    records[0] = records[1] = sample_signed();
    return records;
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
    m.commitments = sample_bytes(2, 144);
    m.n_box = SAMPLE_N;
    m.box = boxes;
    return m;
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
