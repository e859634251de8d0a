#include "flow/tell.h"

struct telling {
    const char *method, *path;
    struct view body;
};

static result tell_one(void *context, struct session *session, unsigned server,
                       struct http_client *client) {
    (void)session;
    (void)server;
    const struct telling *telling = context;
    return http_call(client, telling->method, telling->path, telling->body, "application/protobuf",
                     0, NULL);
}

result tell_all(struct session *session, enum session_role role, const char *method,
                const char *path, const Myelin__Signed *record, struct session_answer answers[],
                unsigned *out_ok, uint64_t *out_bytes) {
    AUTO_BYTES struct bytes body = {0};
    TRY(format_pack(record, &body));
    struct telling telling = {.method = method, .path = path, .body = bytes_view(&body)};
    TRY(session_ask(session, role, tell_one, &telling, 0, answers, out_ok));
    if (out_bytes != NULL)
        *out_bytes = (uint64_t)body.len * session_server_count(session, role);
    return OK;
}

unsigned tell_warn(struct session *session, enum session_role role, const char *what,
                   const struct session_answer answers[], result fine) {
    unsigned untold = 0;
    for (unsigned i = 0; i < session_server_count(session, role); i++) {
        if (answers[i].code == OK || answers[i].code == fine)
            continue;
        session_warn(session, "%s; not told of %s", answers[i].text, what);
        untold++;
    }
    return untold;
}
