#include "audit/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/lines.h"
#include "base/utf8.h"

#define ALERT           "110113", "Security Alert"
#define ACCESSED        "110103", "DICOM Instances Accessed"
#define TRANSFER        "110102", "Begin Transferring DICOM Instances"
#define USER_ATTRIBUTES "110137", "User Security Attributes Changed"

static const struct event_kind kinds[] = {
    {"open", ACCESSED, NULL, NULL, 'R'},
    {"rekey", TRANSFER, NULL, NULL, 'E'},
    {"recover", ALERT, "110132", "Use of Restricted Function", 'E'},
    {"revoke", ALERT, "110135", "Object Security Attributes Changed", 'U'},
    {"enroll", ALERT, USER_ATTRIBUTES, 'C'},
    {"renew", ALERT, USER_ATTRIBUTES, 'U'},
    {"refresh", ALERT, USER_ATTRIBUTES, 'U'},
    {"replace", ALERT, USER_ATTRIBUTES, 'U'},
    {"reshare", ALERT, USER_ATTRIBUTES, 'U'},
};
static const struct event_kind unknown = {"", ALERT, NULL, NULL, 'E'};

const struct event_kind *event_kind_of(const char *action) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].action, action) == 0)
            return &kinds[i];
    return &unknown;
}

unsigned event_outcome(const char *outcome) {
    static const result refusals[] = {INVALID, DENIED, NOT_FOUND, CONFLICT, PROTOCOL};
    if (strcmp(outcome, result_name(OK)) == 0)
        return 0;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strcmp(outcome, result_name(refusals[i])) == 0)
            return 4;
    return 8;
}

void event_time(uint64_t time_ms, char out[EVENT_TIME]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    size_t len = 0;
    if (gmtime_r(&seconds, &utc) != NULL)
        len = strftime(out, EVENT_TIME, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, EVENT_TIME - len, ".%03uZ", (unsigned)(time_ms % 1000));
}

bool event_is_uid(const char *id) {
    size_t len = strlen(id), start = 0;
    if (len == 0 || len > 64 || strchr(id, '.') == NULL)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (id[i] >= '0' && id[i] <= '9')
            continue;
        bool ends = id[i] == '.' || id[i] == '\0';
        if (!ends || i == start || (id[start] == '0' && i - start > 1))
            return false;
        start = i + 1;
    }
    return true;
}

/* ------------------------------------------------------------------ text */

/* What XML 1.0 cannot have at all becomes U+FFFD, as does what is no UTF-8. */
static uint32_t allowed(uint32_t character) {
    bool is_control =
        character < 0x20 && character != '\t' && character != '\n' && character != '\r';
    return is_control || character == 0xfffe || character == 0xffff ? 0xfffd : character;
}

/* Text in ASCII, for between quotes or tags: nothing in it ends either, nor the line. */
static result add_escaped(struct bytes *out, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        uint32_t character = 0xfffd;
        size_t len = 1;
        if (!utf8_read(at, &character, &len)) {
            character = 0xfffd;
            len = 1;
        }
        bool plain =
            character >= 0x20 && character < 0x7f && strchr("<>&\"'", (int)character) == NULL;
        if (plain)
            TRY(bytes_append(out, view_of(at, 1)));
        else
            TRY(lines_add(out, "&#x%" PRIX32 ";", allowed(character)));
        at += len;
    }
    return OK;
}

/* ------------------------------------------------------------------ the message */

static result add_code(struct bytes *out, const char *element, const char *code, const char *system,
                       const char *text) {
    return lines_add(out, "<%s csd-code=\"%s\" codeSystemName=\"%s\" originalText=\"%s\"/>",
                     element, code, system, text);
}

static result add_event(const struct audit_event *event, struct bytes *out) {
    const struct event_kind *kind = event_kind_of(event->body->action);
    char time[EVENT_TIME];
    event_time(event->body->time_ms, time);
    TRY(lines_add(out,
                  "<EventIdentification EventActionCode=\"%c\" EventDateTime=\"%s\" "
                  "EventOutcomeIndicator=\"%u\">",
                  kind->action_code, time, event_outcome(event->body->outcome)));
    TRY(add_code(out, "EventID", kind->code, "DCM", kind->text));
    if (kind->type != NULL)
        TRY(add_code(out, "EventTypeCode", kind->type, "DCM", kind->type_text));
    TRY(lines_add(out, "<EventOutcomeDescription>"));
    TRY(add_escaped(out, event->body->action));
    TRY(lines_add(out, ": "));
    TRY(add_escaped(out, event->body->outcome));
    return lines_add(out, "</EventOutcomeDescription></EventIdentification>");
}

/* `role` may be NULL. */
static result add_participant(struct bytes *out, const char *user, bool asked, const char *role,
                              const char *role_text) {
    TRY(lines_add(out, "<ActiveParticipant UserID=\""));
    TRY(add_escaped(out, user));
    TRY(lines_add(out, "\" UserIsRequestor=\"%s\"", asked ? "true" : "false"));
    if (role == NULL)
        return lines_add(out, "/>");
    TRY(lines_add(out, ">"));
    TRY(add_code(out, "RoleIDCode", role, "DCM", role_text));
    return lines_add(out, "</ActiveParticipant>");
}

static result add_participants(const struct audit_event *event, struct bytes *out) {
    const Myelin__AuditBody *body = event->body;
    bool gives = strcmp(body->action, "rekey") == 0 || strcmp(body->action, "recover") == 0;
    TRY(add_participant(out, body->user, true, gives ? "110153" : NULL, "Source Role ID"));
    if (gives && body->recipient[0] != '\0')
        TRY(add_participant(out, body->recipient, false, "110152", "Destination Role ID"));
    return add_participant(out, event->server, false, "110150", "Application");
}

static result add_detail(struct bytes *out, const char *type, struct view value) {
    TRY(lines_add(out, "<ParticipantObjectDetail type=\"%s\" value=\"", type));
    TRY(bytes_append_base64(out, value));
    return lines_add(out, "\"/>");
}

/* What ties the message to the log. */
static result add_details(const struct audit_event *event, struct bytes *out) {
    char sequence[24], hash[2 * DIGEST_BYTES + 1];
    snprintf(sequence, sizeof sequence, "%" PRIu64, event->at.sequence);
    hex_encode(view_of(event->at.hash, DIGEST_BYTES), hash);
    TRY(add_detail(out, "LogSequence", view_of_string(sequence)));
    TRY(add_detail(out, "LogHash", view_of_string(hash)));
    if (event->body->owner[0] != '\0')
        TRY(add_detail(out, "Owner", view_of_string(event->body->owner)));
    if (event->body->recipient[0] != '\0')
        TRY(add_detail(out, "Recipient", view_of_string(event->body->recipient)));
    return OK;
}

static result add_object(const struct audit_event *event, const char *id, const char *types,
                         const char *const code[3], struct bytes *out) {
    TRY(lines_add(out, "<ParticipantObjectIdentification ParticipantObjectID=\""));
    TRY(add_escaped(out, id));
    TRY(lines_add(out, "\" %s>", types));
    TRY(add_code(out, "ParticipantObjectIDTypeCode", code[0], code[1], code[2]));
    TRY(lines_add(out, "<ParticipantObjectName>"));
    TRY(add_escaped(out, id));
    TRY(lines_add(out, "</ParticipantObjectName>"));
    TRY(add_details(event, out));
    return lines_add(out, "</ParticipantObjectIdentification>");
}

/* The image where there is one, by its ID where that is known; else the user whose share it is. */
static result add_objects(const struct audit_event *event, struct bytes *out) {
    static const char report[] =
        "ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"3\"";
    static const char person[] =
        "ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"11\"";
    static const char *const study[] = {"110180", "DCM", "Study Instance UID"};
    static const char *const named[] = {"image-id", "Myelin", "Image ID"};
    static const char *const hashed[] = {"image-hash", "Myelin", "Hash of the image token"};
    static const char *const node[] = {"11", "RFC-3881", "User Identifier"};
    const Myelin__AuditBody *body = event->body;
    char hash[2 * FORMAT_HASH_BYTES + 1];
    if (event->id != NULL)
        return add_object(event, event->id, report, event_is_uid(event->id) ? study : named, out);
    if (body->image.len == FORMAT_HASH_BYTES) {
        hex_encode(format_view(body->image), hash);
        return add_object(event, hash, report, hashed, out);
    }
    return add_object(event, body->owner[0] != '\0' ? body->owner : body->user, person, node, out);
}

result event_xml(const struct audit_event *event, struct bytes *out) {
    TRY(lines_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>"));
    TRY(add_event(event, out));
    TRY(add_participants(event, out));
    TRY(lines_add(out, "<AuditSourceIdentification AuditSourceID=\"%s\">", event->server));
    TRY(add_code(out, "AuditSourceTypeCode", "6", "RFC-3881", "Security Server"));
    TRY(lines_add(out, "</AuditSourceIdentification>"));
    TRY(add_objects(event, out));
    return lines_add(out, "</AuditMessage>");
}

/* ------------------------------------------------------------------ syslog */

/* RFC 5424 7.3.1: sequenceId is 1 to 2147483647 and then 1 again. */
static uint64_t sequence_id(uint64_t sequence) {
    return sequence == 0 ? 1 : (sequence - 1) % INT32_MAX + 1;
}

result event_syslog(const struct audit_event *event, struct bytes *out) {
    enum { FACILITY = 10, NOTICE = 5, WARNING = 4 }; /* security messages */
    unsigned severity = event_outcome(event->body->outcome) == 0 ? NOTICE : WARNING;
    char time[EVENT_TIME];
    event_time(event->body->time_ms, time);
    TRY(lines_add(out, "<%u>1 %s %s myelin-keyd - DICOM+RFC3881 [meta sequenceId=\"%" PRIu64 "\"] ",
                  FACILITY * 8 + severity, time, event->server, sequence_id(event->at.sequence)));
    TRY(event_xml(event, out));
    return lines_add(out, "\n");
}
