/* Records that are missing here, staged and moved into the image: what an image needs to be read
 * comes first, its owner last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"
#include "storage/deletion.h"
#include "storage/marks.h"
#include "storage/mend_private.h"
#include "storage/put_record.h"
#include "storage/record.h"

static result stage(struct mending *m, const char *name, const char *kind, struct view body,
                    struct place *out_staged) {
    *out_staged = place_of_mending(m->image, name);
    TRY(record_put(m->storage->store, out_staged->key, kind, body));
    return store_sync(m->storage->store, place_mending(m->image).key);
}

result mend_publish_signed(struct mending *m, const char *name, const char *kind,
                           const Myelin__Signed *record) {
    AUTO_BYTES struct bytes body = {0};
    struct place staged;
    TRY(format_pack(record, &body));
    TRY(stage(m, name, kind, bytes_view(&body), &staged));
    return mend_publish(m, staged.key, place_of_image(m->image, name).key);
}

static result fetch_coefficients(struct mending *m, struct bytes *out_coefficients) {
    char path[MEND_PATH_BYTES];
    const size_t len = m->envelope->n_servers * m->envelope->k * FORMAT_SCALAR_BYTES;
    snprintf(path, sizeof path, "/v1/images/%s/coefficients", m->image->hex);
    result got = FAIL(QUORUM, "nobody else has the coefficients of the envelope");
    for (unsigned i = 0; got != OK && i < m->servers; i++) {
        TRY(mend_go_on(m));
        if (m->states[i] == NULL || m->states[i]->envelope == NULL)
            continue;
        out_coefficients->len = 0;
        got = peers_call(m->group, i, "GET", path, 0, len, out_coefficients);
        if (got == OK &&
            (got = format_check_coefficients(m->envelope, bytes_view(out_coefficients))) != OK)
            mend_lied(m, i);
    }
    return got;
}

/* What the envelope comes with, and the envelope. */
result mend_publish_envelope(struct mending *m) {
    AUTO_BYTES struct bytes coefficients = {0};
    result got = OK;
    if (m->envelope->coefficients_hash.len > 0) {
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        TRY(image_lock_read(m->storage, m->image, &lock));
        got = image_coefficients(m->storage, m->image, m->envelope, &coefficients);
    }
    if (got != OK) {
        struct place staged;
        TRY(fetch_coefficients(m, &coefficients));
        TRY(stage(m, PLACE_COEFFICIENTS, RECORD_COEFFICIENTS, bytes_view(&coefficients), &staged));
        TRY(mend_publish(m, staged.key, place_of_image(m->image, PLACE_COEFFICIENTS).key));
        m->report->mended++;
    }
    if (m->is_here)
        return OK;
    return mend_publish_signed(m, PLACE_ENVELOPE, RECORD_ENVELOPE, m->record);
}

result mend_publish_manifest(struct mending *m, struct mend_object *object) {
    char name[2 * FORMAT_ID_BYTES + sizeof PLACE_MANIFEST_SUFFIX];
    if (object->is_here)
        return OK;
    snprintf(name, sizeof name, "%s" PLACE_MANIFEST_SUFFIX, object->id.hex);
    TRY(mend_publish_signed(m, name, RECORD_MANIFEST, object->record));
    object->is_here = true;
    m->report->mended++;
    return OK;
}

/* The image is there once this is. */
result mend_publish_owner(struct mending *m) {
    const struct storage_caller owner = {.name = m->owner.name,
                                         .identity = m->owner.identity,
                                         .certificate = bytes_view(&m->certificate)};
    struct place staged = place_of_mending(m->image, PLACE_OWNER);
    unsigned missing = 0;
    if (!m->is_here) {
        struct place there = place_of_image(m->image, PLACE_OWNER);
        uint64_t size;
        bool is_new = store_size(m->storage->store, there.key, &size) != OK;
        TRY(image_owner_put(m->storage->store, staged.key, &owner));
        TRY(store_sync(m->storage->store, place_mending(m->image).key));
        TRY(mend_publish(m, staged.key, there.key));
        atomic_fetch_add(&m->storage->counters.images, is_new);
        m->report->mended++;
        m->is_here = true;
    }
    return marks_owner(m->storage, m->image, m->owner.name, &missing);
}

static result make_put_record(struct mending *m, const struct mend_put *put,
                              struct put_record *record) {
    record->creates = mend_creates(m, put);
    record->slot = m->slot_count > 0 ? m->slots[0] : SLOT_ANY;
    record->image = *m->image;
    memcpy(record->contents, put->contents, DIGEST_BYTES);
    record->prepared_ms = m->storage->now_ms();
    memcpy(record->caller, m->owner.name, sizeof record->caller);
    record->objects = calloc(m->object_count + 1, sizeof *record->objects);
    if (record->objects == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", m->object_count);
    for (size_t i = 0; i < m->object_count; i++) {
        struct format_layout layout;
        if (!short_id_equal(&m->objects[i].put, &put->id))
            continue;
        format_layout_of(m->objects[i].manifest, &layout);
        record->objects[record->object_count++] = m->objects[i].id;
        record->sealed_bytes += layout.sealed_bytes;
        record->symbol_bytes += layout.symbol_bytes;
    }
    return bytes_append(&record->commit, bytes_view(&put->commit));
}

result mend_publish_puts(struct mending *m) {
    for (size_t i = 0; i < m->put_count; i++) {
        AUTO_PUT_RECORD struct put_record record = {0};
        struct mend_put *put = &m->puts[i];
        if (put->is_here || !put->is_committed)
            continue;
        struct place staged = place_of_mending(m->image, put->id.hex);
        TRY(make_put_record(m, put, &record));
        TRY(put_record_put(m->storage->store, staged.key, &record));
        TRY(store_sync(m->storage->store, place_mending(m->image).key));
        TRY(mend_publish(m, staged.key, place_of_put(m->image, &put->id).key));
        atomic_fetch_add(&m->storage->counters.symbol_bytes,
                         deletion_bytes_left(m->storage, &record));
        put->is_here = true;
        m->report->mended++;
    }
    return OK;
}
