#include "storage/deletion.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/put.h"
#include "storage/record.h"
#include "storage/storage_state.h"

/* ------------------------------------------------------------------ what is here */

static struct place place_of_deletion(const struct image_id *image, const struct short_id *object) {
    return place_of_object(image, object, PLACE_DELETION_SUFFIX);
}

result deletion_get(struct storage *storage, const struct image_id *image,
                    const struct short_id *object, Myelin__Signed **out_record) {
    return signed_get(storage->store, place_of_deletion(image, object).key, RECORD_DELETION,
                      FORMAT_LIMIT_DELETION, out_record);
}

bool deletion_is_here(struct storage *storage, const struct image_id *image,
                      const struct short_id *object) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    return deletion_get(storage, image, object, &record) == OK;
}

bool deletion_was_here(struct storage *storage, const struct image_id *image,
                       const struct short_id *object) {
    uint64_t bytes;
    return store_size(storage->store, place_of_deletion(image, object).key, &bytes) == OK;
}

result deletion_check_none(struct storage *storage, const struct image_id *image,
                           const struct short_id *object) {
    return deletion_is_here(storage, image, object)
               ? FAIL(CONFLICT, "%s: object %s was deleted by its owner", storage->server,
                      object->hex)
               : OK;
}

static result list_names(struct storage *storage, const struct image_id *image,
                         struct store_names *out_objects) {
    return store_list(storage->store, place_image(image).key, PLACE_DELETION_SUFFIX, "",
                      out_objects);
}

result deletion_list(struct storage *storage, const struct image_id *image,
                     struct store_names *out_objects) {
    AUTO_NAMES struct store_names names = {0};
    size_t kept = 0;
    TRY(list_names(storage, image, &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) == OK &&
            deletion_is_here(storage, image, &object))
            memmove(names.names[kept++], names.names[i], sizeof names.names[i]);
    }
    names.count = kept;
    *out_objects = names;
    names = (struct store_names){0};
    return OK;
}

static int compare_names(const void *key, const void *entry) {
    return strcmp(key, entry);
}

bool deletion_list_has(const struct store_names *objects, const struct short_id *object) {
    return objects->count > 0 && bsearch(object->hex, objects->names, objects->count,
                                         sizeof *objects->names, compare_names) != NULL;
}

static result check_made(const struct image_id *image, const Myelin__Deletion *deletion,
                         struct view made) {
    return made.len == 0 || view_equal(format_view(deletion->made), made)
               ? OK
               : FAIL(CONFLICT, "the deletion is of image %s as it was before it was put again",
                      image->hex);
}

result deletion_open(const struct image_owner *owner, const struct image_id *image,
                     struct view made, const Myelin__Signed *record, struct short_id *out_object) {
    AUTO_FORMAT Myelin__Deletion *deletion = NULL;
    struct image_id of_tau;
    TRY(format_open_deletion(record, owner->identity, &deletion));
    image_id_of_tau(format_view(deletion->tau), &of_tau);
    if (strcmp(deletion->owner, owner->name) != 0 || !image_id_equal(&of_tau, image))
        return FAIL(INVALID, "the deletion is of another image or owner");
    TRY(check_made(image, deletion, made));
    return short_id_from(format_view(deletion->object), out_object);
}

/* ------------------------------------------------------------------ what goes */

result deletion_sweep(struct storage *storage, const struct image_id *image) {
    AUTO_NAMES struct store_names deleted = {0}, slices = {0};
    TRY(deletion_list(storage, image, &deleted));
    if (deleted.count == 0)
        return OK;
    TRY(store_list(storage->store, place_image(image).key, PLACE_SLICES_SUFFIX, "", &slices));
    for (size_t i = 0; i < slices.count; i++) {
        struct short_id object;
        uint32_t slot;
        if (place_parse_slices(slices.names[i], &object, &slot) &&
            deletion_list_has(&deleted, &object))
            TRY(store_delete(storage->store, place_of_slices(image, &object, slot).key));
    }
    return OK;
}

result deletion_totals(struct storage *storage, const struct image_id *image,
                       const struct store_names *deleted, const struct short_id objects[],
                       size_t count, struct image_totals *out_totals) {
    struct image_totals totals = {0};
    for (size_t i = 0; i < count && deleted->count > 0; i++) {
        AUTO_FORMAT Myelin__Manifest *manifest = NULL;
        struct format_layout layout;
        if (!deletion_list_has(deleted, &objects[i]))
            continue;
        totals.objects++;
        result got = image_manifest(storage, image, &objects[i], NULL, &manifest);
        if (got == NOT_FOUND || got == INTEGRITY)
            continue; /* lost or damaged: it is mended */
        TRY(got);
        format_layout_of(manifest, &layout);
        totals.sealed_bytes += layout.sealed_bytes;
        totals.symbol_bytes += layout.symbol_bytes;
    }
    *out_totals = totals;
    return OK;
}

uint64_t deletion_counted_bytes(struct storage *storage, const struct image_id *image,
                                const struct short_id *object) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    struct format_layout layout;
    struct short_id put;
    uint64_t bytes;
    if (image_manifest(storage, image, object, NULL, &manifest) != OK ||
        short_id_from(format_view(manifest->put), &put) != OK ||
        store_size(storage->store, place_of_put(image, &put).key, &bytes) != OK)
        return 0;
    format_layout_of(manifest, &layout);
    return layout.symbol_bytes;
}

uint64_t deletion_bytes_left(struct storage *storage, const struct put_record *record) {
    uint64_t bytes = record->symbol_bytes;
    for (size_t i = 0; i < record->object_count; i++) {
        if (!deletion_is_here(storage, &record->image, &record->objects[i]))
            continue;
        uint64_t gone = deletion_counted_bytes(storage, &record->image, &record->objects[i]);
        bytes -= gone < bytes ? gone : bytes;
    }
    return bytes;
}

/* ------------------------------------------------------------------ taking deletions */

/* One request while it is taken. */
struct taking {
    struct storage *storage;
    const struct image_id *image;
    struct store_names before; /* deleted already */
    struct place folder;       /* where records are written first, so that none is here in part */
    struct short_id *objects;  /* that were not deleted before */
    struct place (*keys)[2];   /* of their records: there, and here */
    struct bytes *values;
    size_t count;
    struct store_step *steps;
    size_t step_count;
};

static void taking_clean_up(struct taking *t) {
    for (size_t i = 0; t->values != NULL && i < t->count; i++)
        bytes_free(&t->values[i]);
    free(t->values);
    free(t->keys);
    free(t->steps);
    free(t->objects);
    store_names_free(&t->before);
}

static result taking_init(struct taking *t, size_t room) {
    t->folder = place_deleting(t->image);
    t->steps = calloc(2 * room + 1, sizeof *t->steps);
    t->keys = calloc(room, sizeof *t->keys);
    t->values = calloc(room, sizeof *t->values);
    t->objects = calloc(room, sizeof *t->objects);
    if (t->steps == NULL || t->keys == NULL || t->values == NULL || t->objects == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu deletions", room);
    return list_names(t->storage, t->image, &t->before);
}

static bool is_among(const struct taking *t, const struct short_id *object) {
    for (size_t i = 0; i < t->count; i++)
        if (short_id_equal(&t->objects[i], object))
            return true;
    return false;
}

/* One that is here and damaged is written again, which is no change of what was deleted. */
static result add_deletion(struct taking *t, const struct short_id *object,
                           const Myelin__Signed *record) {
    AUTO_FORMAT Myelin__Signed *here = NULL;
    AUTO_BYTES struct bytes body = {0};
    if (is_among(t, object))
        return OK;
    struct place place = place_of_deletion(t->image, object);
    bool is_known = deletion_list_has(&t->before, object);
    if (is_known && deletion_get(t->storage, t->image, object, &here) == OK)
        return OK;
    TRY(format_pack(record, &body));
    if (is_known)
        return record_replace(t->storage->store, place.key, RECORD_DELETION, bytes_view(&body));
    t->objects[t->count] = *object;
    t->keys[t->count][0] = place_of_deleting(t->image, object);
    t->keys[t->count][1] = place;
    return record_wrap(RECORD_DELETION, bytes_view(&body), &t->values[t->count++]);
}

static void plan_steps(struct taking *t) {
    for (size_t i = 0; i < t->count; i++)
        t->steps[t->step_count++] = (struct store_step){
            .kind = STORE_SET, .key = t->keys[i][0].key, .value = bytes_view(&t->values[i])};
    for (size_t i = 0; i < t->count; i++)
        t->steps[t->step_count++] = (struct store_step){
            .kind = STORE_MOVE, .key = t->keys[i][0].key, .to = t->keys[i][1].key};
    t->steps[t->step_count++] = (struct store_step){.kind = STORE_DROP, .key = t->folder.key};
}

/* As one change of the store, or, where that is too large, one after the other: each is a whole by
 * itself, and who did not hear that all are durable asks again. */
static result make_durable(struct taking *t) {
    enum store_extent extent;
    struct store *store = t->storage->store;
    if (t->count == 0)
        return OK;
    plan_steps(t);
    result done = store_change(store, t->steps, t->step_count, &extent);
    if (extent == STORE_DONE)
        return done;
    if (extent == STORE_NOTHING)
        TRY(done);
    for (size_t i = 0; i < t->count; i++) /* all that are missing here */
        if (!deletion_is_here(t->storage, t->image, &t->objects[i]))
            TRY(store_replace(store, t->keys[i][1].key, bytes_view(&t->values[i])));
    return store_delete_all(store, t->folder.key);
}

static void count_gone(struct taking *t) {
    for (size_t i = 0; i < t->count; i++)
        if (deletion_is_here(t->storage, t->image, &t->objects[i]))
            atomic_fetch_sub(&t->storage->counters.symbol_bytes,
                             deletion_counted_bytes(t->storage, t->image, &t->objects[i]));
}

/* By the caller's own key: he must be the owner. Without a lock, as many signatures take a while.
 */
static result verify_all(const struct taking *t, const struct storage_caller *caller,
                         const Myelin__DeleteObjects *message) {
    struct image_owner owner = {.verifies = true};
    memcpy(owner.name, caller->name, strlen(caller->name) + 1);
    memcpy(owner.identity, caller->identity, SIGN_PUBLIC_BYTES);
    for (size_t i = 0; i < message->n_deletion; i++) {
        struct short_id object;
        TRY(deletion_open(&owner, t->image, view_of(NULL, 0), message->deletion[i], &object));
    }
    return OK;
}

/* Of what was verified: what is news, and of the image as it is now. */
static result add_verified(struct taking *t, const Myelin__DeleteObjects *message,
                           struct view made) {
    for (size_t i = 0; i < message->n_deletion; i++) {
        AUTO_FORMAT Myelin__Deletion *deletion = NULL;
        struct short_id object;
        TRY(format_parse_deletion(format_view(message->deletion[i]->body), &deletion));
        TRY(check_made(t->image, deletion, made));
        TRY(short_id_from(format_view(deletion->object), &object));
        TRY(add_deletion(t, &object, message->deletion[i]));
    }
    return OK;
}

static result add_all(struct taking *t, const Myelin__DeleteObjects *message) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    result got = image_envelope(t->storage, t->image, NULL, &envelope);
    if (got != OK && got != NOT_FOUND && got != INTEGRITY) /* damaged: its owner may still */
        return got;
    TRY(add_verified(t, message, envelope == NULL ? view_of(NULL, 0) : format_view(envelope->put)));
    if (t->before.count + t->count > FORMAT_CHECKED_MAX)
        return FAIL(INVALID, "%s: image %s has %zu deleted objects; %d are the most",
                    t->storage->server, t->image->hex, t->before.count + t->count,
                    FORMAT_CHECKED_MAX);
    return OK;
}

static result authorise(struct storage *storage, const struct storage_caller *caller,
                        const struct image_id *image) {
    struct image_owner owner;
    return image_authorise(storage, caller, image, IMAGE_OWNER, &owner);
}

static result authorise_first(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    TRY(image_lock_read(storage, image, &lock));
    return authorise(storage, caller, image);
}

result deletion_take(struct storage *storage, const struct storage_caller *caller,
                     const struct image_id *image, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__DeleteObjects *message = NULL;
    __attribute__((cleanup(taking_clean_up))) struct taking t = {.storage = storage,
                                                                 .image = image};
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users delete objects");
    TRY(format_parse_delete_objects(body, &message));
    TRY(authorise_first(storage, caller, image));
    TRY(verify_all(&t, caller, message));
    image_lock_write(storage, image, &lock);
    TRY(put_finish_decided(storage, image));
    TRY(authorise(storage, caller, image));
    TRY(taking_init(&t, message->n_deletion));
    TRY(add_all(&t, message));
    result durable = make_durable(&t);
    count_gone(&t);
    TRY(durable);
    if (deletion_sweep(storage, image) != OK) /* a restart or the scrub goes on with it */
        log_event(LOG_WARNING, "deletion", "image=%s slices left: %s", image->hex, error_text());
    log_event(LOG_INFO, "deleted", "image=%s objects=%zu", image->hex, t.count);
    return OK;
}
