/* Audit events as lines for an audit repository. */
#include <string.h>

#include "audit.h"
#include "print.h"

result audit_form_of(const struct arguments *arguments, enum audit_form *out_form) {
    const char *form = arguments->values[OPTION_EXPORT];
    *out_form = AUDIT_TABLE;
    if (form == NULL)
        return OK;
    if (arguments->values[OPTION_JSON] != NULL)
        return FAIL(INVALID, "--json and --export exclude each other");
    if (strcmp(form, "syslog") == 0)
        *out_form = AUDIT_SYSLOG;
    else if (strcmp(form, "json") == 0)
        *out_form = AUDIT_JSON_LINES;
    else
        return FAIL(INVALID, "--export %s: syslog or json", form);
    return OK;
}

static json_t *event_json(const struct audit_event *event) {
    const Myelin__AuditBody *body = event->body;
    const struct event_kind *kind = event_kind_of(body->action);
    char image[2 * FORMAT_HASH_BYTES + 1] = "", hash[2 * DIGEST_BYTES + 1], time[EVENT_TIME];
    if (body->image.len == FORMAT_HASH_BYTES)
        hex_encode(format_view(body->image), image);
    hex_encode(view_of(event->at.hash, DIGEST_BYTES), hash);
    event_time(body->time_ms, time);
    json_t *id = event->id == NULL ? json_null() : print_json_text(event->id);
    json_t *type = kind->type == NULL ? json_null() : json_string(kind->type);
    return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:i}",
                     "server", event->server, "sequence", (json_int_t)event->at.sequence, "hash",
                     hash, "time", time, "user", print_json_text(body->user), "action",
                     print_json_text(body->action), "owner", print_json_text(body->owner), "image",
                     image, "id", id, "recipient", print_json_text(body->recipient), "outcome",
                     print_json_text(body->outcome), "event", kind->code, "event_type", type,
                     "outcome_indicator", (int)event_outcome(body->outcome));
}

static result print_json_line(const struct audit_event *event) {
    json_t *line = event_json(event);
    if (line == NULL)
        return FAIL(NO_MEMORY, "no memory for the answer");
    int written = json_dumpf(line, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
    json_decref(line);
    return written == 0 && putchar('\n') != EOF ? OK : FAIL(IO, "stdout cannot be written to");
}

result audit_print_event(enum audit_form form, const struct audit_event *event) {
    if (form == AUDIT_JSON_LINES)
        return print_json_line(event);
    AUTO_BYTES struct bytes line = {0};
    TRY(event_syslog(event, &line));
    if (fwrite(line.data, 1, line.len, stdout) != line.len)
        return FAIL(IO, "stdout cannot be written to");
    return OK;
}
