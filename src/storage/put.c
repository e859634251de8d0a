/* Begin, abort, and what is known of a put afterwards. */
#include "storage/put.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/deletion.h"
#include "storage/image.h"
#include "storage/put_table.h"
#include "storage/removal.h"

/* ------------------------------------------------------------------ begin */

/* Whether the put is one that was committed here before. */
static bool is_known(struct storage *storage, const struct image_id *image,
                     const struct short_id *put) {
    uint64_t bytes;
    return store_size(storage->store, place_of_put(image, put).key, &bytes) == OK;
}

static result check_envelope_free(struct storage *storage, const struct image_id *image,
                                  const struct short_id *put) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    result got = image_envelope(storage, image, NULL, &envelope);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK; /* to be repaired */
    TRY(got);
    if (view_equal(format_view(envelope->put), view_of(put->bytes, sizeof put->bytes)))
        return OK;
    return FAIL(CONFLICT, "%s has image %s already", storage->server, image->hex);
}

static result check_object_free(struct storage *storage, const struct image_id *image,
                                const struct short_id *put, const struct short_id *object) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    TRY(deletion_check_none(storage, image, object));
    result got = image_manifest(storage, image, object, NULL, &manifest);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK; /* new, or to be repaired */
    TRY(got);
    if (view_equal(format_view(manifest->put), view_of(put->bytes, sizeof put->bytes)))
        return OK;
    return FAIL(CONFLICT, "%s has object %s already", storage->server, object->hex);
}

static result check_begin(struct storage *storage, const struct storage_caller *caller,
                          struct put *draft) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct image_owner owner;
    TRY(image_lock_read(storage, &draft->image, &lock));
    result got = image_owner(storage, &draft->image, &owner);
    draft->by_owner = got != OK || strcmp(owner.name, caller->name) == 0;
    if (got == NOT_FOUND && draft->creates)
        return removal_check_claim(storage, &draft->image, caller->name);
    TRY(got);
    unsigned rights =
        is_known(storage, &draft->image, &draft->id) ? IMAGE_OWNER | IMAGE_RECIPIENT : IMAGE_OWNER;
    TRY(image_authorise_by(storage, caller, &draft->image, rights, &owner));
    if (draft->creates)
        TRY(check_envelope_free(storage, &draft->image, &draft->id));
    for (size_t i = 0; i < draft->object_count; i++)
        TRY(check_object_free(storage, &draft->image, &draft->id, &draft->objects[i].id));
    return OK;
}

static int compare_objects(const void *a, const void *b) {
    return memcmp(((const struct put_object *)a)->id.bytes,
                  ((const struct put_object *)b)->id.bytes, FORMAT_ID_BYTES);
}

static result draft_objects(const Myelin__BeginPut *begin, struct put *draft) {
    draft->objects = calloc(begin->n_object + 1, sizeof *draft->objects);
    if (draft->objects == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", begin->n_object);
    draft->object_count = begin->n_object;
    for (size_t i = 0; i < draft->object_count; i++)
        TRY(short_id_from(format_view(begin->object[i]), &draft->objects[i].id));
    qsort(draft->objects, draft->object_count, sizeof *draft->objects, compare_objects);
    for (size_t i = 1; i < draft->object_count; i++)
        if (compare_objects(&draft->objects[i - 1], &draft->objects[i]) == 0)
            return FAIL(PROTOCOL, "object %s is there twice", draft->objects[i].id.hex);
    return OK;
}

static void draft_clean_up(struct put *draft) {
    free(draft->objects);
}

result put_begin(struct storage *storage, const struct storage_caller *caller,
                 const struct image_id *image, const struct short_id *put, struct view body) {
    __attribute__((cleanup(draft_clean_up))) struct put draft = {.image = *image, .id = *put};
    AUTO_FORMAT Myelin__BeginPut *begin = NULL;
    struct image_id of_tau;
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users put images");
    TRY(format_parse_begin_put(body, &begin));
    image_id_of_tau(format_view(begin->tau), &of_tau);
    if (!image_id_equal(image, &of_tau))
        return FAIL(INVALID, "tau is not of image %s", image->hex);
    memcpy(draft.caller, caller->name, strlen(caller->name) + 1);
    draft.creates = begin->creates;
    draft.touched_ms = storage->steady_ms();
    TRY(draft_objects(begin, &draft));
    TRY(storage_check_space(storage, 0));
    result checked = check_begin(storage, caller, &draft);
    if (checked == DENIED && draft.creates)
        storage_doubt(storage, image);
    TRY(checked);
    return put_table_add(storage, &draft);
}

/* ------------------------------------------------------------------ afterwards */

result put_read_commit(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, const struct short_id *put,
                       struct bytes *out_commit) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_PUT_RECORD struct put_record record = {0};
    struct image_owner owner;
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_PEER,
                        &owner));
    result got = put_record_get(storage->store, place_of_put(image, put).key, &record);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "%s has no commit of put %s", storage->server, put->hex);
    TRY(got);
    return bytes_append(out_commit, bytes_view(&record.commit));
}

result put_abort(struct storage *storage, const struct storage_caller *caller,
                 const struct image_id *image, const struct short_id *put) {
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    result got = put_acquire_own(storage, caller, image, put, &use.put);
    if (got == NOT_FOUND && is_known(storage, image, put))
        return FAIL(CONFLICT, "put %s is committed", put->hex);
    TRY(got);
    put_give_up(storage, use.put);
    if (!use.put->doomed)
        return FAIL(CONFLICT, "put %s is committed", put->hex);
    log_event(LOG_INFO, "aborted", "put=%s image=%s user=%s", put->hex, image->hex, caller->name);
    return OK;
}
