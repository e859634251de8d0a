/*
 * Connections to the servers, kept alive between questions.
 */
#include <stdlib.h>
#include <string.h>

#include "flow/session_state.h"

unsigned session_server_count(const struct session *session, enum session_role role) {
    return role == SESSION_STORAGE ? session->state->storage_count : session->m;
}

const Myelin__Server *session_server(const struct session *session, enum session_role role,
                                     unsigned server) {
    return role == SESSION_STORAGE ? session->state->storage[server]
                                   : session->description.system->key[server];
}

int session_find_server(const struct session *session, enum session_role role, const char *name) {
    for (unsigned i = 0; i < session_server_count(session, role); i++)
        if (strcmp(session_server(session, role, i)->name, name) == 0)
            return (int)i;
    return -1;
}

void session_connections_free(struct session_state *state) {
    while (state->connections != NULL) {
        struct session_connection *next = state->connections->next;
        http_client_free(state->connections->client);
        free(state->connections);
        state->connections = next;
    }
}

static struct session_connection *find_idle(struct session_state *state, enum session_role role,
                                            unsigned server) {
    for (struct session_connection *c = state->connections; c != NULL; c = c->next)
        if (!c->busy && c->role == role && c->server == server)
            return c;
    return NULL;
}

static result connection_new(struct session *session, enum session_role role, unsigned server,
                             struct session_connection **out_connection) {
    const Myelin__Server *description = session_server(session, role, server);
    struct http_client_options options = {
        .name = description->name,
        .address = description->address,
        .identity = session->identity,
    };
    memcpy(options.server_identity, description->identity.data, TLS_KEY_BYTES);
    struct session_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    result made = http_client_new(&options, &connection->client);
    if (made != OK) {
        free(connection);
        return made;
    }
    connection->role = role;
    connection->server = server;
    connection->next = session->state->connections;
    session->state->connections = connection;
    *out_connection = connection;
    return OK;
}

static result take_locked(struct session *session, enum session_role role, unsigned server,
                          struct http_client **out_client) {
    TRY(session_check_cancel(session));
    struct session_connection *connection = find_idle(session->state, role, server);
    if (connection == NULL)
        TRY(connection_new(session, role, server, &connection));
    connection->busy = true;
    http_client_resume(connection->client);
    http_client_set_answer_timeout(connection->client, 0);
    *out_client = connection->client;
    return OK;
}

result session_client_take(struct session *session, enum session_role role, unsigned server,
                           struct http_client **out_client) {
    pthread_mutex_lock(&session->state->lock);
    result taken = take_locked(session, role, server, out_client);
    pthread_mutex_unlock(&session->state->lock);
    return taken;
}

/* A server that works by another description of the same number stays in use: its answers are
 * checked as any other's. */
static void warn_of_fork(struct session *session, const char *name) {
    session_warn(session,
                 "%s: works by another version %llu of the system description than this one: the "
                 "manager has signed two; he must make a higher one",
                 name, (unsigned long long)session->description.system->version);
}

void session_client_give(struct session *session, struct http_client *client) {
    struct session_state *state = session->state;
    const struct description *now = &session->description;
    bool is_forked =
        client != NULL && http_client_system_differs(client, now->system->version, now->mark);
    if (is_forked)
        warn_of_fork(session, http_client_name(client));
    pthread_mutex_lock(&state->lock);
    for (struct session_connection *c = state->connections; c != NULL && client != NULL;
         c = c->next) {
        if (c->client != client)
            continue;
        c->traffic = http_client_traffic(client);
        uint64_t version = http_client_system_version(client);
        if (version > state->newest_version)
            state->newest_version = version;
        c->busy = false;
    }
    pthread_mutex_unlock(&state->lock);
}

struct http_traffic session_traffic(const struct session *session) {
    struct http_traffic sum = {0};
    pthread_mutex_lock(&session->state->lock);
    for (struct session_connection *c = session->state->connections; c != NULL; c = c->next) {
        sum.sent += c->traffic.sent;
        sum.received += c->traffic.received;
    }
    pthread_mutex_unlock(&session->state->lock);
    return sum;
}
