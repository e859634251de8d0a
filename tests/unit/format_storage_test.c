/* The rules of messages to and from storage servers: each refuses its breach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format_breaches.h"
#include "format_samples_storage.h"

static void put_rules(void **state) {
    (void)state;
    static ProtobufCBinaryData many[FORMAT_OBJECTS_MAX + 1];
    static uint8_t ids[FORMAT_OBJECTS_MAX + 1][16];
    for (uint32_t i = 0; i <= FORMAT_OBJECTS_MAX; i++) {
        store_be32(ids[i], i * 2654435761u);
        many[i] = (ProtobufCBinaryData){16, ids[i]};
    }
#define BEGIN(breach, text) REFUSES(Myelin__BeginPut, sample_begin_put(), breach, text)
    BEGIN(m.tau.len = 95, "begin_put: tau");
    BEGIN((m.creates = 0, m.n_object = 0), "object: 0 of them");
    ACCEPTS(Myelin__BeginPut, sample_begin_put(), m.n_object = 0);
    ACCEPTS(Myelin__BeginPut, sample_begin_put(), (m.object = many, m.n_object = 4096));
    BEGIN((m.object = many, m.n_object = FORMAT_OBJECTS_MAX + 1), "object: 4097 of them");
    BEGIN(m.object[1].len = 15, "object[1]: 15 bytes");
    BEGIN(m.object[1] = m.object[0], "object: one stands there twice");
#define DRAWN_BY(breach, text) REFUSES(Myelin__DrawRequest, sample_draw_request(), breach, text)
    DRAWN_BY(m.tau.len = 95, "draw_request: tau");
    DRAWN_BY(m.slot = 255, "slot: 255");
    DRAWN_BY(m.k = 0, "k: 0");
    DRAWN_BY(m.k = 256, "k: 256");
    DRAWN_BY(m.k = 2, "held: 2 is out of order, or no block of 2");
    DRAWN_BY(m.held.len = 0, "held: 0 bytes");
    DRAWN_BY(m.held.len = 4, "held: 4 bytes");
    DRAWN_BY(m.held.data[1] = 1, "held: 1 is out of order");
    DRAWN_BY(m.draw = 0, "draw: 0");
    DRAWN_BY(m.rows = 0, "rows: 0");
    DRAWN_BY(m.rows = FORMAT_DRAWN_ROWS_MAX + 1, "rows: 65");
    DRAWN_BY(m.n_ciphertext = 1, "ciphertext: 1 of them");
    DRAWN_BY(m.ciphertext[1]->alpha.len = 47, "ciphertext: alpha: 47 bytes");
    DRAWN_BY(m.ciphertext[1]->gamma.len = 577, "ciphertext: gamma: 577 bytes");
    ACCEPTS(Myelin__DrawRequest, sample_draw_request(), m.n_ciphertext = 0);
#define PREPARE(breach, text) REFUSES(Myelin__PreparePut, sample_prepare_put(), breach, text)
    PREPARE(m.tau.len = 0, "prepare_put: tau");
    PREPARE(m.envelope = NULL, "envelope: missing");
    static uint8_t rows[FORMAT_COEFFICIENTS_MAX + 1];
    PREPARE((m.envelope = NULL, m.symbol = NULL, m.coefficients = sample_bytes(1, 32)),
            "envelope: missing beside its coefficients");
    PREPARE((m.coefficients.data = rows, m.coefficients.len = sizeof rows),
            "coefficients: 2080801 bytes");
    PREPARE(m.symbol->b = 1, "symbol: b: 1");
    PREPARE(m.symbol->alpha.len = 47, "symbol: alpha: 47 bytes");
    PREPARE(m.envelope->signature.len = 63, "envelope: signature: 63 bytes");
    PREPARE((m.envelope = NULL, m.symbol = NULL, m.n_manifest = 0), "manifest: 0 of them");
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), m.n_manifest = 0);
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), m.symbol = NULL); /* the server made it */
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), (m.envelope = NULL, m.symbol = NULL));
    static Myelin__Signed empty = MYELIN__SIGNED__INIT;
    PREPARE(m.manifest[1] = &empty, "1: manifest: body: 0 bytes");
}

static void whole_rules(void **state) {
    (void)state;
    static uint8_t rows[FORMAT_LIMIT_BEGIN_PUT + 1];
    static Myelin__WholeObject *many[FORMAT_WHOLE_OBJECTS_MAX + 1];
    static ProtobufCBinaryData receipts[FORMAT_WHOLE_OBJECTS_MAX + 1];
    for (size_t i = 0; i < FORMAT_WHOLE_OBJECTS_MAX + 1; i++) {
        many[i] = sample_whole_put().object[0];
        receipts[i] = sample_bytes(1, 210);
    }
#define WHOLE(breach, text) REFUSES(Myelin__WholePut, sample_whole_put(), breach, text)
    WHOLE(m.begin.len = 0, "whole_put: begin: 0 bytes");
    WHOLE((m.begin.data = rows, m.begin.len = sizeof rows), "begin: 131073 bytes");
    WHOLE(m.prepare.len = 0, "prepare: 0 bytes");
    WHOLE(m.n_object = 0, "object: 0 of them");
    ACCEPTS(Myelin__WholePut, sample_whole_put(),
            (m.object = many, m.n_object = FORMAT_WHOLE_OBJECTS_MAX));
    WHOLE((m.object = many, m.n_object = FORMAT_WHOLE_OBJECTS_MAX + 1), "object: 257 of them");
    WHOLE(m.object[1]->object.len = 15, "object: object: 15 bytes");
    WHOLE(m.object[1]->slices.len = 0, "object: slices: 0 bytes");
#define RECEIPTS(breach, text) REFUSES(Myelin__WholeAnswer, sample_whole_answer(), breach, text)
    RECEIPTS(m.n_receipt = 0, "whole_answer: receipt: 0 of them");
    ACCEPTS(Myelin__WholeAnswer, sample_whole_answer(),
            (m.receipt = receipts, m.n_receipt = FORMAT_WHOLE_OBJECTS_MAX));
    RECEIPTS((m.receipt = receipts, m.n_receipt = FORMAT_WHOLE_OBJECTS_MAX + 1),
             "receipt: 257 of them");
    RECEIPTS(m.receipt[1].len = 0, "receipt: 0 bytes");
    RECEIPTS((m.receipt[1].data = rows, m.receipt[1].len = FORMAT_LIMIT_SIGNED_SMALL + 1),
             "receipt: 4225 bytes");
}

static void symbol_rules(void **state) {
    (void)state;
#define SYMBOL(breach, text) REFUSES(Myelin__Symbol, *sample_symbol(), breach, text)
    SYMBOL(m.slot = 255, "symbol: slot: 255");
    SYMBOL(m.b = 2, "b: 2");
    SYMBOL(m.alpha.len = 49, "alpha: 49 bytes");
    SYMBOL(m.beta.len = 95, "beta: 95 bytes");
    SYMBOL(m.gamma.len = 575, "gamma: 575 bytes");
    SYMBOL(m.n_coefficient = 0, "coefficient: 0 of them");
    SYMBOL(m.coefficient[1].len = 31, "coefficient[1]: 31 bytes");
#define ANSWER(breach, text) REFUSES(Myelin__SymbolAnswer, sample_symbol_answer(), breach, text)
    ANSWER(m.symbol = NULL, "symbol_answer: symbol: missing");
    ANSWER(m.forward = NULL, "forward: missing");
    ANSWER(m.symbol->b = 0, "forward: present with an original symbol");
    ANSWER(m.symbol->gamma.len = 0, "symbol: gamma");
    ANSWER(m.forward->body.len = 0, "forward: body");
    ACCEPTS(Myelin__SymbolAnswer, sample_symbol_answer(), (m.symbol->b = 0, m.forward = NULL));
    REFUSES(Myelin__Signed, *sample_signed(), m.body.len = 0, "signed: body");
    REFUSES(Myelin__Signed, *sample_signed(), m.signature.len = 65, "signed: signature: 65");
}

static void storage_answer_rules(void **state) {
    (void)state;
#define IMAGE(breach, text) REFUSES(Myelin__ImageAnswer, sample_image_answer(), breach, text)
    IMAGE(m.envelope = NULL, "image_answer: envelope: one of");
    IMAGE(m.removal = m.envelope, "one of envelope and removal");
    IMAGE(m.envelope->signature.len = 0, "envelope: signature");
    IMAGE((m.removal = m.envelope, m.envelope = NULL, m.removal->signature.len = 1),
          "removal: signature");
    IMAGE(m.objects = UINT64_MAX, "objects");
    IMAGE(m.symbol_bytes = UINT64_MAX, "symbol_bytes");
#define IMAGES(breach, text) REFUSES(Myelin__ImagePage, sample_image_page(), breach, text)
    IMAGES(m.n_image = 0, "image_page: image: 0 of them"); /* yet says that there are more */
    IMAGES(m.image[0]->envelope = NULL, "image[0]: envelope: missing");
    IMAGES(m.image[0]->objects = UINT64_MAX, "image[0]: objects");
    IMAGES(m.image[0]->sealed_bytes = UINT64_MAX, "image[0]: sealed_bytes");
    IMAGES(m.image[0]->recipient[0] = bad_name, "image[0]: recipient: 'Alice'");
#define MANIFESTS(breach, text) REFUSES(Myelin__ManifestPage, sample_manifest_page(), breach, text)
    MANIFESTS(m.manifest[0]->signature.len = 1, "manifest_page: 0: manifest: signature");
    MANIFESTS((m.n_manifest = m.n_deletion = 0, m.more = 1), "manifest: 0 of them");
    ACCEPTS(Myelin__ManifestPage, sample_manifest_page(), (m.n_manifest = 0, m.more = 1));
    MANIFESTS(m.deletion[0]->signature.len = 1, "deletion: signature");
#define DELETIONS(breach, text)                                                                    \
    REFUSES(Myelin__DeleteObjects, sample_delete_objects(), breach, text)
    DELETIONS(m.n_deletion = 0, "delete_objects: deletion: 0 of them");
    DELETIONS(m.n_deletion = FORMAT_DELETIONS_MAX + 1, "deletion: 257 of them");
    DELETIONS(m.deletion[1]->body.len = 0, "deletion: body");
    MANIFESTS(m.unreadable[0].len = 15, "manifest_page: unreadable");
#define INBOX(breach, text) REFUSES(Myelin__InboxPage, sample_inbox_page(), breach, text)
    INBOX(m.entry[0]->forward = NULL, "inbox_page: entry[0]: forward: missing");
    INBOX(m.entry[0]->objects = UINT64_MAX, "entry[0]: objects");
    INBOX(m.entry[0]->sealed_bytes = UINT64_MAX, "entry[0]: sealed_bytes");
    INBOX((m.n_entry = 0, m.more = 1), "entry: 0 of them");
    static char endless[300], control[] = "a\033[2J";
    memset(endless, 'x', sizeof endless - 1);
#define CHECK(breach, text) REFUSES(Myelin__CheckAnswer, sample_check_answer(), breach, text)
    CHECK(m.object[1]->object.len = 1, "check_answer: object[1]: object");
    CHECK(m.object[0]->good = 1, "object[0]: fault: present with a good object");
    CHECK(m.object[0]->fault = no_name, "object[0]: fault: 0 characters");
    CHECK(m.object[0]->fault = endless, "object[0]: fault: 299 characters");
    CHECK(m.object[0]->fault = control, "object[0]: fault: character 1 is not printable");
}

static void mending_rules(void **state) {
    (void)state;
    static char endless[300], none[] = "";
    memset(endless, 'x', sizeof endless - 1);
#define FORWARDS(breach, text) REFUSES(Myelin__ForwardPage, sample_forward_page(), breach, text)
    FORWARDS(m.entry[0]->revocation = m.entry[0]->forward, "entry[0]: forward: one of");
    FORWARDS(m.entry[1]->revocation = NULL, "entry[1]: forward: one of");
    FORWARDS(m.entry[1]->revocation->signature.len = 1, "forward: signature");
    FORWARDS(m.n_entry = 0, "forward_page: entry: 0 of them");
#define STATE(breach, text) REFUSES(Myelin__ImageState, sample_image_state(), breach, text)
    STATE(m.envelope->signature.len = 1, "image_state: envelope: signature");
    STATE(m.n_removal = FORMAT_REMOVALS_MAX + 1, "removal: 17 of them");
    STATE(m.n_certificate = FORMAT_REMOVALS_MAX + 2, "certificate: 18 of them");
    STATE(m.certificate[0].len = 0, "certificate: 0 bytes");
    STATE(m.claim = bad_name, "claim: 'Alice'");
    STATE(m.digest.len = 31, "digest: 31 bytes");
    STATE(m.slot[0] = 255, "slot: 255");
    STATE(m.n_slot = 256, "slot: 256 of them");
    ACCEPTS(Myelin__ImageState, sample_image_state(), (m.envelope = NULL, m.claim = none));
#define INDEX(breach, text) REFUSES(Myelin__IndexPage, sample_index_page(), breach, text)
    INDEX(m.n_entry = 0, "index_page: entry: 0 of them");
    INDEX(m.entry[0]->image.len = 31, "image: 31 bytes");
    INDEX(m.entry[0]->digest.len = 33, "digest: 33 bytes");
#define REPAIR(breach, text) REFUSES(Myelin__RepairAnswer, sample_repair_answer(), breach, text)
    REPAIR(m.part[0]->slot = 255, "repair_answer: part[0]: slot: 255");
    REPAIR(m.part[0]->outcome = 5, "outcome: 5");
    REPAIR(m.part[0]->code = 502, "code: 502");
    REPAIR(m.part[1]->code = 200, "part[1]: code: 200");
    REPAIR(m.part[1]->fault = none, "fault: 0 characters");
    REPAIR(m.part[1]->fault = endless, "fault: 299 characters");
    REPAIR(m.part[1]->object.len = 15, "object: 15 bytes");
    REPAIR(m.bytes_read = UINT64_MAX, "bytes_read");
    REPAIR(m.bytes_written = UINT64_MAX, "bytes_written");
    REPAIR(m.after.len = 15, "after: 15 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_rules),     cmocka_unit_test(whole_rules),
        cmocka_unit_test(symbol_rules),  cmocka_unit_test(storage_answer_rules),
        cmocka_unit_test(mending_rules),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
