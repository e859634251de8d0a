/*
 * A key server's routes as people call them, and what the log says of it.
 */
#ifndef MYELIN_TESTS_KEY_SERVICE_H
#define MYELIN_TESTS_KEY_SERVICE_H

#include "key_system.h"

#include "scheme/partial.h"

/* The actions and outcomes that a person finds in the log, one "action:outcome " after another. */
static inline void read_log(const struct person *person, char out[512]) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditPage *page = NULL;
    size_t used = 0;
    assert_int_equal(service_audit(&world.service, &person->peer, NULL, 0, &wire), OK);
    assert_int_equal(format_parse_audit_page(bytes_view(&wire), &page), OK);
    out[0] = '\0';
    for (size_t i = 0; i < page->n_entry; i++) {
        AUTO_FORMAT Myelin__AuditBody *body = NULL;
        assert_int_equal(format_parse_audit_body(format_view(page->entry[i]->body), &body), OK);
        int len = snprintf(out + used, 512 - used, "%s:%s ", body->action, body->outcome);
        assert_true(len > 0 && used + (size_t)len < 512);
        used += (size_t)len;
    }
}

static inline void assert_log(const struct person *person, const char *expected) {
    char log[512];
    read_log(person, log);
    assert_string_equal(log, expected);
}

static inline result open_how(const struct person *person, unsigned u, bool prove,
                              Myelin__OpenAnswer **out_answer) {
    AUTO_BYTES struct bytes wire = {0}, answer = {0};
    Myelin__OpenRequest request = MYELIN__OPEN_REQUEST__INIT;
    request.owner = world.alice.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    request.u = u;
    request.prove = prove;
    assert_int_equal(format_pack(&request, &wire), OK);
    TRY(service_open(&world.service, &person->peer, bytes_view(&wire), &answer));
    assert_int_equal(format_parse_open_answer(bytes_view(&answer), out_answer), OK);
    return OK;
}

static inline result open_as(const struct person *person, unsigned u,
                             Myelin__OpenAnswer **out_answer) {
    return open_how(person, u, true, out_answer);
}

/* Opens and drops the answer. */
static inline result try_open(const struct person *person, unsigned u) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    return open_as(person, u, &answer);
}

static inline void assert_partial_holds(const struct person *person,
                                        const Myelin__OpenAnswer *answer) {
    struct partial partial;
    struct g2 beta;
    assert_int_equal(g2_parse("beta", format_view(answer->beta), &beta), OK);
    assert_int_equal(
        partial_parse("partial", answer->index, M, format_view(answer->partial), &partial), OK);
    assert_int_equal(partial.j, J);
    assert_int_equal(partial_verify(&person->public_key, &person->commitments, answer->b, &beta,
                                    &partial, format_view(answer->proof)),
                     OK);
}

static inline void send_revocation(const struct person *caller, const struct person *signer,
                                   uint64_t serial_ms, result expected) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_BYTES struct bytes wire = {0};
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = world.alice.name;
    revocation.recipient = world.bob.name;
    revocation.tau = field(world.tau_bytes, G2_BYTES);
    revocation.serial_ms = serial_ms;
    assert_int_equal(format_sign(&signer->identity, &revocation, &record), OK);
    assert_int_equal(format_pack(record, &wire), OK);
    assert_int_equal(service_revoke(&world.service, &caller->peer, bytes_view(&wire)), expected);
}

static inline void enrol_all(void) {
    enrol(&world.alice);
    enrol(&world.bob);
    enrol(&world.mallory);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, service_setup, service_teardown)

#endif
