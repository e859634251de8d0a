#include "storage/put_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/draw.h"

void put_free(struct put *put) {
    if (put == NULL)
        return;
    free(put->objects);
    put_drawn_free(put->drawn);
    free(put);
}

static bool same_request(const struct put *a, const struct put *b) {
    if (!image_id_equal(&a->image, &b->image) || strcmp(a->caller, b->caller) != 0 ||
        a->creates != b->creates || a->object_count != b->object_count)
        return false;
    for (size_t i = 0; i < a->object_count; i++)
        if (!short_id_equal(&a->objects[i].id, &b->objects[i].id))
            return false;
    return true;
}

/* Under the mutex. */
static result check_room(struct storage *storage, const struct put *draft, bool *out_there) {
    unsigned count = 0, of_user = 0;
    *out_there = false;
    for (const struct put *put = storage->puts; put != NULL; put = put->next) {
        count++;
        of_user += strcmp(put->caller, draft->caller) == 0;
        if (!short_id_equal(&put->id, &draft->id))
            continue;
        if (put->doomed || !same_request(put, draft))
            return FAIL(CONFLICT, "put %s is under way", draft->id.hex);
        if (put->state != PUT_OPEN)
            return FAIL(CONFLICT, "put %s is prepared", draft->id.hex);
        *out_there = true;
    }
    if (!*out_there && (count >= STORAGE_PUTS_MAX || of_user >= STORAGE_PUTS_OF_USER_MAX))
        return FAIL(NO_MEMORY, "%s: too many puts are under way; try again later", storage->server);
    return OK;
}

result put_table_add(struct storage *storage, struct put *draft) {
    struct put *put = malloc(sizeof *put);
    if (put == NULL)
        return FAIL(NO_MEMORY, "no memory for a put");
    *put = *draft;
    bool there;
    pthread_mutex_lock(&storage->mutex);
    result checked = check_room(storage, draft, &there);
    if (checked == OK && !there) {
        put->next = storage->puts;
        storage->puts = put;
        draft->objects = NULL;
        draft->object_count = 0;
    }
    pthread_mutex_unlock(&storage->mutex);
    if (checked != OK || there)
        free(put);
    return checked;
}

void put_table_restore(struct storage *storage, struct put *found) {
    pthread_mutex_lock(&storage->mutex);
    found->next = storage->puts;
    storage->puts = found;
    pthread_mutex_unlock(&storage->mutex);
}

struct put *put_acquire(struct storage *storage, const struct image_id *image,
                        const struct short_id *id) {
    pthread_mutex_lock(&storage->mutex);
    struct put *put = storage->puts;
    while (put != NULL &&
           (put->doomed || !short_id_equal(&put->id, id) || !image_id_equal(&put->image, image)))
        put = put->next;
    if (put != NULL)
        put->users++;
    pthread_mutex_unlock(&storage->mutex);
    return put;
}

result put_acquire_own(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, const struct short_id *id,
                       struct put **out_put) {
    struct put *put = put_acquire(storage, image, id);
    if (put == NULL)
        return FAIL(NOT_FOUND, "%s has no put %s under way", storage->server, id->hex);
    if (caller->role != STORAGE_ROLE_USER || strcmp(put->caller, caller->name) != 0) {
        put_release(storage, put);
        return FAIL(DENIED, "put %s is not of %s", id->hex, caller->name);
    }
    *out_put = put;
    return OK;
}

/* Under the mutex. */
static void unlink_put(struct storage *storage, struct put *put) {
    for (struct put **link = &storage->puts; *link != NULL; link = &(*link)->next) {
        if (*link == put) {
            *link = put->next;
            put->next = NULL;
            return;
        }
    }
}

/* The put stays in the table meanwhile, so that no new one takes its folder. */
static void remove_staging(struct storage *storage, struct put *put) {
    if (store_delete_all(storage->store, place_staging(&put->id).key) != OK)
        log_event(LOG_ERROR, "staging", "put=%s not removed: %s", put->id.hex, error_text());
    pthread_mutex_lock(&storage->mutex);
    unlink_put(storage, put);
    pthread_mutex_unlock(&storage->mutex);
    put_free(put);
}

void put_release(struct storage *storage, struct put *put) {
    pthread_mutex_lock(&storage->mutex);
    put->users--;
    put->touched_ms = storage->steady_ms();
    bool last = put->users == 0;
    bool remove = last && put->doomed && !put->leaving;
    bool published = last && put->leaving;
    if (remove)
        put->leaving = true;
    pthread_mutex_unlock(&storage->mutex);
    if (remove)
        remove_staging(storage, put);
    else if (published)
        put_free(put);
}

void put_use_end(struct put_use *use) {
    if (use->put != NULL)
        put_release(use->storage, use->put);
    use->put = NULL;
}

void put_doom(struct storage *storage, struct put *put) {
    if (!put->doomed)
        atomic_fetch_add(&storage->counters.aborted, 1);
    put->doomed = true;
}

void put_give_up(struct storage *storage, struct put *put) {
    pthread_mutex_lock(&storage->mutex);
    if (put->state != PUT_COMMITTING && put->state != PUT_DECIDED)
        put_doom(storage, put);
    pthread_mutex_unlock(&storage->mutex);
}

void put_table_remove(struct storage *storage, struct put *put) {
    pthread_mutex_lock(&storage->mutex);
    unlink_put(storage, put);
    put->doomed = put->leaving = true;
    pthread_mutex_unlock(&storage->mutex);
}

static int compare_object(const void *key, const void *object) {
    return memcmp(((const struct short_id *)key)->bytes,
                  ((const struct put_object *)object)->id.bytes, FORMAT_ID_BYTES);
}

struct put_object *put_find_object(const struct put *put, const struct short_id *object) {
    if (put->object_count == 0)
        return NULL;
    return bsearch(object, put->objects, put->object_count, sizeof *put->objects, compare_object);
}
