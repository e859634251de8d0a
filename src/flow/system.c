#include "flow/system.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 1 << 20 };

/* ------------------------------------------------------------------ status */

/* "\n<name> 12\n" in Prometheus text; 0 where it does not stand there. */
static uint64_t metric(const char *text, const char *name) {
    size_t len = strlen(name);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + len, name))
        if ((at == text || at[-1] == '\n') && at[len] == ' ')
            return (uint64_t)strtod(at + len + 1, NULL);
    return 0;
}

static result ask_status(void *context, struct session *session, unsigned server,
                         struct http_client *client) {
    struct system_server *one = &((struct system_server *)context)[server];
    AUTO_BYTES struct bytes text = {0};
    const struct description *now = &session->description;
    TRY(http_call(client, "GET", "/metrics", (struct view){0}, NULL, METRICS_MAX, &text));
    TRY(bytes_append(&text, view_of("", 1)));
    one->version = http_client_system_version(client);
    one->is_forked = http_client_system_differs(client, now->system->version, now->mark);
    one->settled_version = metric((const char *)text.data, "myelin_storage_settled_version");
    one->moving = metric((const char *)text.data, "myelin_storage_slots_moving");
    return OK;
}

static result ask_role(struct session *session, enum session_role role,
                       struct system_server servers[]) {
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok, count = session_server_count(session, role);
    memset(servers, 0, count * sizeof *servers);
    TRY(session_ask(session, role, ask_status, servers, 0, answers, &ok));
    for (unsigned i = 0; i < count; i++) {
        servers[i].server = session_server(session, role, i);
        servers[i].role = role;
        servers[i].answer = answers[i];
    }
    return OK;
}

result flow_system_status(struct session *session, struct system_server out_servers[]) {
    TRY(ask_role(session, SESSION_STORAGE, out_servers));
    return ask_role(session, SESSION_KEY,
                    out_servers + session_server_count(session, SESSION_STORAGE));
}

static void say_unsettled(const struct system_server *server, char *text, size_t size) {
    const char *name = server->server->name;
    if (server->answer.code != OK)
        snprintf(text, size, "%s", server->answer.text);
    else if (server->is_forked)
        snprintf(text, size, "%s: works by another version %" PRIu64, name, server->version);
    else if (server->moving > 0)
        snprintf(text, size, "%s: %" PRIu64 " slots to come or to go", name, server->moving);
    else
        snprintf(text, size, "%s: has not looked at all others yet", name);
}

result flow_system_check_settled(const struct session *session,
                                 const struct system_server servers[]) {
    uint64_t version = session->description.system->version;
    char reasons[ERROR_TEXT_BYTES] = "";
    size_t len = 0;
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE); i++) {
        if (servers[i].answer.code == OK && servers[i].settled_version >= version &&
            !servers[i].is_forked)
            continue;
        if (len > 0 && len + 2 < sizeof reasons)
            len += (size_t)snprintf(reasons + len, sizeof reasons - len, "; ");
        if (len < sizeof reasons)
            say_unsettled(&servers[i], reasons + len, sizeof reasons - len);
        len = strlen(reasons);
    }
    return len == 0 ? OK
                    : FAIL(CONFLICT, "slots are still on their way to version %" PRIu64 ": %s",
                           version, reasons);
}

/* ------------------------------------------------------------------ publish */

static result bring(void *context, struct session *session, unsigned server,
                    struct http_client *client) {
    const struct bytes *record = context;
    (void)server;
    result brought =
        http_call(client, "PUT", "/v1/system", bytes_view(record), "application/protobuf", 0, NULL);
    bool has_it = brought == CONFLICT &&
                  http_client_system_version(client) >= session->description.system->version;
    return has_it ? OK : brought;
}

result flow_system_publish(struct session *session, struct session_answer answers[]) {
    unsigned ok;
    AUTO_BYTES struct bytes record = {0};
    TRY(format_pack(session->description.record, &record));
    TRY(session_ask(session, SESSION_STORAGE, bring, &record, 0, answers, &ok));
    return session_ask(session, SESSION_KEY, bring, &record, 0,
                       answers + session_server_count(session, SESSION_STORAGE), &ok);
}
