/* Publishing: the parts of a decided put move from staging to their image. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/deletion.h"
#include "storage/image.h"
#include "storage/put.h"
#include "storage/storage_state.h"

/* Which slot a put was for; records of the first version leave it to the manifests. */
static result slot_of(struct storage *storage, const struct short_id *put,
                      const struct put_record *record, uint32_t *out_slot) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    AUTO_FORMAT Myelin__Signed *record_of_envelope = NULL;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    *out_slot = record->slot;
    if (record->slot != SLOT_ANY)
        return OK;
    for (size_t i = 0; i < record->object_count; i++) {
        const struct short_id *object = &record->objects[i];
        result got = manifest_get(storage->store,
                                  place_staged_object(put, object, PLACE_MANIFEST_SUFFIX).key, NULL,
                                  &manifest);
        if (got == NOT_FOUND)
            got = image_manifest(storage, &record->image, object, NULL, &manifest);
        if (got == OK)
            return image_slot(storage, manifest->servers, manifest->n_servers, out_slot);
    }
    result got = signed_get(storage->store, place_staged(put, PLACE_ENVELOPE).key, RECORD_ENVELOPE,
                            FORMAT_LIMIT_ENVELOPE, &record_of_envelope);
    if (got == OK)
        got = format_parse_envelope(format_view(record_of_envelope->body), &envelope);
    else
        got = image_envelope(storage, &record->image, NULL, &envelope);
    TRY(got);
    return image_slot(storage, envelope->servers, envelope->n_servers, out_slot);
}

/* What there is to do, in order, with the keys that the steps point to. */
struct plan {
    struct store_step *steps;
    struct place (*keys)[2];
    size_t count;
};

static void plan_free(struct plan *plan) {
    free(plan->steps);
    free(plan->keys);
}

static void add_step(struct plan *plan, enum store_step_kind kind, struct place key,
                     struct place to) {
    struct place *keys = plan->keys[plan->count];
    keys[0] = key;
    keys[1] = to;
    plan->steps[plan->count++] =
        (struct store_step){.kind = kind, .key = keys[0].key, .to = keys[1].key};
}

static bool is_there(struct storage *storage, struct place place) {
    uint64_t bytes;
    return store_size(storage->store, place.key, &bytes) == OK;
}

static result add_owner_mark(struct storage *storage, const struct short_id *put,
                             const struct image_id *image, struct plan *plan) {
    struct image_owner owner;
    result got = image_owner_get(storage->store, place_staged(put, PLACE_OWNER).key, &owner);
    if (got == NOT_FOUND)
        got = image_owner(storage, image, &owner);
    TRY(got);
    struct place mark = place_owner_mark(owner.name, image);
    if (!is_there(storage, mark))
        add_step(plan, STORE_SET, mark, mark);
    return OK;
}

/* Slices before the manifest that names them, the owner after all that is his: an image exists once
 * it has an owner. The put's record is last: while it is in staging, a start does all of this. */
static result make_plan(struct storage *storage, const struct short_id *put,
                        const struct put_record *record, struct plan *plan) {
    static const char *const parts[] = {PLACE_COEFFICIENTS, PLACE_ENVELOPE, PLACE_OWNER};
    const struct image_id *image = &record->image;
    uint32_t slot;
    TRY(slot_of(storage, put, record, &slot));
    plan->steps = calloc(2 * record->object_count + 16, sizeof *plan->steps);
    plan->keys = calloc(2 * record->object_count + 16, sizeof *plan->keys);
    if (plan->steps == NULL || plan->keys == NULL)
        return FAIL(NO_MEMORY, "no memory to publish %zu objects", record->object_count);
    for (size_t i = 0; i < record->object_count; i++) {
        const struct short_id *object = &record->objects[i];
        /* Deleted since it was prepared: its slices go with the staging folder. */
        if (!deletion_is_here(storage, image, object))
            add_step(plan, STORE_MOVE, place_staged_object(put, object, PLACE_SLICES_SUFFIX),
                     place_of_slices(image, object, slot));
        add_step(plan, STORE_MOVE, place_staged_object(put, object, PLACE_MANIFEST_SUFFIX),
                 place_of_object(image, object, PLACE_MANIFEST_SUFFIX));
    }
    add_step(plan, STORE_MOVE, place_staged(put, PLACE_SYMBOL), place_of_symbol(image, slot));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_step(plan, STORE_MOVE, place_staged(put, parts[i]), place_of_image(image, parts[i]));
    if (record->creates)
        TRY(add_owner_mark(storage, put, image, plan));
    add_step(plan, STORE_MOVE, place_staged_put(put), place_of_put(image, put));
    add_step(plan, STORE_DROP, place_staging(put), place_staging(put));
    return OK;
}

/* A part that is not in staging any more has been moved by an earlier attempt. */
static result do_step(struct storage *storage, const struct store_step *step) {
    if (step->kind == STORE_SET)
        return store_replace(storage->store, step->key, step->value);
    if (step->kind == STORE_MOVE) {
        result moved = store_publish(storage->store, step->key, step->to);
        return moved == NOT_FOUND ? OK : moved;
    }
    if (store_delete_all(storage->store, step->key) != OK)
        log_event(LOG_WARNING, "staging", "%s not removed: %s", step->key, error_text());
    return OK;
}

/* All parts are durable in their places before the put's record leaves staging. */
static result do_in_turn(struct storage *storage, const struct put_record *record,
                         const struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        if (i + 2 == plan->count)
            TRY(store_sync_names(storage->store, place_image(&record->image).key));
        TRY(do_step(storage, &plan->steps[i]));
    }
    return OK;
}

/* What a put changes in the counters, looked at before it is published. */
struct news {
    bool image, put;
};

static struct news look_for_news(struct storage *storage, const struct short_id *put,
                                 const struct put_record *record) {
    return (struct news){
        .image = record->creates && is_there(storage, place_staged(put, PLACE_OWNER)) &&
                 !is_there(storage, place_of_image(&record->image, PLACE_OWNER)),
        .put = !is_there(storage, place_of_put(&record->image, put)),
    };
}

static void note_published(struct storage *storage, const struct short_id *put,
                           const struct put_record *record, struct news news) {
    if (news.image)
        atomic_fetch_add(&storage->counters.images, 1);
    if (news.put)
        atomic_fetch_add(&storage->counters.symbol_bytes, deletion_bytes_left(storage, record));
    atomic_fetch_add(&storage->counters.committed, 1);
    log_event(LOG_INFO, "committed", "put=%s image=%s objects=%zu bytes=%llu", put->hex,
              record->image.hex, record->object_count, (unsigned long long)record->symbol_bytes);
}

result put_publish(struct storage *storage, const struct short_id *put,
                   const struct put_record *record) {
    __attribute__((cleanup(plan_free))) struct plan plan = {0};
    struct news news = look_for_news(storage, put, record);
    TRY(make_plan(storage, put, record, &plan));
    TRY(do_in_turn(storage, record, &plan));
    note_published(storage, put, record, news);
    return OK;
}

result put_publish_at_once(struct storage *storage, const struct short_id *put,
                           const struct put_record *record, enum store_extent *out_extent) {
    __attribute__((cleanup(plan_free))) struct plan plan = {0};
    AUTO_BYTES struct bytes decision = {0};
    struct place staged = place_staged_put(put);
    *out_extent = STORE_NOTHING;
    struct news news = look_for_news(storage, put, record);
    TRY(make_plan(storage, put, record, &plan));
    TRY(put_record_wrap(record, &decision));
    add_step(&plan, STORE_SET, staged, staged);
    plan.steps[plan.count - 1].value = bytes_view(&decision);
    TRY(store_change(storage->store, plan.steps, plan.count, out_extent));
    if (*out_extent == STORE_DONE)
        note_published(storage, put, record, news);
    return OK;
}
