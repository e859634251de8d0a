/* Commit: a put is decided, then published. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/hash.h"
#include "storage/image.h"
#include "storage/put.h"
#include "storage/put_table.h"
#include "storage/slots.h"

/* ------------------------------------------------------------------ deciding */

static result check_commit(struct storage *storage, const struct image_id *image,
                           const struct short_id *put, const struct image_owner *owner,
                           const Myelin__Signed *record, Myelin__Commit **out_commit) {
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    struct image_id of_tau;
    TRY(format_open_commit(record, owner->identity, &commit));
    image_id_of_tau(format_view(commit->tau), &of_tau);
    if (strcmp(commit->owner, owner->name) != 0 || !image_id_equal(&of_tau, image) ||
        !view_equal(format_view(commit->put), view_of(put->bytes, sizeof put->bytes)))
        return FAIL(INVALID, "%s: the commit is of another put, image or owner", storage->server);
    *out_commit = commit;
    commit = NULL;
    return OK;
}

/* All of a put's manifests: those staged, and those that are in the image since it was committed
 * the first time. Signed messages in `out_manifests`, ids and sums in `record`. */
struct gathered {
    Myelin__Signed **manifests;
    size_t count;
};

static void gathered_clean_up(struct gathered *gathered) {
    for (size_t i = 0; i < gathered->count; i++)
        format_free(gathered->manifests[i]);
    free(gathered->manifests);
}

static bool has_object(const struct put_record *record, size_t count,
                       const struct short_id *object) {
    for (size_t i = 0; i < count; i++)
        if (short_id_equal(&record->objects[i], object))
            return true;
    return false;
}

static result gather_one(struct storage *storage, const struct short_id *put, const char *key,
                         const struct short_id *object, struct put_record *record,
                         struct gathered *gathered) {
    AUTO_FORMAT Myelin__Signed *signed_manifest = NULL;
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    TRY(manifest_get(storage->store, key, &signed_manifest, &manifest));
    if (!view_equal(format_view(manifest->put), view_of(put->bytes, sizeof put->bytes)))
        return OK;
    struct format_layout layout;
    format_layout_of(manifest, &layout);
    record->sealed_bytes += layout.sealed_bytes;
    record->symbol_bytes += layout.symbol_bytes;
    record->objects[gathered->count] = *object;
    gathered->manifests[gathered->count++] = signed_manifest;
    signed_manifest = NULL;
    return OK;
}

static result gather(struct storage *storage, const struct short_id *put,
                     const struct put_record *staged, struct put_record *record,
                     struct gathered *gathered) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(&staged->image).key, PLACE_MANIFEST_SUFFIX, "",
                   &names));
    size_t room = staged->object_count + names.count + 1;
    gathered->manifests = calloc(room, sizeof(Myelin__Signed *));
    record->objects = calloc(room, sizeof *record->objects);
    if (gathered->manifests == NULL || record->objects == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu manifests", room);
    record->sealed_bytes = record->symbol_bytes = 0;
    for (size_t i = 0; i < staged->object_count; i++) {
        const struct short_id *object = &staged->objects[i];
        struct place place = place_staged_object(put, object, PLACE_MANIFEST_SUFFIX);
        TRY(gather_one(storage, put, place.key, object, record, gathered));
    }
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) != OK ||
            has_object(record, staged->object_count, &object))
            continue;
        struct place place = place_of_object(&staged->image, &object, PLACE_MANIFEST_SUFFIX);
        result got = gather_one(storage, put, place.key, &object, record, gathered);
        if (got != OK && got != INTEGRITY) /* one that is damaged cannot be counted */
            return got;
    }
    record->object_count = gathered->count;
    return OK;
}

/* A repair stages only some of a put, whose record may still be here: then it stays as it was. */
static bool is_part_of_known(struct storage *storage, const struct short_id *put,
                             const Myelin__Commit *commit, struct put_record *record) {
    AUTO_PUT_RECORD struct put_record here = {0};
    if (put_record_get(storage->store, place_of_put(&record->image, put).key, &here) != OK ||
        !view_equal(format_view(commit->contents), view_of(here.contents, sizeof here.contents)))
        return false;
    for (size_t i = 0; i < record->object_count; i++)
        if (!has_object(&here, here.object_count, &record->objects[i]))
            return false;
    bytes_free(&here.commit);
    struct put_record staged = *record;
    *record = here;
    record->slot = staged.slot; /* where the parts go */
    here = staged;
    return true;
}

/* Where the record is lost too, what is staged and what is here must make the whole that was
 * signed. */
static result complete(struct storage *storage, const struct short_id *put,
                       const Myelin__Commit *commit, struct put_record *record) {
    __attribute__((cleanup(gathered_clean_up))) struct gathered gathered = {0};
    AUTO_PUT_RECORD struct put_record whole = {0};
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    AUTO_FORMAT Myelin__Signed *signed_envelope = NULL;
    uint8_t contents[DIGEST_BYTES];
    TRY(gather(storage, put, record, &whole, &gathered));
    bool created_here =
        image_envelope(storage, &record->image, &signed_envelope, &envelope) == OK &&
        view_equal(format_view(envelope->put), format_view(commit->put));
    if (record->creates && !created_here) {
        format_free(signed_envelope);
        signed_envelope = NULL;
        struct place place = place_staged(put, PLACE_ENVELOPE);
        TRY(signed_get(storage->store, place.key, RECORD_ENVELOPE, FORMAT_LIMIT_ENVELOPE,
                       &signed_envelope));
    }
    TRY(format_commit_contents(record->creates || created_here ? signed_envelope : NULL,
                               gathered.manifests, gathered.count, contents));
    if (!view_equal(format_view(commit->contents), view_of(contents, sizeof contents)))
        return FAIL(INTEGRITY, "the commit is of other contents than were prepared");
    free(record->objects);
    record->objects = whole.objects;
    record->object_count = whole.object_count;
    record->sealed_bytes = whole.sealed_bytes;
    record->symbol_bytes = whole.symbol_bytes;
    record->creates = record->creates || created_here;
    memcpy(record->contents, contents, sizeof contents);
    whole.objects = NULL;
    return OK;
}

static result owner_of_staged(struct storage *storage, const struct image_id *image,
                              const struct short_id *put, struct image_owner *out_owner) {
    struct place place = place_staged(put, PLACE_OWNER);
    result got = image_owner_get(storage->store, place.key, out_owner);
    return got == NOT_FOUND ? image_owner(storage, image, out_owner) : got;
}

/* Verifies, and gives the record that decides the put where it is made durable. */
static result verify(struct storage *storage, const struct image_id *image,
                     const struct short_id *put, struct view body, struct put_record *record) {
    AUTO_FORMAT Myelin__Signed *signed_commit = NULL;
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    struct image_owner owner;
    TRY(put_record_get(storage->store, place_staged(put, PLACE_PREPARED).key, record));
    TRY(format_parse_signed(body, &signed_commit));
    TRY(owner_of_staged(storage, image, put, &owner));
    TRY(check_commit(storage, image, put, &owner, signed_commit, &commit));
    if (!view_equal(format_view(commit->contents),
                    view_of(record->contents, sizeof record->contents)) &&
        !is_part_of_known(storage, put, commit, record))
        TRY(complete(storage, put, commit, record));
    return bytes_append(&record->commit, body);
}

/* ------------------------------------------------------------------ the put's state */

static result claim(struct storage *storage, struct put *put, enum put_state *out_before) {
    pthread_mutex_lock(&storage->mutex);
    *out_before = put->state;
    bool ready = !put->doomed && (put->state == PUT_PREPARED || put->state == PUT_DECIDED);
    if (ready)
        put->state = PUT_COMMITTING;
    pthread_mutex_unlock(&storage->mutex);
    return ready ? OK : FAIL(CONFLICT, "put %s is not prepared", put->id.hex);
}

static void settle(struct storage *storage, struct put *put, enum put_state state,
                   enum put_state before) {
    pthread_mutex_lock(&storage->mutex);
    put->state = state;
    if (state == PUT_DECIDED && before != PUT_DECIDED)
        atomic_fetch_add(&storage->decided, 1);
    pthread_mutex_unlock(&storage->mutex);
}

static void leave_table(struct storage *storage, struct put *put, enum put_state before) {
    if (before == PUT_DECIDED)
        atomic_fetch_sub(&storage->decided, 1);
    put_table_remove(storage, put);
}

static result publish_decided(struct storage *storage, struct put *put, enum put_state before,
                              const struct put_record *record) {
    result published = put_publish(storage, &put->id, record);
    if (published == OK)
        leave_table(storage, put, before);
    else
        settle(storage, put, PUT_DECIDED, before);
    return published;
}

/* Makes the decision durable, the point of no return, and publishes: as one change of the store,
 * or, where that is too large, one after the other. */
static result decide(struct storage *storage, struct put *put, const struct put_record *record) {
    enum store_extent extent;
    result decided = put_publish_at_once(storage, &put->id, record, &extent);
    if (extent == STORE_DONE) {
        leave_table(storage, put, PUT_PREPARED);
        return OK;
    }
    if (decided == OK)
        decided = put_record_replace(storage->store, place_staged_put(&put->id).key, record);
    if (decided == OK)
        return publish_decided(storage, put, PUT_PREPARED, record);
    settle(storage, put, extent == STORE_DECIDED ? PUT_DECIDED : PUT_PREPARED, PUT_PREPARED);
    return decided;
}

static result commit_under_way(struct storage *storage, struct put *put, struct view body) {
    AUTO_PUT_RECORD struct put_record record = {0};
    enum put_state before;
    TRY(claim(storage, put, &before));
    result read = before == PUT_DECIDED
                      ? put_record_get(storage->store, place_staged_put(&put->id).key, &record)
                      : verify(storage, &put->image, &put->id, body, &record);
    if (read != OK) {
        settle(storage, put, before, before);
        return read;
    }
    return before == PUT_DECIDED ? publish_decided(storage, put, before, &record)
                                 : decide(storage, put, &record);
}

/* The same commit once more. */
static result commit_again(struct storage *storage, const struct storage_caller *caller,
                           const struct image_id *image, const struct short_id *put,
                           struct view body) {
    AUTO_PUT_RECORD struct put_record record = {0};
    AUTO_FORMAT Myelin__Signed *signed_commit = NULL;
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    struct image_owner owner;
    result got = put_record_get(storage->store, place_of_put(image, put).key, &record);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "%s has no put %s", storage->server, put->hex);
    TRY(got);
    TRY(image_owner(storage, image, &owner));
    TRY(format_parse_signed(body, &signed_commit));
    if (!owner.verifies && strcmp(owner.name, caller->name) == 0)
        memcpy(owner.identity, caller->identity, sizeof owner.identity);
    TRY(check_commit(storage, image, put, &owner, signed_commit, &commit));
    if (!view_equal(format_view(commit->contents),
                    view_of(record.contents, sizeof record.contents)))
        return FAIL(CONFLICT, "put %s is committed with other contents", put->hex);
    return OK;
}

result put_commit(struct storage *storage, const struct storage_caller *caller,
                  const struct image_id *image, const struct short_id *put, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    image_lock_write(storage, image, &lock);
    use.put = put_acquire(storage, image, put);
    if (use.put == NULL)
        return commit_again(storage, caller, image, put, body);
    TRY(commit_under_way(storage, use.put, body));
    /* Prepared before the slot went to another server: there it goes too, and soon. */
    if (!slots_belong(storage, image, storage->server))
        storage_doubt(storage, image);
    return OK;
}

result put_finish_decided(struct storage *storage, const struct image_id *image) {
    if (atomic_load(&storage->decided) == 0)
        return OK;
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    pthread_mutex_lock(&storage->mutex);
    struct put *put = storage->puts;
    while (put != NULL && !(put->state == PUT_DECIDED && image_id_equal(&put->image, image)))
        put = put->next;
    if (put != NULL)
        put->users++;
    pthread_mutex_unlock(&storage->mutex);
    if (put == NULL)
        return OK;
    use.put = put;
    return commit_under_way(storage, put, view_of("", 0));
}
