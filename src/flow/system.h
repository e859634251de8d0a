/*
 * The manager's view of the system: who works by which version of the description, which slots are
 * still on their way, and bringing a new version to all servers.
 */
#ifndef MYELIN_FLOW_SYSTEM_H
#define MYELIN_FLOW_SYSTEM_H

#include "flow/session.h"

/* What one server says of itself. */
struct system_server {
    const Myelin__Server *server; /* the session's */
    enum session_role role;
    struct session_answer answer;
    uint64_t version; /* of the description that it works by; 0: it did not say */
    bool is_forked;   /* that is another description of the session's number */
    uint64_t
        settled_version; /* of a storage server: the last by which all its slots were in place */
    uint64_t moving;     /* likewise: slots that have to come or to go, at its last look */
};

/* Asks all servers: storage servers first, session_server_count of both roles. Servers' failures
 * are in `out_servers`. INTERNAL where cancelled, NO_MEMORY. */
MUST_CHECK result flow_system_status(struct session *session, struct system_server out_servers[]);

/* Whether every storage server of the session's version has said that its slots are in place;
 * CONFLICT, naming those that have not. */
MUST_CHECK result flow_system_check_settled(const struct session *session,
                                            const struct system_server servers[]);

/* Brings the session's description to all servers: `answers` by server, storage servers first; OK
 * also where one has it already. Those that are away hear of it from the others. */
MUST_CHECK result flow_system_publish(struct session *session, struct session_answer answers[]);

#endif
