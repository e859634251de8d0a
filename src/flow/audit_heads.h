/*
 * Whether each key server's log still has what it showed before, to this user or to others.
 */
#ifndef MYELIN_FLOW_AUDIT_HEADS_H
#define MYELIN_FLOW_AUDIT_HEADS_H

#include "flow/heads.h"

/* Asks each key server for its log's present head, and for the entry of the newest head of it
 * that this session knows and of the one in `others` (may be NULL). Those that hold are kept; a
 * server whose log is shorter or another one is named in a warning and counted. INTERNAL, NO_MEMORY
 * only: a server that does not answer costs a warning. */
MUST_CHECK result audit_check_heads(struct session *session, const struct heads *others,
                                    unsigned *out_broken);

#endif
