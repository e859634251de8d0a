/*
 * Status: whether each server of the system answers, and what it says of itself.
 */
#ifndef MYELIN_FLOW_STATUS_H
#define MYELIN_FLOW_STATUS_H

#include "flow/session.h"
#include "flow/status_figures.h"

struct status_server {
    const Myelin__Server *server; /* the session's */
    enum session_role role;
    struct session_answer answer;
    uint64_t time_ms;              /* to the answer, the connection included */
    struct status_figures figures; /* of one that is well */
};

/* Asks every server's /healthz, and for figures its /metrics; n + m of them into `out_servers`,
 * storage servers first. QUORUM where fewer than k storage servers are well, or fewer key servers
 * than open for the session's user (session_own_holders). */
MUST_CHECK result flow_status(struct session *session, struct status_server out_servers[]);

#endif
