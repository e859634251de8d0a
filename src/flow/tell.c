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

result tell_all(struct session *session, enum session_role role, const bool is_asked[],
                const char *method, const char *path, const void *message,
                struct session_answer answers[], unsigned *out_ok, uint64_t *out_bytes) {
    AUTO_BYTES struct bytes body = {0};
    TRY(format_pack(message, &body));
    struct telling telling = {.method = method, .path = path, .body = bytes_view(&body)};
    TRY(session_ask_some(session, role, is_asked, tell_one, &telling, 0, answers, out_ok));
    unsigned told = 0;
    for (unsigned i = 0; i < session_server_count(session, role); i++)
        told += !answers[i].is_left_out;
    if (out_bytes != NULL)
        *out_bytes = (uint64_t)body.len * told;
    return OK;
}

unsigned tell_warn(struct session *session, enum session_role role, const char *what,
                   const bool is_counted[], const struct session_answer answers[], result fine) {
    unsigned untold = 0;
    for (unsigned i = 0; i < session_server_count(session, role); i++) {
        if (answers[i].code == OK || answers[i].code == fine || answers[i].is_left_out)
            continue;
        session_warn(session, "%s; not told of %s", answers[i].text, what);
        untold += is_counted == NULL || is_counted[i];
    }
    return untold;
}
