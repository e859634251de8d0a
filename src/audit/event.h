/*
 * Entries of the access log as audit events of DICOM (PS3.15 A.5, the vocabulary of IHE's ATNA
 * profile), which a hospital's audit repository takes. docs/OPERATIONS.md says why each action is
 * the event that it is.
 */
#ifndef MYELIN_AUDIT_EVENT_H
#define MYELIN_AUDIT_EVENT_H

#include "audit/chain.h"

struct audit_event {
    const char *server;   /* whose log */
    struct chain_head at; /* sequence and hash */
    const Myelin__AuditBody *body;
    const char *id; /* the image's, where it is known; else NULL */
};

/* Which event an action is. Codes are of the DICOM Controlled Terminology (DCM). */
struct event_kind {
    const char *action;           /* the log's */
    const char *code, *text;      /* EventID */
    const char *type, *type_text; /* EventTypeCode; NULL: none */
    char action_code;             /* C, R, U, D or E */
};

/* Unknown actions, of servers to come, have a kind too. */
const struct event_kind *event_kind_of(const char *action);

/* EventOutcomeIndicator: 0 success, 4 refused, 8 the server could not. */
unsigned event_outcome(const char *outcome);

/* "2026-11-22T12:30:05.123Z"; of FORMAT's times, which end with the year 9999. */
enum { EVENT_TIME = 32 };
void event_time(uint64_t time_ms, char out[EVENT_TIME]);

/* Whether an ID is a DICOM unique identifier (PS3.5 9.1). */
bool event_is_uid(const char *id);

/* Appends the DICOM audit message, XML in ASCII on one line. NO_MEMORY. */
MUST_CHECK result event_xml(const struct audit_event *event, struct bytes *out);

/* Appends one syslog message (RFC 5424) that carries that XML (PS3.15 A.6), and a line end. */
MUST_CHECK result event_syslog(const struct audit_event *event, struct bytes *out);

#endif
