/*
 * The library's face over the system: its servers, its users, their logs.
 */
#include "myelin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/secret.h"
#include "flow/audit.h"
#include "flow/library.h"
#include "flow/shares.h"
#include "flow/status.h"

static void hand_server(const struct status_server *one, myelin_server_found found, void *context) {
    struct myelin_server server = {.name = one->server->name,
                                   .address = one->server->address,
                                   .is_key_server = one->role == SESSION_KEY,
                                   .is_well = one->answer.code == OK,
                                   .time_ms = one->time_ms,
                                   .trouble = one->answer.code == OK ? "" : one->answer.text};
    found(context, &server);
}

static result show_status(struct session *session, myelin_server_found found, void *context) {
    unsigned count = session_server_count(session, SESSION_STORAGE) + session->m;
    struct status_server *servers = calloc(count, sizeof *servers);
    if (servers == NULL)
        return FAIL(NO_MEMORY, "no memory for %u servers", count);
    result status = flow_status(session, servers);
    for (unsigned i = 0; i < count && (status == OK || status == QUORUM); i++)
        hand_server(&servers[i], found, context);
    free(servers);
    return status;
}

int myelin_status(struct myelin_session *session, myelin_server_found found, void *context) {
    return library_done(session, show_status(session->inner, found, context));
}

void myelin_get_shape(const struct myelin_session *session, struct myelin_shape *out_shape) {
    const struct session *inner = session->inner;
    *out_shape = (struct myelin_shape){inner->n, inner->k, inner->m, inner->t};
}

int myelin_users(struct myelin_session *session, myelin_line found, void *context) {
    AUTO_SHARES_USERS struct shares_users users = {0};
    result listed = flow_shares_users(session->inner, &users);
    for (size_t i = 0; i < users.count; i++)
        found(context, users.names[i]);
    return (int)listed;
}

static void hand_access(const struct audit_item *item, myelin_access_found found, void *context) {
    const Myelin__AuditBody *body = item->body;
    struct myelin_access access = {.server = item->server,
                                   .sequence = item->sequence,
                                   .time_ms = body->time_ms,
                                   .user = body->user,
                                   .action = body->action,
                                   .owner = body->owner,
                                   .id = item->id,
                                   .recipient = body->recipient,
                                   .outcome = body->outcome};
    found(context, &access);
}

static result audit(struct session *session, const char *id, const char *from,
                    myelin_access_found found, void *context) {
    AUTO_AUDIT struct audit entries = {0};
    TRY(flow_audit(session, id, from, NULL, &entries));
    for (size_t i = 0; i < entries.count; i++)
        hand_access(&entries.items[i], found, context);
    if (entries.broken > 0)
        return FAIL(INTEGRITY, "%u access logs do not hold together: see the warnings",
                    entries.broken);
    return OK;
}

int myelin_audit(struct myelin_session *session, const char *id, const char *from,
                 myelin_access_found found, void *context) {
    return (int)audit(session->inner, id, from, found, context);
}

/* HKDF-SHA256(a3, info = "MYELIN-V1-LOCAL-KEY " purpose). */
static result local_key(const struct session *session, const char *purpose, uint8_t *out_key) {
    char info[128];
    int len = snprintf(info, sizeof info, "MYELIN-V1-LOCAL-KEY %s", purpose);
    if (len < 0 || (size_t)len >= sizeof info)
        return FAIL(INVALID, "the purpose of a local key is too long");
    AUTO_SECRET uint8_t *a3 = NULL;
    TRY(secret_new(SCALAR_BYTES, (void **)&a3));
    scalar_to_bytes(session->a3, a3);
    digest_hkdf(view_of(a3, SCALAR_BYTES), view_of(NULL, 0), info, out_key);
    return OK;
}

int myelin_local_key(struct myelin_session *session, const char *purpose, void *out_key) {
    return (int)local_key(session->inner, purpose, out_key);
}
