/* An image's objects: their manifests, the deletions of those that were deleted, and which of them
 * should be listed and cannot. */
#include <stdlib.h>
#include <string.h>

#include "storage/deletion.h"
#include "storage/listing.h"
#include "storage/listing_page.h"
#include "storage/put_record.h"
#include "storage/storage_state.h"

/* The objects of which there is a record here, each in ascending order. */
struct listed {
    struct store_names manifests, deletions;
};

static void listed_free(struct listed *listed) {
    store_names_free(&listed->manifests);
    store_names_free(&listed->deletions);
}

static result list_records(struct storage *storage, const struct image_id *image, const char *after,
                           struct listed *listed) {
    const struct place place = place_image(image);
    TRY(store_list(storage->store, place.key, PLACE_MANIFEST_SUFFIX, after, &listed->manifests));
    return store_list(storage->store, place.key, PLACE_DELETION_SUFFIX, after, &listed->deletions);
}

/* Objects that are known and cannot be listed. */
struct unreadable {
    struct short_id *objects;
    ProtobufCBinaryData *bytes;
    size_t count;
};

static void unreadable_free(struct unreadable *unreadable) {
    free(unreadable->objects);
    free(unreadable->bytes);
}

static result unreadable_init(struct unreadable *unreadable) {
    unreadable->objects = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *unreadable->objects);
    unreadable->bytes = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *unreadable->bytes);
    return unreadable->objects != NULL && unreadable->bytes != NULL
               ? OK
               : FAIL(NO_MEMORY, "no memory for a page");
}

/* Where there are more than can be said, readers know enough. */
static void unreadable_add(struct unreadable *unreadable, const struct short_id *object) {
    if (unreadable->count == FORMAT_PAGE_ENTRIES_MAX)
        return;
    struct short_id *place = &unreadable->objects[unreadable->count];
    *place = *object;
    unreadable->bytes[unreadable->count++] =
        format_bytes(view_of(place->bytes, sizeof place->bytes));
}

/* Objects of the image's puts that have neither a manifest nor a deletion: `listed` has all there
 * are. */
static result add_lost(struct storage *storage, const struct image_id *image,
                       const struct listed *listed, struct unreadable *unreadable) {
    AUTO_NAMES struct store_names puts = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &puts));
    for (size_t i = 0; i < puts.count; i++) {
        struct short_id put;
        AUTO_PUT_RECORD struct put_record record = {0};
        if (short_id_parse("a put", puts.names[i], &put) != OK)
            continue;
        TRY(listing_pass_over(
            image->hex, put_record_get(storage->store, place_of_put(image, &put).key, &record)));
        for (size_t o = 0; o < record.object_count; o++)
            if (!deletion_list_has(&listed->manifests, &record.objects[o]) &&
                !(deletion_list_has(&listed->deletions, &record.objects[o]) &&
                  deletion_is_here(storage, image, &record.objects[o])))
                unreadable_add(unreadable, &record.objects[o]);
    }
    return OK;
}

/* The page while the records are walked, both kinds side by side. */
struct walk {
    struct storage *storage;
    const struct image_id *image;
    struct listed listed;
    size_t manifest, deletion; /* of the names */
    struct listing_page manifests, deletions;
    struct unreadable unreadable;
};

static void walk_clean_up(struct walk *walk) {
    listed_free(&walk->listed);
    listing_page_clean_up(&walk->manifests);
    listing_page_clean_up(&walk->deletions);
    unreadable_free(&walk->unreadable);
}

static bool is_full(struct walk *walk) {
    return listing_page_is_full(&walk->manifests) || listing_page_is_full(&walk->deletions) ||
           walk->manifests.bytes + walk->deletions.bytes >= FORMAT_PAGE_BYTES_TARGET;
}

/* The next name of either list; which of them have it. False at the end of both. */
static bool next_name(struct walk *walk, const char **out_name, bool *out_is_listed,
                      bool *out_is_deleted) {
    const struct store_names *manifests = &walk->listed.manifests;
    const struct store_names *deletions = &walk->listed.deletions;
    const char *listed =
        walk->manifest < manifests->count ? manifests->names[walk->manifest] : NULL;
    const char *deleted =
        walk->deletion < deletions->count ? deletions->names[walk->deletion] : NULL;
    int order = listed == NULL ? 1 : deleted == NULL ? -1 : strcmp(listed, deleted);
    *out_is_listed = listed != NULL && order <= 0;
    *out_is_deleted = deleted != NULL && order >= 0;
    *out_name = *out_is_listed ? listed : deleted;
    return *out_name != NULL;
}

static result add_object(struct walk *walk, const struct short_id *object, bool is_listed,
                         bool is_deleted) {
    Myelin__Signed *record = NULL;
    if (is_deleted) {
        TRY(listing_pass_over(walk->image->hex,
                              deletion_get(walk->storage, walk->image, object, &record)));
        is_deleted = record != NULL;
        if (is_deleted)
            listing_page_add(&walk->deletions, record);
    }
    if (!is_listed)
        return OK;
    record = NULL;
    TRY(listing_pass_over(walk->image->hex,
                          image_manifest(walk->storage, walk->image, object, &record, NULL)));
    if (record != NULL)
        listing_page_add(&walk->manifests, record);
    else if (!is_deleted)
        unreadable_add(&walk->unreadable, object);
    return OK;
}

static result fill(struct walk *walk) {
    const char *name;
    bool is_listed, is_deleted;
    TRY(listing_page_init(&walk->manifests, walk->listed.manifests.count));
    TRY(listing_page_init(&walk->deletions, walk->listed.deletions.count));
    while (next_name(walk, &name, &is_listed, &is_deleted)) {
        struct short_id object;
        if (is_full(walk)) {
            walk->manifests.more = true;
            return OK;
        }
        walk->manifest += is_listed;
        walk->deletion += is_deleted;
        if (short_id_parse("an object", name, &object) == OK)
            TRY(add_object(walk, &object, is_listed, is_deleted));
    }
    return OK;
}

result listing_objects(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, const char *after, struct bytes *out_page) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    __attribute__((cleanup(walk_clean_up))) struct walk walk = {
        .storage = storage,
        .image = image,
        .manifests.free_entry = format_free,
        .deletions.free_entry = format_free,
    };
    struct image_owner owner;
    struct short_id object;
    if (*after != '\0')
        TRY(short_id_parse("an object", after, &object));
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_PEER,
                        &owner));
    TRY(list_records(storage, image, after, &walk.listed));
    TRY(unreadable_init(&walk.unreadable));
    if (*after == '\0')
        TRY(add_lost(storage, image, &walk.listed, &walk.unreadable));
    TRY(fill(&walk));
    Myelin__ManifestPage message = MYELIN__MANIFEST_PAGE__INIT;
    message.manifest = (Myelin__Signed **)walk.manifests.entries;
    message.n_manifest = walk.manifests.count;
    message.deletion = (Myelin__Signed **)walk.deletions.entries;
    message.n_deletion = walk.deletions.count;
    message.more = walk.manifests.more;
    message.n_unreadable = walk.unreadable.count;
    message.unreadable = walk.unreadable.bytes;
    return format_pack(&message, out_page);
}
