/* Audit events: which event an action is, and that no text of others gets out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "audit/event.h"

static char alice[] = "alice", bob[] = "bob", none[] = "";

static void make_event(char *action, char *outcome, const char *id, Myelin__AuditBody *body,
                       struct audit_event *out) {
    static uint8_t image[32] = {0xab};
    myelin__audit_body__init(body);
    body->time_ms = 1700000000123;
    body->user = alice;
    body->owner = alice;
    body->recipient = bob;
    body->action = action;
    body->outcome = outcome;
    body->image = format_bytes(view_of(image, sizeof image));
    *out = (struct audit_event){.server = "key-2", .at.sequence = 17, .body = body, .id = id};
}

/* The line, as a text. */
static const char *line_of(const char *action, const char *outcome, const char *id) {
    static struct bytes line;
    static char action_text[64], outcome_text[64];
    Myelin__AuditBody body;
    struct audit_event event;
    snprintf(action_text, sizeof action_text, "%s", action);
    snprintf(outcome_text, sizeof outcome_text, "%s", outcome);
    make_event(action_text, outcome_text, id, &body, &event);
    bytes_free(&line);
    assert_int_equal(event_syslog(&event, &line), OK);
    assert_int_equal(bytes_append(&line, view_of("", 1)), OK);
    return (const char *)line.data;
}

static void assert_has(const char *line, const char *words) {
    if (strstr(line, words) == NULL)
        fail_msg("no \"%s\" in %s", words, line);
}

static void test_actions_are_events(void **state) {
    (void)state;
    static const struct {
        const char *action, *code, *type;
    } cases[] = {
        {"open", "110103", NULL},        {"rekey", "110102", NULL},
        {"recover", "110113", "110132"}, {"revoke", "110113", "110135"},
        {"enroll", "110113", "110137"},  {"refresh", "110113", "110137"},
        {"renew", "110113", "110137"},   {"replace", "110113", "110137"},
        {"reshare", "110113", "110137"}, {"something new", "110113", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[64];
        const char *line = line_of(cases[i].action, "ok", "scan");
        snprintf(words, sizeof words, "<EventID csd-code=\"%s\"", cases[i].code);
        assert_has(line, words);
        assert_int_equal(strstr(line, "EventTypeCode") != NULL, cases[i].type != NULL);
        if (cases[i].type != NULL)
            assert_has(line, cases[i].type);
    }
}

static void test_outcomes(void **state) {
    (void)state;
    assert_int_equal(event_outcome("ok"), 0);
    assert_int_equal(event_outcome("denied"), 4);
    assert_int_equal(event_outcome("not found"), 4);
    assert_int_equal(event_outcome("too few servers"), 8);
    assert_int_equal(event_outcome("anything else"), 8);
    assert_has(line_of("open", "ok", NULL), "<85>1 2023-11-14T22:13:20.123Z key-2 ");
    assert_has(line_of("open", "denied", NULL), "<84>1 ");
    assert_has(line_of("open", "denied", NULL), "EventOutcomeIndicator=\"4\"");
}

static void test_study_uids(void **state) {
    (void)state;
    static const char *const uids[] = {"1.2.840.10008.1", "0.1", "2.25.0"};
    static const char *const others[] = {"",
                                         "1",
                                         "1.",
                                         ".1",
                                         "1..2",
                                         "1.02",
                                         "1.2a",
                                         "scan.1",
                                         "1.2345678901234567890123456789012345678901234567890123"
                                         "45678901234"};
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++)
        assert_true(event_is_uid(uids[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(event_is_uid(others[i]));
    assert_has(line_of("open", "ok", "1.2.3"), "\"110180\" codeSystemName=\"DCM\"");
    assert_has(line_of("open", "ok", "scan"), "\"image-id\"");
    assert_has(line_of("open", "ok", NULL), "\"image-hash\"");
    assert_has(line_of("open", "ok", NULL), "ParticipantObjectID=\"ab000000");
}

static void test_texts_stay_in_their_places(void **state) {
    (void)state;
    const char *line = line_of("open", "ok", "a\"><b>'&\n\t\x1b[2J\x80\xc3\xa9\xf0\x9f\x98\x80");
    assert_has(line, "ParticipantObjectID=\"a&#x22;&#x3E;&#x3C;b&#x3E;&#x27;&#x26;&#xA;&#x9;"
                     "&#xFFFD;[2J&#xFFFD;&#xE9;&#x1F600;\"");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    for (const char *at = line; *at != '\0'; at++)
        assert_true((*at >= 0x20 && *at < 0x7f) || at == line + strlen(line) - 1);
    line = line_of("op<en", "no\"pe", "x");
    assert_has(line, "op&#x3C;en: no&#x22;pe");
}

static void test_a_forward_has_two_ends(void **state) {
    (void)state;
    const char *line = line_of("rekey", "ok", "1.2.3");
    assert_has(line, "UserID=\"alice\" UserIsRequestor=\"true\"><RoleIDCode csd-code=\"110153\"");
    assert_has(line, "UserID=\"bob\" UserIsRequestor=\"false\"><RoleIDCode csd-code=\"110152\"");
    assert_has(line, "<ParticipantObjectDetail type=\"Recipient\" value=\"Ym9i\"/>");
    line = line_of("open", "ok", "1.2.3");
    assert_null(strstr(line, "UserID=\"bob\""));
}

static void test_users_are_objects_without_an_image(void **state) {
    (void)state;
    char action[] = "enroll", outcome[] = "ok";
    Myelin__AuditBody body;
    struct audit_event event;
    AUTO_BYTES struct bytes xml = {0};
    make_event(action, outcome, NULL, &body, &event);
    body.image.len = 0;
    body.owner = body.recipient = none;
    event.at.sequence = UINT64_C(2147483648);
    assert_int_equal(event_syslog(&event, &xml), OK);
    assert_int_equal(bytes_append(&xml, view_of("", 1)), OK);
    assert_has((const char *)xml.data,
               "ParticipantObjectID=\"alice\" ParticipantObjectTypeCode=\"1\"");
    assert_has((const char *)xml.data, "[meta sequenceId=\"1\"]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions_are_events),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_study_uids),
        cmocka_unit_test(test_texts_stay_in_their_places),
        cmocka_unit_test(test_a_forward_has_two_ends),
        cmocka_unit_test(test_users_are_objects_without_an_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
