/* The rules of messages to and from key servers, and of files: each refuses its breach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format_breaches.h"
#include "format_samples_care.h"

static void key_message_rules(void **state) {
    (void)state;
#define ENROLL(breach, text) REFUSES(Myelin__EnrollShare, sample_enroll_share(), breach, text)
    ENROLL(m.user = bad_name, "enroll_share: user");
    ENROLL(m.index = 0, "index: 0");
    ENROLL(m.index = 256, "index: 256");
    ENROLL(m.s1.len = 31, "s1: 31 bytes");
    ENROLL(m.s2.len = 33, "s2: 33 bytes");
    ENROLL(m.n_commitment2 = 1, "commitment2: 1 of them, expected 2");
    ENROLL(m.n_commitment1 = m.n_commitment2 = 0, "commitment1: 0 of them");
    ENROLL(m.commitment1[1].len = 96, "commitment1[1]: 96 bytes");
    ENROLL(m.commitment2[0].len = 48, "commitment2[0]: 48 bytes");
    ENROLL(m.proof.len = 64, "proof: 64 bytes");
#define USER(breach, text) REFUSES(Myelin__UserAnswer, sample_user_answer(), breach, text)
    USER(m.certificate.len = 0, "user_answer: certificate: 0 bytes");
    USER(m.certificate = zeros(FORMAT_CERTIFICATE_MAX + 1), "certificate");
    USER(m.n_commitment1 = 1, "commitment2: 2 of them");
    USER(m.enrolled_ms = year_10000, "enrolled_ms");
    REFUSES(Myelin__UserPage, sample_user_page(), m.user[1] = bad_name, "user_page: user");
    REFUSES(Myelin__UserPage, sample_user_page(), (m.n_user = 0, m.more = 1), "user: 0 of them");
#define OPEN_REQUEST(breach, text) REFUSES(Myelin__OpenRequest, sample_open_request(), breach, text)
    OPEN_REQUEST(m.owner = bad_name, "open_request: owner");
    OPEN_REQUEST(m.tau.len = 0, "tau");
    OPEN_REQUEST(m.u = 256, "u: 256");
#define REKEY(breach, text) REFUSES(Myelin__RekeyRequest, sample_rekey_request(), breach, text)
    REKEY(m.recipient = bad_name, "rekey_request: recipient");
    REKEY(m.tau.len = 1, "tau");
    REKEY(m.p.len = 48, "p: 48 bytes");
    REKEY(m.q.len = 0, "q: 0 bytes");
#define PART(breach, text) REFUSES(Myelin__RekeyAnswer, sample_rekey_answer(), breach, text)
    PART(m.index = 0, "rekey_answer: index");
    PART(m.p.len = 95, "p: 95 bytes");
    PART(m.q.len = 97, "q: 97 bytes");
#define RECOVER(breach, text)                                                                      \
    REFUSES(Myelin__RecoverRequest, sample_recover_request(), breach, text)
    RECOVER(m.recipient = bad_name, "recover_request: recipient");
    RECOVER(m.tau.len = 95, "tau: 95 bytes");
#define FIRST_SHARE(breach, text)                                                                  \
    REFUSES(Myelin__RecoverAnswer, sample_recover_answer(), breach, text)
    FIRST_SHARE(m.index = 256, "recover_answer: index");
    FIRST_SHARE(m.box.len = 79, "box: 79 bytes");
}

static void open_answer_rules(void **state) {
    (void)state;
    static Myelin__Symbol other;
#define OPENED(breach, text) REFUSES(Myelin__OpenAnswer, sample_open_answer(), breach, text)
    OPENED(m.index = 0, "open_answer: index");
    OPENED(m.b = 2, "b: 2");
    OPENED(m.beta.len = 48, "beta");
    OPENED(m.partial.len = 48, "partial");
    OPENED(m.n_symbol = 0, "symbol: 0 of them");
    OPENED(m.symbol[1]->server = bad_name, "symbol: server: 'Alice'");
    OPENED(m.symbol[1]->server = m.symbol[0]->server, "symbol: storage-1 stands there twice");
    OPENED(m.symbol[1]->symbol = NULL, "symbol: missing");
    OPENED((m.b = 0, m.forward = NULL), "storage-1: b is 1, expected 0");
    OPENED((other = *m.symbol[1]->symbol, other.n_coefficient = 1, m.symbol[1]->symbol = &other),
           "storage-2: 1 coefficients, expected 2");
    OPENED(m.proof.len = 63, "proof: 63 bytes");
    OPENED(m.forward = NULL, "forward: missing");
    OPENED((m.b = 0, m.symbol[0]->symbol->b = 0), "forward: present with b = 0");
    ACCEPTS(Myelin__OpenAnswer, sample_open_answer(), m.proof.len = 0);
}

static void audit_rules(void **state) {
    (void)state;
    static char bell[] = "op\aen";
#define ENTRY(breach, text) REFUSES(Myelin__AuditEntry, *sample_audit_entry(), breach, text)
    ENTRY(m.sequence = 0, "audit_entry: sequence: 0");
    ENTRY(m.previous.len = 31, "previous");
    ENTRY(m.body.len = 0, "body: 0 bytes");
    ENTRY(m.body = zeros(FORMAT_LIMIT_AUDIT_BODY + 1), "body");
    ENTRY(m.hash.len = 0, "hash");
#define AUDIT(breach, text) REFUSES(Myelin__AuditPage, sample_audit_page(), breach, text)
    AUDIT(m.entry[1]->hash.len = 1, "audit_page: entry[1]: hash");
    AUDIT(m.entry[1]->sequence = 7, "entry[1]: sequence: not above");
    AUDIT((m.n_entry = 0, m.more = 1), "entry: 0 of them");
#define HEAD(breach, text) REFUSES(Myelin__Head, sample_head(), breach, text)
    HEAD(m.system.len = 15, "head: system: 15 bytes");
    HEAD(m.server = bad_name, "server");
    HEAD(m.sequence = UINT64_MAX, "sequence");
    HEAD(m.hash.len = 31, "hash: 31 bytes");
    HEAD(m.time_ms = year_10000, "time_ms");
    ACCEPTS(Myelin__Head, sample_head(), m.sequence = 0);
    REFUSES(Myelin__HeadFile, sample_head_file(), m.head[1]->signature.len = 63, "head");
#define BODY(breach, text) REFUSES(Myelin__AuditBody, sample_audit_body(), breach, text)
    BODY(m.time_ms = year_10000, "audit_body: time_ms");
    BODY(m.user = no_name, "user");
    BODY(m.action = no_name, "action: 0 characters");
    BODY(m.action = bell, "action: character 2");
    BODY(m.owner = bad_name, "owner");
    BODY(m.image.len = 31, "image: 31 bytes");
    BODY(m.recipient = bad_name, "recipient");
    BODY(m.outcome = no_name, "outcome: 0 characters");
    ACCEPTS(Myelin__AuditBody, sample_audit_body(), (m.image.len = 0, m.owner = no_name));
}

static void file_rules(void **state) {
    (void)state;
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.a3.len = 31, "a3: 31 bytes");
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.identity_seed.len = 0,
            "identity_seed: 0 bytes");
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.a1 = sample_bytes(3, 32),
            "a2: 0 bytes");
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.a2 = sample_bytes(3, 32),
            "a2: 32 bytes");
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.a1 = sample_bytes(3, 31), "a1");
    ACCEPTS(Myelin__KeystoreSecrets, sample_keystore_secrets(),
            (m.a1 = sample_bytes(3, 32), m.a2 = sample_bytes(4, 32)));
#define KEYSTORE(breach, text) REFUSES(Myelin__Keystore, sample_keystore(), breach, text)
    KEYSTORE(m.format = 2, "keystore: format: 2");
    KEYSTORE(m.user = bad_name, "user");
    KEYSTORE(m.certificate.len = 0, "box: 84 bytes");
    KEYSTORE(m.certificate.len = (8 << 10) + 1, "certificate");
    KEYSTORE(m.box = sample_bytes(6, 152), "box: 152 bytes");
    ACCEPTS(Myelin__Keystore, sample_keystore(),
            (m.certificate.len = 0, m.box = sample_bytes(6, 152)));
    KEYSTORE(m.system_id.len = 1, "system_id");
    KEYSTORE(m.ca_key.len = 1, "ca_key");
    KEYSTORE(m.ops_limit = 0, "ops_limit: 0");
    KEYSTORE(m.ops_limit = 11, "ops_limit: 11");
    KEYSTORE(m.memory_limit = 1024, "memory_limit: 1024");
    KEYSTORE(m.memory_limit = UINT64_MAX, "memory_limit");
    KEYSTORE(m.memory_limit = (256 << 20) + 1, "memory_limit");
    KEYSTORE(m.salt.len = 15, "salt: 15 bytes");
    KEYSTORE(m.nonce.len = 12, "nonce: 12 bytes");
    KEYSTORE(m.box.len = 83, "box: 83 bytes");
#define SHARE(breach, text) REFUSES(Myelin__ShareFile, sample_share_file(), breach, text)
    SHARE(m.format = 0, "share_file: format");
    SHARE(m.user = bad_name, "user");
    SHARE(m.index = 0, "index");
    SHARE(m.certificate.len = 0, "certificate");
    SHARE(m.n_commitment2 = 1, "commitment2");
    SHARE(m.enrolled_ms = year_10000, "enrolled_ms");
    SHARE(m.nonce.len = 0, "nonce");
    SHARE(m.box.len = 64, "box: 64 bytes");
}

static void dealings_are_checked(void **state) {
    (void)state;
#define DEALING(breach, text) REFUSES(Myelin__Dealing, sample_dealing(), breach, text)
    DEALING(m.user = bad_name, "dealing: user");
    DEALING(m.generation.len = 31, "generation: 31 bytes");
    DEALING(m.dealer = 0, "dealer");
    DEALING(m.dealer = 256, "dealer");
    DEALING(m.lost = 256, "lost");
    DEALING(m.lost = 0, "dealers");
    DEALING(m.n_dealers = 0, "dealers");
    DEALING(m.dealer = 3, "dealers: without 3");
    DEALING(m.dealers[0] = 0, "dealers");
    DEALING(m.dealers[1] = 1, "dealers");
    DEALING(m.dealers[1] = 2, "dealers: 2 lost its share");
    DEALING(m.dealers[1] = 256, "dealers");
    ACCEPTS(Myelin__Dealing, sample_dealing(), (m.lost = 0, m.n_dealers = 0));
    DEALING(m.n_box = 0, "box");
    DEALING(m.box[1].len = 111, "box");
#define DEALT(breach, text) REFUSES(Myelin__Dealing, sample_dealing_reshare(), breach, text)
    ACCEPTS(Myelin__Dealing, sample_dealing_reshare(), (void)0);
    DEALT(m.t = 0, "receivers: 3 bytes");
    DEALT(m.t = 4, "receivers: 3 bytes, expected 4 to 255");
    DEALT(m.t = 256, "dealing: t: 256");
    DEALT(m.lost = 2, "dealers");
    DEALT(m.ballot = 0, "ballot");
    DEALT(m.n_box = 2, "box");
    DEALT(m.receivers = sample_holders(0), "receivers: not ascending");
}

static void what_key_servers_sign_is_checked(void **state) {
    (void)state;
#define ACCEPTANCE(breach, text) REFUSES(Myelin__Acceptance, sample_acceptance(), breach, text)
    ACCEPTANCE(m.server = bad_name, "acceptance: server");
    ACCEPTANCE(m.ballot = 0, "ballot");
    ACCEPTANCE(m.ballot = UINT64_MAX, "ballot");
    ACCEPTANCE(m.generation.len = 0, "generation");
#define BLINDED(breach, text) REFUSES(Myelin__Blinded, sample_blinded(), breach, text)
    BLINDED(m.helper = 0, "blinded: helper");
    BLINDED(m.lost = 0, "lost");
    BLINDED(m.dealings.len = 0, "dealings");
    BLINDED(m.box.len = 64, "box: 64 bytes");
}

static void care_requests_are_checked(void **state) {
    (void)state;
#define ASKED(breach, text) REFUSES(Myelin__CareRequest, sample_care_request(), breach, text)
    ASKED(m.ballot = UINT64_MAX, "care_request: ballot");
    ASKED(m.lost = 1, "lost");
#define ASKED_LOST(breach, text)                                                                   \
    REFUSES(Myelin__CareRequest, sample_care_request_lost(), breach, text)
    ASKED_LOST(m.lost = 0, "care_request: dealers");
    ASKED_LOST(m.n_dealers = 0, "dealers");
    ASKED_LOST(m.dealers[1] = 2, "dealers");
    ASKED_LOST(m.dealers[1] = 1, "dealers");
    ACCEPTS(Myelin__CareRequest, sample_care_request_lost(), (void)0);
#define ASKED_RESHARE(breach, text)                                                                \
    REFUSES(Myelin__CareRequest, sample_care_request_reshare(), breach, text)
    ACCEPTS(Myelin__CareRequest, sample_care_request_reshare(), (void)0);
    ASKED_RESHARE(m.t = 4, "holders: 3 bytes, expected 4");
    ASKED_RESHARE(m.t = 0, "holders: 3 bytes, expected 0");
    ASKED_RESHARE(m.holders.len = 0, "holders");
    ASKED_RESHARE(m.ballot = 0, "ballot");
}

static void care_states_and_offers_are_checked(void **state) {
    (void)state;
#define STATE(breach, text) REFUSES(Myelin__CareState, sample_care_state(), breach, text)
    STATE(m.accepted = 10, "care_state: accepted");
    STATE(m.next.len = 0, "next");
    STATE(m.n_next_dealing = 0, "next_dealing");
    STATE(m.accepted = 0, "next");
    STATE(m.holders = sample_holders(1), "care_state: holders");
    STATE(m.n_commitment1 = 1, "commitment");
    ACCEPTS(Myelin__CareState, sample_care_state(),
            (m.accepted = 0, m.next.len = 0, m.n_next_dealing = 0));
#define OFFER(breach, text) REFUSES(Myelin__CareOffer, sample_care_offer(), breach, text)
    OFFER(m.generation.len = 33, "care_offer: generation");
    OFFER(m.n_dealing = 0, "dealing");
    ACCEPTS(Myelin__CareOffer, sample_care_offer(), m.from = sample_care_base());
    OFFER((m.from = sample_care_base(), m.from->certificate.len = 0), "from: certificate");
    OFFER((m.from = sample_care_base(), m.from->n_commitment2 = 1), "from: commitment");
    OFFER((m.from = sample_care_base(), m.from->holders = sample_holders(1)), "from: holders");
#define COMPLAINT(breach, text)                                                                    \
    REFUSES(Myelin__CareComplaint, sample_care_complaint(), breach, text)
    COMPLAINT(m.server[0] = 0, "care_complaint: server");
#define FINISH(breach, text) REFUSES(Myelin__CareFinish, sample_care_finish(), breach, text)
    FINISH(m.n_acceptance = 0, "care_finish: acceptance");
    ACCEPTS(Myelin__CareFinish, sample_care_finish(), m.made = sample_care_base());
    FINISH((m.made = sample_care_base(), m.made->epoch = UINT64_MAX), "made: epoch");
#define RESTORE(breach, text) REFUSES(Myelin__CareRestore, sample_care_restore(), breach, text)
    RESTORE(m.certificate.len = 0, "care_restore: certificate");
    RESTORE(m.n_blinded = 0, "blinded");
    RESTORE(m.holders = sample_holders(1), "holders");
    RESTORE(m.epoch = UINT64_MAX, "epoch");
}

static void files_of_two_generations_are_checked(void **state) {
    (void)state;
#define NEXT(breach, text) REFUSES(Myelin__ShareFile, sample_share_file_next(), breach, text)
    NEXT(m.accepted = 10, "share_file: accepted");
    NEXT(m.accepted = 0, "next");
    NEXT(m.holders = sample_holders(1), "share_file: holders");
    NEXT(m.holders = sample_holders(0), "holders: not ascending");
    NEXT(m.next.len = 0, "next");
    NEXT(m.n_next_dealing = 0, "next_dealing");
    NEXT(m.epoch = UINT64_MAX, "epoch");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_message_rules),
        cmocka_unit_test(open_answer_rules),
        cmocka_unit_test(audit_rules),
        cmocka_unit_test(file_rules),
        cmocka_unit_test(dealings_are_checked),
        cmocka_unit_test(what_key_servers_sign_is_checked),
        cmocka_unit_test(care_requests_are_checked),
        cmocka_unit_test(care_states_and_offers_are_checked),
        cmocka_unit_test(files_of_two_generations_are_checked),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
