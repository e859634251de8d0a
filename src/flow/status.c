#include "flow/status.h"

#include "base/clock.h"

enum { HEALTH_MAX = 4096, METRICS_MAX = 1 << 20 };

static result ask_health(void *context, struct session *session, unsigned server,
                         struct http_client *client) {
    (void)session;
    struct status_server *servers = context;
    uint64_t start = clock_ms();
    AUTO_BYTES struct bytes text = {0};
    result healthy =
        http_call(client, "GET", "/healthz", (struct view){0}, NULL, HEALTH_MAX, &text);
    servers[server].time_ms = clock_ms() - start;
    TRY(healthy);
    AUTO_BYTES struct bytes metrics = {0};
    if (http_call(client, "GET", "/metrics", (struct view){0}, NULL, METRICS_MAX, &metrics) == OK)
        status_figures_parse(bytes_view(&metrics), &servers[server].figures);
    return OK;
}

static result ask_role(struct session *session, enum session_role role,
                       struct status_server servers[], unsigned *out_ok) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    TRY(session_ask(session, role, ask_health, servers, 0, answers, out_ok));
    for (unsigned i = 0; i < session_server_count(session, role); i++) {
        servers[i].server = session_server(session, role, i);
        servers[i].role = role;
        servers[i].answer = answers[i];
    }
    return OK;
}

result flow_status(struct session *session, struct status_server out_servers[]) {
    unsigned storage_ok = 0, key_ok = 0, t;
    struct holders holders;
    struct status_server *key = out_servers + session_server_count(session, SESSION_STORAGE);
    TRY(ask_role(session, SESSION_STORAGE, out_servers, &storage_ok));
    TRY(ask_role(session, SESSION_KEY, key, &key_ok));
    session_own_holders(session, &t, &holders);
    for (unsigned i = 0; i < session->m; i++)
        key_ok -= key[i].answer.code == OK && !holders_has(&holders, i + 1);
    if (storage_ok < session->k)
        return FAIL(QUORUM, "%u storage servers are well and %u needed: images cannot be read",
                    storage_ok, session->k);
    if (key_ok < t)
        return FAIL(QUORUM,
                    "%u key servers with shares of %s are well and %u needed: images cannot be "
                    "read",
                    key_ok, session->user, t);
    return OK;
}
