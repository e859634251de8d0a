/*
 * What an owner signed told to all servers of a role.
 */
#ifndef MYELIN_FLOW_TELL_H
#define MYELIN_FLOW_TELL_H

#include "flow/session.h"

/* Sends `message`, of src/format, to `path` of every server of `role` that `is_asked` names (NULL:
 * all). `answers` and `out_ok` as session_ask, with all of them asked for an answer, so that one
 * that is merely slow is told too. `out_bytes`, which may be NULL, is what all bodies together
 * have. */
MUST_CHECK result tell_all(struct session *session, enum session_role role, const bool is_asked[],
                           const char *method, const char *path, const void *message,
                           struct session_answer answers[], unsigned *out_ok, uint64_t *out_bytes);

/* A warning for each server that was not told, "storage-3: connection refused; not told of <what>";
 * the number of those that `is_counted` names (NULL: all). `fine` is a refusal that needs no
 * telling, such as NOT_FOUND; OK: none. */
unsigned tell_warn(struct session *session, enum session_role role, const char *what,
                   const bool is_counted[], const struct session_answer answers[], result fine);

#endif
