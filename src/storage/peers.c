#include "storage/peers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 16, PEER_CALL_TIMEOUT_MS = 10000 };

struct peers {
    const struct tls_identity *identity;
    char self[FORMAT_NAME_MAX + 1];
    pthread_mutex_t lock;
    struct peer_group *current; /* holds one reference */
};

static void group_free(struct peer_group *group) {
    storage_fleet_free(group->fleet);
    description_free(&group->description);
    free(group);
}

static void group_free_at(struct peer_group **group) {
    if (*group != NULL)
        group_free(*group);
}

static result group_new(const struct peers *peers, const struct description *description,
                        struct peer_group **out_group) {
    AUTO_BYTES struct bytes wire = {0};
    __attribute__((cleanup(group_free_at))) struct peer_group *group = calloc(1, sizeof *group);
    if (group == NULL)
        return FAIL(NO_MEMORY, "no memory for the peers");
    TRY(format_pack(description->record, &wire));
    TRY(description_parse("the system description", bytes_view(&wire), NULL, &group->description));
    TRY(storage_fleet_new(&group->description, peers->identity, &group->fleet));
    group->self = storage_fleet_find(group->fleet, peers->self);
    group->references = 1;
    *out_group = group;
    group = NULL;
    return OK;
}

result peers_new(const struct description *description, const struct tls_identity *identity,
                 const char *self, struct peers **out_peers) {
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL)
        return FAIL(NO_MEMORY, "no memory for the peers");
    peers->identity = identity;
    memcpy(peers->self, self, strlen(self) + 1);
    pthread_mutex_init(&peers->lock, NULL);
    result made = group_new(peers, description, &peers->current);
    if (made != OK) {
        peers_free(peers);
        return made;
    }
    *out_peers = peers;
    return OK;
}

void peers_free(struct peers *peers) {
    if (peers == NULL)
        return;
    group_free_at(&peers->current);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

result peers_set_description(struct peers *peers, const struct description *description) {
    struct peer_group *fresh, *old;
    TRY(group_new(peers, description, &fresh));
    pthread_mutex_lock(&peers->lock);
    old = peers->current;
    peers->current = fresh;
    pthread_mutex_unlock(&peers->lock);
    peers_release(peers, old);
    return OK;
}

struct peer_group *peers_hold(struct peers *peers) {
    pthread_mutex_lock(&peers->lock);
    struct peer_group *group = peers->current;
    group->references++;
    pthread_mutex_unlock(&peers->lock);
    return group;
}

void peers_release(struct peers *peers, struct peer_group *group) {
    pthread_mutex_lock(&peers->lock);
    bool is_last = --group->references == 0;
    pthread_mutex_unlock(&peers->lock);
    if (is_last)
        group_free(group);
}

/* ------------------------------------------------------------------ requests */

result peers_call(struct peer_group *group, unsigned server, const char *method, const char *path,
                  uint32_t patience_ms, size_t limit, struct bytes *out_answer) {
    struct http_client *client;
    TRY(storage_fleet_take(group->fleet, server, &client));
    http_client_set_answer_timeout(client, patience_ms > 0 ? patience_ms : PEER_CALL_TIMEOUT_MS);
    result called = http_call(client, method, path, view_of(NULL, 0), NULL, limit, out_answer);
    storage_fleet_give(group->fleet, server, client, called);
    return called;
}

static result push(void *context, struct view part) {
    return bytes_append(context, part);
}

result peers_download(struct peer_group *group, unsigned server, const char *path, uint64_t offset,
                      uint64_t length, struct bytes *out_bytes) {
    struct http_client *client;
    TRY(bytes_reserve(out_bytes, out_bytes->len + length));
    TRY(storage_fleet_take(group->fleet, server, &client));
    http_client_set_answer_timeout(client, PEER_CALL_TIMEOUT_MS);
    result called = http_download(client, path, offset, length, push, out_bytes);
    storage_fleet_give(group->fleet, server, client, called);
    return called;
}

result peers_identify(const struct peer_group *group, struct view certificate,
                      char out_name[FORMAT_NAME_MAX + 1], uint8_t out_identity[SIGN_PUBLIC_BYTES]) {
    struct tls_peer peer;
    TRY(tls_peer_check_untimed(certificate, format_view(group->description.system->ca_certificate),
                               &peer));
    if (peer.role != TLS_ROLE_USER || strcmp(peer.system, group->description.id) != 0)
        return FAIL(DENIED, "%s is no user of this system", peer.name);
    memcpy(out_name, peer.name, strlen(peer.name) + 1);
    memcpy(out_identity, peer.identity, SIGN_PUBLIC_BYTES);
    return OK;
}

/* ------------------------------------------------------------------ all at once */

struct crew {
    const bool *is_wanted;
    unsigned count, next;
    peers_work work;
    void *context;
    pthread_mutex_t lock;
};

static void *run(void *argument) {
    struct crew *crew = argument;
    for (;;) {
        pthread_mutex_lock(&crew->lock);
        while (crew->next < crew->count && !crew->is_wanted[crew->next])
            crew->next++;
        unsigned server = crew->next++;
        pthread_mutex_unlock(&crew->lock);
        if (server >= crew->count)
            return NULL;
        crew->work(crew->context, server);
    }
}

void peers_each(const bool is_wanted[], unsigned count, peers_work work, void *context) {
    struct crew crew = {is_wanted, count, 0, work, context, PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[AT_ONCE];
    unsigned started = 0, wanted = 0;
    for (unsigned i = 0; i < count; i++)
        wanted += is_wanted[i];
    while (started + 1 < wanted && started < AT_ONCE &&
           pthread_create(&threads[started], NULL, run, &crew) == 0)
        started++;
    run(&crew); /* this thread works too: where no other could be started it does all */
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}
