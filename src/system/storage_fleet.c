#include "system/storage_fleet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

enum { IDLE_CLIENTS_MAX = 16, SUSPECT_MS = 10000 };

struct fleet_server {
    const Myelin__Server *entry; /* of the description */
    struct http_client *idle[IDLE_CLIENTS_MAX];
    unsigned idle_count;
    uint64_t suspect_until_ms;
    uint64_t failures;
};

struct storage_fleet {
    const struct tls_identity *identity;
    struct storage_fleet *before; /* of an older description */
    pthread_mutex_t lock;
    unsigned n;
    struct fleet_server servers[]; /* n */
};

result storage_fleet_new(const struct description *description, const struct tls_identity *identity,
                         struct storage_fleet **out_fleet) {
    const Myelin__Server *servers[FORMAT_SERVERS_MAX];
    unsigned n = description_storage(description, servers);
    struct storage_fleet *fleet = calloc(1, sizeof *fleet + n * sizeof fleet->servers[0]);
    if (fleet == NULL)
        return FAIL(NO_MEMORY, "no memory for %u storage servers", n);
    pthread_mutex_init(&fleet->lock, NULL);
    fleet->identity = identity;
    fleet->n = n;
    for (unsigned i = 0; i < n; i++)
        fleet->servers[i].entry = servers[i];
    *out_fleet = fleet;
    return OK;
}

void storage_fleet_succeed(struct storage_fleet *fleet, struct storage_fleet *before) {
    fleet->before = before;
}

static void free_one(struct storage_fleet *fleet) {
    for (unsigned i = 0; i < fleet->n; i++)
        for (unsigned j = 0; j < fleet->servers[i].idle_count; j++)
            http_client_free(fleet->servers[i].idle[j]);
    pthread_mutex_destroy(&fleet->lock);
    free(fleet);
}

void storage_fleet_free(struct storage_fleet *fleet) {
    while (fleet != NULL) {
        struct storage_fleet *before = fleet->before;
        free_one(fleet);
        fleet = before;
    }
}

unsigned storage_fleet_size(const struct storage_fleet *fleet) {
    return fleet->n;
}

const char *storage_fleet_name(const struct storage_fleet *fleet, unsigned server) {
    return fleet->servers[server].entry->name;
}

const uint8_t *storage_fleet_identity(const struct storage_fleet *fleet, unsigned server) {
    return fleet->servers[server].entry->identity.data;
}

static void shuffle(unsigned order[], unsigned n) {
    for (unsigned i = n; i > 1; i--) {
        uint64_t random;
        secret_random(&random, sizeof random);
        unsigned j = (unsigned)(random % i), swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

void storage_fleet_order(struct storage_fleet *fleet, unsigned out_order[]) {
    uint64_t now = clock_ms();
    unsigned good = 0, suspects = 0;
    pthread_mutex_lock(&fleet->lock);
    for (unsigned i = 0; i < fleet->n; i++) {
        if (fleet->servers[i].suspect_until_ms > now)
            out_order[fleet->n - ++suspects] = i;
        else
            out_order[good++] = i;
    }
    pthread_mutex_unlock(&fleet->lock);
    shuffle(out_order, good);
    shuffle(out_order + good, suspects);
}

int storage_fleet_find(const struct storage_fleet *fleet, const char *name) {
    for (unsigned i = 0; i < fleet->n; i++)
        if (strcmp(fleet->servers[i].entry->name, name) == 0)
            return (int)i;
    return -1;
}

result storage_fleet_take(struct storage_fleet *fleet, unsigned number,
                          struct http_client **out_client) {
    struct fleet_server *server = &fleet->servers[number];
    *out_client = NULL;
    pthread_mutex_lock(&fleet->lock);
    if (server->idle_count > 0)
        *out_client = server->idle[--server->idle_count];
    pthread_mutex_unlock(&fleet->lock);
    if (*out_client != NULL)
        return OK;
    struct http_client_options options = {
        .name = server->entry->name,
        .address = server->entry->address,
        .identity = fleet->identity,
        .connect_timeout_ms = FLEET_CALL_TIMEOUT_MS,
        .answer_timeout_ms = FLEET_CALL_TIMEOUT_MS,
        .stall_timeout_ms = FLEET_CALL_TIMEOUT_MS,
    };
    memcpy(options.server_identity, server->entry->identity.data, TLS_KEY_BYTES);
    return http_client_new(&options, out_client);
}

/* A client whose call timed out is not kept, and its server is asked last for a while. */
void storage_fleet_give(struct storage_fleet *fleet, unsigned number, struct http_client *client,
                        result called) {
    struct fleet_server *server = &fleet->servers[number];
    pthread_mutex_lock(&fleet->lock);
    server->suspect_until_ms = called == TIMEOUT ? clock_ms() + SUSPECT_MS : 0;
    if (called != TIMEOUT && server->idle_count < IDLE_CLIENTS_MAX) {
        server->idle[server->idle_count++] = client;
        client = NULL;
    }
    pthread_mutex_unlock(&fleet->lock);
    http_client_free(client);
}

result storage_fleet_get(struct storage_fleet *fleet, unsigned server, const char *path,
                         size_t answer_limit, struct bytes *out_answer) {
    struct http_client *client;
    TRY(storage_fleet_take(fleet, server, &client));
    result called =
        http_call(client, "GET", path, view_of(NULL, 0), NULL, answer_limit, out_answer);
    storage_fleet_give(fleet, server, client, called);
    return called;
}

void storage_fleet_blame(struct storage_fleet *fleet, unsigned server) {
    pthread_mutex_lock(&fleet->lock);
    fleet->servers[server].failures++;
    pthread_mutex_unlock(&fleet->lock);
}

uint64_t storage_fleet_failures(struct storage_fleet *fleet, unsigned server) {
    pthread_mutex_lock(&fleet->lock);
    uint64_t failures = fleet->servers[server].failures;
    pthread_mutex_unlock(&fleet->lock);
    return failures;
}
