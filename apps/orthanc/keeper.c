#include "keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "deletions.h"
#include "exports.h"
#include "inbox.h"
#include "orthanc_rest.h"
#include "rules.h"
#include "storage_area.h"

enum {
    STEP_MS = 500,
    TIDY_MS = 10000,
    REMOVAL_AGE_MS = 3000,    /* an instance that is replaced leaves its image empty for a moment */
    REMOVAL_RETRY_MS = 30000, /* when the servers could not be told */
    FORWARD_MS = 1000,
    FORWARD_RETRY_MS = 15000,
};

struct keeper {
    struct gateway *gateway;
    pthread_t thread, greeter;
    bool is_started, is_greeting;
    struct record *left; /* attachments that an earlier run left unconfirmed */
    size_t left_count;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, has_orthanc;                                   /* under the lock */
    uint64_t tidy_ms, removal_ms, deletion_ms, inbox_ms, forward_ms; /* when next */
};

/* ------------------------------------------------------------------ removals */

/* The image may hold what others put into it by other means: that is not the gateway's to remove.
 * Of its own objects the first ones are named, in case that they have to go one by one. */
struct listed {
    uint64_t strangers;
    char *names[DELETIONS_MAX];
    size_t count;
};

static void listed_free(struct listed *listed) {
    for (size_t i = 0; i < listed->count; i++)
        free(listed->names[i]);
}

static void take_listed(void *context, const struct myelin_blob_listed *blob) {
    struct listed *listed = context;
    if (!record_is_uuid(blob->name)) {
        listed->strangers++;
        return;
    }
    if (listed->count < DELETIONS_MAX)
        listed->names[listed->count] = strdup(blob->name);
    listed->count += listed->count < DELETIONS_MAX && listed->names[listed->count] != NULL;
}

/* OK, with `out_is_done` unset, where more of its objects are left than go at once. */
static result delete_beside_strangers(struct gateway *gateway, const char *id,
                                      const struct listed *listed, bool *out_is_done) {
    *out_is_done = listed->count < DELETIONS_MAX;
    if (listed->count > 0)
        TRY(deletions_make(gateway, id, listed->names, listed->count));
    if (*out_is_done)
        gateway_warn(gateway,
                     "an image is empty but for %llu objects that Orthanc did not store: it stays",
                     (unsigned long long)listed->strangers);
    return OK;
}

static result remove_image(struct gateway *gateway, const char *id, bool *out_is_done) {
    __attribute__((cleanup(listed_free))) struct listed listed = {0};
    *out_is_done = true;
    images_forget(gateway->images, "", id);
    result found = images_list(gateway->images, "", id, take_listed, &listed);
    if (found != OK && found != NOT_FOUND)
        return found;
    if (listed.strangers > 0)
        return delete_beside_strangers(gateway, id, &listed, out_is_done);
    result removed = gateway_result(myelin_remove(gateway->session, id));
    images_forget(gateway->images, "", id);
    gateway->counts.removed_images += removed == OK;
    return removed == NOT_FOUND ? OK : removed;
}

static void remove_empty(struct keeper *keeper) {
    struct gateway *gateway = keeper->gateway;
    struct map_image_info info;
    if (clock_ms() < keeper->removal_ms || !map_next_removal(gateway->map, REMOVAL_AGE_MS, &info))
        return;
    bool is_done;
    result removed = remove_image(gateway, info.id, &is_done);
    if (removed != OK) {
        gateway_warn(gateway, "an image without instances could not be removed yet: %s",
                     error_text());
        keeper->removal_ms = clock_ms() + REMOVAL_RETRY_MS;
    }
    if (map_removed(gateway->map, info.id, removed == OK && is_done) != OK)
        gateway_error(gateway, "the map: %s", error_text());
}

/* ------------------------------------------------------------------ deletions */

static void delete_dead(struct keeper *keeper) {
    size_t count;
    if (clock_ms() >= keeper->deletion_ms &&
        deletions_some(keeper->gateway, NULL, REMOVAL_AGE_MS, &count) != OK)
        keeper->deletion_ms = clock_ms() + REMOVAL_RETRY_MS;
}

/* ------------------------------------------------------------------ after a crash */

static bool is_indexed(struct gateway *gateway, const struct record *record) {
    char *id =
        record->sop[0] == '\0' ? NULL : OrthancPluginLookupInstance(gateway->orthanc, record->sop);
    if (id != NULL)
        OrthancPluginFreeString(gateway->orthanc, id);
    return id != NULL;
}

/* Orthanc stores a file before its index knows of it, and removes it after its index has forgotten
 * it. A uuid whose instance the index lacks is an orphan; so is one whose instance the index has
 * under another uuid, unless the index may have gone over to the new one (OverwriteInstances). */
static result reconcile_one(struct gateway *gateway, const struct record *record,
                            uint64_t *orphans) {
    bool indexed = is_indexed(gateway, record);
    bool is_other = indexed && !gateway->config.overwrites &&
                    map_has_indexed(gateway->map, record->sop, record->uuid);
    if (indexed && !is_other) {
        result set = map_set(gateway->map, record->uuid, RECORD_IS_INDEXED);
        return set == NOT_FOUND ? OK : set;
    }
    (*orphans)++;
    return storage_area_drop(record->uuid);
}

static result reconcile_all(struct gateway *gateway, const struct record *records, size_t count) {
    uint64_t orphans = 0;
    for (size_t i = 0; i < count; i++)
        TRY(reconcile_one(gateway, &records[i], &orphans));
    gateway_warn(gateway,
                 "%zu attachments were on their way when Orthanc ended: %llu of them are not in "
                 "its index and are dropped",
                 count, (unsigned long long)orphans);
    return map_sync(gateway->map);
}

/* An index that does not answer is not one that lacks the instances: later, then. */
static void reconcile(struct keeper *keeper) {
    AUTO_JSON json_t *statistics = NULL;
    if (orthanc_get(keeper->gateway, &statistics, "/statistics") != OK)
        return;
    if (keeper->left_count > 0 &&
        reconcile_all(keeper->gateway, keeper->left, keeper->left_count) != OK)
        gateway_error(keeper->gateway, "the map: %s", error_text());
    free(keeper->left);
    keeper->left = NULL;
    keeper->left_count = 0;
}

/* ------------------------------------------------------------------ the thread */

static bool has_orthanc(struct keeper *keeper) {
    pthread_mutex_lock(&keeper->lock);
    bool has = keeper->has_orthanc && !keeper->is_stopping;
    pthread_mutex_unlock(&keeper->lock);
    return has;
}

static void step(struct keeper *keeper) {
    struct gateway *gateway = keeper->gateway;
    uint64_t now_ms = clock_ms();
    if (has_orthanc(keeper) && keeper->left != NULL)
        reconcile(keeper);
    remove_empty(keeper);
    delete_dead(keeper);
    if (has_orthanc(keeper) && now_ms >= keeper->inbox_ms) {
        if (inbox_check(gateway) != OK)
            gateway_warn(gateway, "the inbox could not be looked at: %s", error_text());
        keeper->inbox_ms = clock_ms() + (uint64_t)gateway->config.inbox_s * 1000;
    }
    if (now_ms >= keeper->forward_ms) {
        bool is_all_made = rules_make_forwards(gateway);
        keeper->forward_ms = clock_ms() + (is_all_made ? FORWARD_MS : FORWARD_RETRY_MS);
    }
    if (now_ms >= keeper->tidy_ms) {
        images_tidy(gateway->images);
        keeper->tidy_ms = now_ms + TIDY_MS;
    }
    gateway_log_warnings(gateway);
}

static void *run(void *argument) {
    struct keeper *keeper = argument;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->is_stopping) {
        pthread_mutex_unlock(&keeper->lock);
        step(keeper);
        pthread_mutex_lock(&keeper->lock);
        if (!keeper->is_stopping)
            clock_wait(&keeper->wake, &keeper->lock, STEP_MS);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

/* Connects to every server, while Orthanc starts: who reads first need not wait for it. */
static void *greet(void *argument) {
    const struct keeper *keeper = argument;
    if (exports_look(keeper->gateway) != OK)
        gateway_warn(keeper->gateway, "%s", error_text());
    return NULL;
}

result keeper_start(struct gateway *gateway, struct keeper **out_keeper) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return FAIL(NO_MEMORY, "no memory for the keeper");
    keeper->gateway = gateway;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->wake, NULL);
    result found = map_unconfirmed(gateway->map, &keeper->left, &keeper->left_count);
    keeper->is_started = found == OK && pthread_create(&keeper->thread, NULL, run, keeper) == 0;
    if (!keeper->is_started) {
        keeper_stop(keeper);
        return found == OK ? FAIL(NO_MEMORY, "no thread for the keeper") : found;
    }
    keeper->is_greeting = pthread_create(&keeper->greeter, NULL, greet, keeper) == 0;
    *out_keeper = keeper;
    return OK;
}

void keeper_stop(struct keeper *keeper) {
    if (keeper == NULL)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->is_stopping = true;
    pthread_cond_broadcast(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
    if (keeper->is_started)
        pthread_join(keeper->thread, NULL);
    if (keeper->is_greeting)
        pthread_join(keeper->greeter, NULL);
    pthread_cond_destroy(&keeper->wake);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper->left);
    free(keeper);
}

void keeper_set_orthanc(struct keeper *keeper, bool is_running) {
    pthread_mutex_lock(&keeper->lock);
    keeper->has_orthanc = is_running;
    pthread_cond_signal(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
}
