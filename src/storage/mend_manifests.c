/* Manifests of an image that is being mended: those that verify, from here and from others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"
#include "storage/mend_private.h"
#include "storage/removal.h"

/* A put that was given up may have left a manifest of an object that another put brought. */
static bool has_manifest(const struct mending *m, const struct short_id *id,
                         const struct short_id *put) {
    for (size_t i = 0; i < m->object_count; i++)
        if (short_id_equal(&m->objects[i].id, id) && short_id_equal(&m->objects[i].put, put))
            return true;
    return false;
}

static result room_for_object(struct mending *m) {
    if (m->object_count < m->object_capacity)
        return OK;
    if (m->object_count >= FORMAT_CHECKED_MAX)
        return FAIL(INTEGRITY, "image %s has more than %d objects", m->image->hex,
                    FORMAT_CHECKED_MAX);
    size_t capacity = m->object_capacity == 0 ? 64 : 2 * m->object_capacity;
    struct mend_object *grown = reallocarray(m->objects, capacity, sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", capacity);
    m->objects = grown;
    m->object_capacity = capacity;
    return OK;
}

/* Of the image as it was before it was removed and put again. */
static bool is_outdated(const struct mending *m, const Myelin__Manifest *manifest) {
    return !view_equal(format_view(manifest->put), format_view(m->envelope->put)) &&
           manifest->created_ms <= m->envelope->created_ms;
}

/* Takes a manifest that verifies over, `record` with it; one that is known already stays. */
static result add_manifest(struct mending *m, Myelin__Signed **record, bool is_here) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    struct mend_object object = {.is_here = is_here};
    struct image_id image;
    TRY(format_open_manifest(*record, m->owner.identity, &manifest));
    image_id_of_tau(format_view(manifest->tau), &image);
    if (strcmp(manifest->owner, m->owner.name) != 0 || !image_id_equal(&image, m->image))
        return FAIL(INTEGRITY, "a manifest of another image or owner");
    TRY(short_id_from(format_view(manifest->object), &object.id));
    TRY(short_id_from(format_view(manifest->put), &object.put));
    if (is_outdated(m, manifest) || has_manifest(m, &object.id, &object.put) ||
        removal_check_newer(m->storage, m->image, &m->owner, manifest->created_ms) != OK)
        return OK;
    TRY(room_for_object(m));
    object.record = *record;
    object.manifest = manifest;
    *record = NULL;
    manifest = NULL;
    m->objects[m->object_count++] = object;
    return OK;
}

result mend_own_manifests(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names names = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_MANIFEST_SUFFIX, "",
                   &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) != OK ||
            image_manifest(m->storage, m->image, &object, &record, NULL) != OK)
            continue;
        result added = add_manifest(m, &record, true);
        if (added == NO_MEMORY)
            return added;
    }
    return OK;
}

static result copy_signed(const Myelin__Signed *record, Myelin__Signed **out_copy) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(record, &wire));
    return format_parse_signed(bytes_view(&wire), out_copy);
}

/* Records in ascending order behind `last`, which becomes the last one. */
static result follow(struct short_id *last, ProtobufCBinaryData object) {
    struct short_id id;
    TRY(short_id_from(format_view(object), &id));
    if (strcmp(id.hex, last->hex) <= 0)
        return FAIL(PROTOCOL, "objects out of order");
    *last = id;
    return OK;
}

result mend_end_of_page(const Myelin__ManifestPage *page, struct short_id *last) {
    struct short_id manifests = *last, deletions = *last;
    for (size_t i = 0; i < page->n_manifest; i++) {
        AUTO_FORMAT Myelin__Manifest *manifest = NULL;
        TRY(format_parse_manifest(format_view(page->manifest[i]->body), &manifest));
        TRY(follow(&manifests, manifest->object));
    }
    for (size_t i = 0; i < page->n_deletion; i++) {
        AUTO_FORMAT Myelin__Deletion *deletion = NULL;
        TRY(format_parse_deletion(format_view(page->deletion[i]->body), &deletion));
        TRY(follow(&deletions, deletion->object));
    }
    *last = strcmp(manifests.hex, deletions.hex) > 0 ? manifests : deletions;
    return OK;
}

static result add_page(struct mending *m, const Myelin__ManifestPage *page) {
    for (size_t i = 0; i < page->n_manifest; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        TRY(copy_signed(page->manifest[i], &record));
        TRY(add_manifest(m, &record, false));
    }
    for (size_t i = 0; i < page->n_deletion; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        TRY(copy_signed(page->deletion[i], &record));
        TRY(mend_add_deletion(m, &record, false));
    }
    return OK;
}

result mend_server_manifests(struct mending *m, unsigned server) {
    struct short_id last = {.hex = ""};
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ManifestPage *page = NULL;
        TRY(mend_ask_page(m, server, "objects", last.hex, &wire));
        TRY(format_parse_manifest_page(bytes_view(&wire), &page));
        TRY(mend_end_of_page(page, &last));
        TRY(add_page(m, page));
        more = page->more;
    }
    return OK;
}
