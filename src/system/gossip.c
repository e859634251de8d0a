#include "system/gossip.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/client.h"

enum { PAUSE_S = 5, CALL_TIMEOUT_MS = 2000 };

struct gossip {
    struct current *current;
    const struct tls_identity *identity;
    const char *name;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct http_client *client; /* while it calls */
    bool is_woken, is_stopping;
};

static bool is_stopping(struct gossip *gossip) {
    pthread_mutex_lock(&gossip->lock);
    bool stopping = gossip->is_stopping;
    pthread_mutex_unlock(&gossip->lock);
    return stopping;
}

/* What gossip_stop can cancel. */
static void announce(struct gossip *gossip, struct http_client *client) {
    pthread_mutex_lock(&gossip->lock);
    gossip->client = client;
    if (client != NULL && gossip->is_stopping)
        http_client_cancel(client);
    pthread_mutex_unlock(&gossip->lock);
}

/* ------------------------------------------------------------------ one other server */

static result fetch(struct gossip *gossip, struct http_client *client) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(client, "GET", GOSSIP_PATH, (struct view){0}, NULL, FORMAT_LIMIT_SIGNED, &wire));
    return current_take(gossip->current, http_client_name(client), bytes_view(&wire));
}

static result bring(struct gossip *gossip, struct http_client *client) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(current_record(gossip->current, &wire));
    return http_call(client, "PUT", GOSSIP_PATH, bytes_view(&wire), "application/protobuf", 0,
                     NULL);
}

/* Whoever has the older version gets the newer one. */
static result compare(struct gossip *gossip, struct http_client *client) {
    TRY(http_call(client, "HEAD", GOSSIP_PATH, (struct view){0}, NULL, 0, NULL));
    const struct description *now = current_now(gossip->current);
    uint64_t theirs = http_client_system_version(client), ours = now->system->version;
    if (http_client_system_differs(client, ours, now->mark))
        log_event(LOG_ERROR, "system-version-forked", "version=%llu server=%s text=\"%s\"",
                  (unsigned long long)ours, http_client_name(client),
                  "works by another of this number: the manager must make a higher one");
    if (theirs == ours)
        return OK;
    return theirs > ours ? fetch(gossip, client) : bring(gossip, client);
}

static void meet(struct gossip *gossip, const Myelin__Server *server) {
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    struct http_client_options options = {
        .name = server->name,
        .address = server->address,
        .identity = gossip->identity,
        .connect_timeout_ms = CALL_TIMEOUT_MS,
        .answer_timeout_ms = CALL_TIMEOUT_MS,
        .stall_timeout_ms = CALL_TIMEOUT_MS,
    };
    memcpy(options.server_identity, server->identity.data, TLS_KEY_BYTES);
    if (is_stopping(gossip) || http_client_new(&options, &client) != OK)
        return;
    announce(gossip, client);
    result met = compare(gossip, client);
    announce(gossip, NULL);
    if (met != OK && met != TIMEOUT && met != CONFLICT)
        log_event(LOG_WARNING, "system-version-not-exchanged", "server=%s error=\"%s\"",
                  server->name, error_text());
}

/* ------------------------------------------------------------------ all of them */

/* All other servers, those of the version before included: they must hear that they were removed.
 */
struct others {
    unsigned count;
    const Myelin__Server *of[3 * FORMAT_SERVERS_MAX];
};

static void add_others(struct others *others, const char *self, Myelin__Server *const servers[],
                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool is_known = strcmp(servers[i]->name, self) == 0;
        for (unsigned j = 0; j < others->count && !is_known; j++)
            is_known = strcmp(servers[i]->name, others->of[j]->name) == 0;
        if (!is_known)
            others->of[others->count++] = servers[i];
    }
}

static struct others list_others(const struct gossip *gossip) {
    struct others others = {0};
    const Myelin__System *system = current_now(gossip->current)->system;
    add_others(&others, gossip->name, system->storage, system->n_storage);
    add_others(&others, gossip->name, system->key, system->n_key);
    if (system->previous != NULL)
        add_others(&others, gossip->name, system->previous->storage, system->previous->n_storage);
    return others;
}

static unsigned random_below(unsigned count) {
    uint32_t random;
    secret_random(&random, sizeof random);
    return random % count;
}

/* From a random one on, so that all are not at one at the same time. */
static void meet_all(struct gossip *gossip) {
    const struct others others = list_others(gossip);
    unsigned first = others.count > 0 ? random_below(others.count) : 0;
    for (unsigned i = 0; i < others.count && !is_stopping(gossip); i++)
        meet(gossip, others.of[(first + i) % others.count]);
}

static void meet_one(struct gossip *gossip) {
    const struct others others = list_others(gossip);
    if (others.count > 0)
        meet(gossip, others.of[random_below(others.count)]);
}

/* Gives whether there is a newer version to tell of; false after the pause. */
static bool pause_or_wake(struct gossip *gossip) {
    uint64_t until_ns = clock_ns() + (uint64_t)PAUSE_S * 1000000000;
    pthread_mutex_lock(&gossip->lock);
    while (!gossip->is_woken && !gossip->is_stopping &&
           clock_wait_until(&gossip->changed, &gossip->lock, until_ns))
        continue;
    bool woken = gossip->is_woken;
    gossip->is_woken = false;
    pthread_mutex_unlock(&gossip->lock);
    return woken;
}

static void *run(void *context) {
    struct gossip *gossip = context;
    meet_all(gossip);
    while (!is_stopping(gossip)) {
        if (pause_or_wake(gossip))
            meet_all(gossip);
        else
            meet_one(gossip);
    }
    return NULL;
}

result gossip_start(struct current *current, const struct tls_identity *identity, const char *name,
                    struct gossip **out_gossip) {
    struct gossip *gossip = calloc(1, sizeof *gossip);
    if (gossip == NULL)
        return FAIL(NO_MEMORY, "no memory to hear of newer descriptions");
    gossip->current = current;
    gossip->identity = identity;
    gossip->name = name;
    pthread_mutex_init(&gossip->lock, NULL);
    pthread_cond_init(&gossip->changed, NULL);
    if (pthread_create(&gossip->thread, NULL, run, gossip) != 0) {
        free(gossip);
        return FAIL(NO_MEMORY, "no thread to hear of newer descriptions");
    }
    *out_gossip = gossip;
    return OK;
}

void gossip_wake(struct gossip *gossip) {
    if (gossip == NULL)
        return;
    pthread_mutex_lock(&gossip->lock);
    gossip->is_woken = true;
    pthread_cond_signal(&gossip->changed);
    pthread_mutex_unlock(&gossip->lock);
}

void gossip_stop(struct gossip *gossip) {
    if (gossip == NULL)
        return;
    pthread_mutex_lock(&gossip->lock);
    gossip->is_stopping = true;
    if (gossip->client != NULL)
        http_client_cancel(gossip->client);
    pthread_cond_signal(&gossip->changed);
    pthread_mutex_unlock(&gossip->lock);
    pthread_join(gossip->thread, NULL);
    pthread_cond_destroy(&gossip->changed);
    pthread_mutex_destroy(&gossip->lock);
    free(gossip);
}
