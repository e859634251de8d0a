/*
 * The parts of the audit command.
 */
#ifndef MYELIN_CLI_AUDIT_H
#define MYELIN_CLI_AUDIT_H

#include "audit/event.h"
#include "cli.h"

enum audit_form { AUDIT_TABLE, AUDIT_SYSLOG, AUDIT_JSON_LINES };

/* What --export says. INVALID. */
MUST_CHECK result audit_form_of(const struct arguments *arguments, enum audit_form *out_form);

/* Prints one event as a line, in a form that is not AUDIT_TABLE. IO, NO_MEMORY. */
MUST_CHECK result audit_print_event(enum audit_form form, const struct audit_event *event);

/* audit --check FILE..., audit --heads, audit --forget KEY-SERVER. */
MUST_CHECK result audit_check_files(struct cli *cli);
MUST_CHECK result audit_print_heads(struct cli *cli);
MUST_CHECK result audit_forget(struct cli *cli);

#endif
