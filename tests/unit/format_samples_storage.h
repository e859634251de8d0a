/*
 * A valid message of every kind to and from storage servers.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_STORAGE_H
#define MYELIN_TESTS_FORMAT_SAMPLES_STORAGE_H

#include "format_samples.h"

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

static inline Myelin__WholePut sample_whole_put(void) {
    static Myelin__WholeObject parts[2];
    static Myelin__WholeObject *objects[2] = {&parts[0], &parts[1]};
    Myelin__WholePut m = MYELIN__WHOLE_PUT__INIT;
    m.begin = sample_bytes(1, 150);
    m.prepare = sample_bytes(2, 200);
    for (int i = 0; i < 2; i++) {
        myelin__whole_object__init(&parts[i]);
        parts[i].object = sample_bytes((uint8_t)(3 + i), 16);
        parts[i].slices = sample_bytes((uint8_t)(5 + i), 100);
    }
    m.object = objects;
    m.n_object = 2;
    return m;
}

static inline Myelin__WholeAnswer sample_whole_answer(void) {
    static ProtobufCBinaryData receipts[2];
    Myelin__WholeAnswer m = MYELIN__WHOLE_ANSWER__INIT;
    receipts[0] = sample_bytes(1, 210);
    receipts[1] = sample_bytes(2, 210);
    m.receipt = receipts;
    m.n_receipt = 2;
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
    static uint8_t object[FORMAT_ID_BYTES] = {7};
    static ProtobufCBinaryData unreadable[1] = {{sizeof object, object}};
    unreadable[0].len = sizeof object;
    m.unreadable = unreadable;
    m.n_unreadable = 1;
    static Myelin__Signed deletion, *deletions[1] = {&deletion};
    deletion = *sample_signed();
    m.deletion = deletions;
    m.n_deletion = 1;
    return m;
}

static inline Myelin__DeleteObjects sample_delete_objects(void) {
    static Myelin__Signed *deletions[FORMAT_DELETIONS_MAX + 1];
    Myelin__DeleteObjects m = MYELIN__DELETE_OBJECTS__INIT;
    for (size_t i = 0; i < sizeof deletions / sizeof *deletions; i++)
        deletions[i] = sample_signed();
    m.deletion = deletions;
    m.n_deletion = 2;
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

static inline Myelin__ForwardPage sample_forward_page(void) {
    static Myelin__ForwardEntry both[2];
    static Myelin__ForwardEntry *entries[2] = {&both[0], &both[1]};
    Myelin__ForwardPage m = MYELIN__FORWARD_PAGE__INIT;
    myelin__forward_entry__init(&both[0]);
    myelin__forward_entry__init(&both[1]);
    both[0].forward = both[1].revocation = sample_signed();
    m.entry = entries;
    m.n_entry = 2;
    m.more = 1;
    return m;
}

static inline Myelin__ImageState sample_image_state(void) {
    /* Room for more than are allowed. */
    static Myelin__Signed *removals[FORMAT_REMOVALS_MAX + 1];
    static ProtobufCBinaryData certificates[FORMAT_REMOVALS_MAX + 2];
    static uint32_t slots[FORMAT_SERVERS_MAX + 1] = {1, 4};
    Myelin__ImageState m = MYELIN__IMAGE_STATE__INIT;
    m.envelope = sample_signed();
    for (int i = 0; i <= FORMAT_REMOVALS_MAX; i++)
        removals[i] = m.envelope;
    for (int i = 0; i <= FORMAT_REMOVALS_MAX + 1; i++)
        certificates[i] = sample_bytes(1, 300);
    m.removal = removals;
    m.certificate = certificates;
    m.n_removal = m.n_certificate = 1;
    m.claim = sample_alice;
    m.digest = sample_bytes(5, 32);
    m.slot = slots;
    slots[0] = 1;
    m.n_slot = 2;
    return m;
}

static inline Myelin__IndexPage sample_index_page(void) {
    static Myelin__IndexEntry entry;
    static Myelin__IndexEntry *entries[1] = {&entry};
    Myelin__IndexPage m = MYELIN__INDEX_PAGE__INIT;
    myelin__index_entry__init(&entry);
    entry.image = sample_bytes(1, 32);
    entry.digest = sample_bytes(2, 32);
    m.entry = entries;
    m.n_entry = 1;
    m.more = 1;
    return m;
}

static inline Myelin__RepairAnswer sample_repair_answer(void) {
    static Myelin__RepairedPart both[2];
    static Myelin__RepairedPart *parts[2] = {&both[0], &both[1]};
    static char fault[] = "too few servers";
    Myelin__RepairAnswer m = MYELIN__REPAIR_ANSWER__INIT;
    myelin__repaired_part__init(&both[0]);
    myelin__repaired_part__init(&both[1]);
    both[0].outcome = 1;
    both[1].object = sample_bytes(1, 16);
    both[1].slot = 4;
    both[1].outcome = 3;
    both[1].fault = fault;
    both[1].code = 502;
    m.part = parts;
    m.n_part = 2;
    m.bytes_read = 3000;
    m.bytes_written = 1000;
    m.after = sample_bytes(1, 16);
    return m;
}

#endif
