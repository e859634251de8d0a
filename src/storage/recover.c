/* What a start makes of staging. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/put.h"
#include "storage/put_table.h"

static bool is_there(struct storage *storage, struct place place) {
    uint64_t bytes;
    return store_size(storage->store, place.key, &bytes) == OK;
}

/* Publishing and removing take parts away, and a crash may fall in the middle of either. */
static bool is_whole(struct storage *storage, const struct short_id *put,
                     const struct put_record *record) {
    bool has_owner = is_there(storage, place_staged(put, PLACE_OWNER)) ||
                     is_there(storage, place_of_image(&record->image, PLACE_OWNER));
    if (record->creates && (!has_owner || !is_there(storage, place_staged(put, PLACE_ENVELOPE)) ||
                            !is_there(storage, place_staged(put, PLACE_SYMBOL))))
        return false;
    for (size_t i = 0; i < record->object_count; i++) {
        const struct short_id *object = &record->objects[i];
        if (!is_there(storage, place_staged_object(put, object, PLACE_SLICES_SUFFIX)) ||
            !is_there(storage, place_staged_object(put, object, PLACE_MANIFEST_SUFFIX)))
            return false;
    }
    return true;
}

static result restore(struct storage *storage, const struct short_id *id,
                      const struct put_record *record) {
    struct put *put = calloc(1, sizeof *put);
    if (put == NULL)
        return FAIL(NO_MEMORY, "no memory for a put");
    put->objects = calloc(record->object_count + 1, sizeof *put->objects);
    if (put->objects == NULL) {
        put_free(put);
        return FAIL(NO_MEMORY, "no memory for %zu objects", record->object_count);
    }
    put->object_count = record->object_count;
    for (size_t i = 0; i < put->object_count; i++) {
        put->objects[i].id = record->objects[i];
        put->objects[i].state = OBJECT_UPLOADED;
    }
    put->image = record->image;
    put->id = *id;
    memcpy(put->caller, record->caller, sizeof put->caller);
    put->creates = record->creates;
    put->state = PUT_PREPARED;
    put->prepared_ms = record->prepared_ms;
    put->touched_ms = put->claimed_ms = storage->steady_ms();
    memcpy(put->contents, record->contents, sizeof put->contents);
    put_table_restore(storage, put);
    log_event(LOG_INFO, "recover", "put=%s image=%s prepared", id->hex, put->image.hex);
    return OK;
}

/* A crash can fall between a put's overruling another and that one's end: the later one stands. */
static bool is_overruled(struct storage *storage, const struct put_record *record) {
    bool overruled = false;
    for (const struct put *put = storage->puts; put != NULL; put = put->next)
        overruled |=
            image_id_equal(&put->image, &record->image) && put->prepared_ms >= record->prepared_ms;
    return overruled;
}

static void give_up_earlier(struct storage *storage, const struct put_record *record) {
    for (struct put *put = storage->puts, *next; put != NULL; put = next) {
        next = put->next;
        if (!image_id_equal(&put->image, &record->image))
            continue;
        struct put *earlier = put_acquire(storage, &put->image, &put->id);
        if (earlier == NULL)
            continue;
        put_give_up(storage, earlier);
        put_release(storage, earlier);
    }
}

/* OK where the put is kept or published; NOT_FOUND where it is to be removed. */
static result recover_put(struct storage *storage, const struct short_id *put) {
    AUTO_PUT_RECORD struct put_record decided = {0}, prepared = {0};
    result got = put_record_get(storage->store, place_staged_put(put).key, &decided);
    if (got == OK) {
        log_event(LOG_INFO, "recover", "put=%s rolled forward", put->hex);
        return put_publish(storage, put, &decided);
    }
    if (got != NOT_FOUND && got != INTEGRITY)
        return got;
    if (got == INTEGRITY) /* whoever has the commit can bring it again */
        log_event(LOG_ERROR, "recover", "put=%s %s", put->hex, error_text());
    got = put_record_get(storage->store, place_staged(put, PLACE_PREPARED).key, &prepared);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "it was not prepared");
    if (got == INTEGRITY)
        return FAIL(NOT_FOUND, "its record is damaged");
    TRY(got);
    if (!is_whole(storage, put, &prepared))
        return FAIL(NOT_FOUND, "parts of it are gone");
    if (is_overruled(storage, &prepared))
        return FAIL(NOT_FOUND, "it was overruled");
    give_up_earlier(storage, &prepared);
    return restore(storage, put, &prepared);
}

result put_recover(struct storage *storage) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, "staging", "", "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id put;
        if (short_id_parse("a put", names.names[i], &put) != OK) {
            log_event(LOG_WARNING, "recover", "staging has %s, which is not a put", names.names[i]);
            continue;
        }
        result recovered = recover_put(storage, &put);
        if (recovered == NOT_FOUND) {
            log_event(LOG_INFO, "recover", "put=%s removed: %s", put.hex, error_text());
            recovered = store_delete_all(storage->store, place_staging(&put).key);
        }
        TRY(recovered);
    }
    return OK;
}
