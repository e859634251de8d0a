#include "storage/removal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/image.h"
#include "storage/put.h"
#include "storage/put_table.h"
#include "storage/record.h"

static result removal_get(struct storage *storage, const struct image_id *image, const char *owner,
                          Myelin__Signed **out_signed, Myelin__Removal **out_removal) {
    struct place place = place_removal(image, owner);
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(signed_get(storage->store, place.key, RECORD_REMOVAL, FORMAT_LIMIT_REMOVAL, &record));
    if (format_parse_removal(format_view(record->body), out_removal) != OK)
        return error_at(INTEGRITY, "%s", place.key);
    if (out_signed != NULL) {
        *out_signed = record;
        record = NULL;
    }
    return OK;
}

result removal_check_newer(struct storage *storage, const struct image_id *image, const char *owner,
                           uint64_t ms) {
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    result got = removal_get(storage, image, owner, NULL, &removal);
    if (got == NOT_FOUND)
        return OK;
    TRY(got);
    if (ms <= removal->serial_ms)
        return FAIL(CONFLICT, "%s: image %s was removed by its owner", storage->server, image->hex);
    return OK;
}

/* An image has at most a few removals: one for each owner who ever claimed it. */
static result removal_of_anyone(struct storage *storage, const struct image_id *image,
                                Myelin__Signed **out_removal) {
    AUTO_NAMES struct store_names names = {0};
    char prefix[sizeof "removed/00"], first[sizeof image->hex + 1];
    snprintf(prefix, sizeof prefix, "removed/%.2s", image->hex);
    snprintf(first, sizeof first, "%s.", image->hex);
    TRY(store_list(storage->store, prefix, "", first, &names));
    for (size_t i = 0; i < names.count && strncmp(names.names[i], first, sizeof first - 1) == 0;
         i++) {
        const char *owner = names.names[i] + sizeof first - 1;
        AUTO_FORMAT Myelin__Removal *removal = NULL;
        if (format_is_name(owner) &&
            removal_get(storage, image, owner, out_removal, &removal) == OK)
            return OK;
    }
    return FAIL(NOT_FOUND, "%s has no image %s", storage->server, image->hex);
}

result removal_for(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, Myelin__Signed **out_removal) {
    if (caller->role == STORAGE_ROLE_KEY_SERVER)
        return removal_of_anyone(storage, image, out_removal);
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    result got = caller->role == STORAGE_ROLE_USER
                     ? removal_get(storage, image, caller->name, out_removal, &removal)
                     : NOT_FOUND;
    return got == NOT_FOUND ? FAIL(NOT_FOUND, "%s has no image %s", storage->server, image->hex)
                            : got;
}

/* ------------------------------------------------------------------ taking a removal */

static void remove_marks(struct storage *storage, const struct image_id *image, const char *owner) {
    AUTO_NAMES struct store_names users = {0};
    result removed = store_delete(storage->store, place_owner_mark(owner, image).key);
    if (removed == OK)
        removed =
            store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, "", &users);
    for (size_t i = 0; removed == OK && i < users.count; i++)
        if (format_is_name(users.names[i]))
            removed = store_delete(storage->store, place_recipient_mark(users.names[i], image).key);
    if (removed != OK) /* a mark without its image does no harm */
        log_event(LOG_WARNING, "removal", "image=%s marks left: %s", image->hex, error_text());
}

/* Out of sight in one step, then piece by piece. Under the image's write lock. */
static result remove_image(struct storage *storage, const struct image_id *image,
                           const char *owner) {
    struct image_totals totals = {0};
    char shard[STORE_KEY_BYTES];
    struct place place = place_image(image), gone = place_gone(image);
    if (image_totals(storage, image, &totals) == OK)
        atomic_fetch_sub(&storage->counters.symbol_bytes, totals.symbol_bytes);
    TRY(store_delete_all(storage->store, gone.key));
    remove_marks(storage, image, owner);
    TRY(store_publish_all(storage->store, place.key, gone.key));
    atomic_fetch_sub(&storage->counters.images, 1);
    memcpy(shard, place.key, sizeof shard);
    *strrchr(shard, '/') = '\0';
    TRY(store_sync_names(storage->store, shard));
    return store_delete_all(storage->store, gone.key);
}

/* Puts of the image: all of them, or `caller`'s alone. */
static void give_up_puts(struct storage *storage, const struct image_id *image,
                         const char *caller) {
    for (;;) {
        pthread_mutex_lock(&storage->mutex);
        struct put *put = storage->puts;
        while (put != NULL && (put->doomed || !image_id_equal(&put->image, image) ||
                               (caller != NULL && strcmp(put->caller, caller) != 0)))
            put = put->next;
        if (put != NULL) {
            put->users++;
            put_doom(storage, put);
        }
        pthread_mutex_unlock(&storage->mutex);
        if (put == NULL)
            return;
        put_release(storage, put);
    }
}

/* `out_there`: the image is, and is no newer than `serial_ms`. */
static result check_image(struct storage *storage, const struct storage_caller *caller,
                          const struct image_id *image, uint64_t serial_ms, bool *out_there) {
    struct image_owner owner;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    result got = image_owner(storage, image, &owner);
    *out_there = got == OK;
    if (got == NOT_FOUND)
        return OK;
    TRY(got);
    if (strcmp(owner.name, caller->name) != 0)
        return FAIL(DENIED, "%s: image %s is not of %s", storage->server, image->hex, caller->name);
    got = image_envelope(storage, image, NULL, &envelope);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK; /* damaged: its owner may still remove it */
    TRY(got);
    return envelope->created_ms <= serial_ms
               ? OK
               : FAIL(CONFLICT, "image %s is newer than the removal", image->hex);
}

result removal_take(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    struct image_id of_tau;
    bool there;
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users remove images");
    TRY(format_parse_signed(body, &record));
    TRY(format_open_removal(record, caller->identity, &removal));
    image_id_of_tau(format_view(removal->tau), &of_tau);
    if (!image_id_equal(image, &of_tau) || strcmp(removal->owner, caller->name) != 0)
        return FAIL(INVALID, "the removal is of another image or owner");
    image_lock_write(storage, image, &lock);
    TRY(put_finish_decided(storage, image));
    TRY(check_image(storage, caller, image, removal->serial_ms, &there));
    result older = removal_check_newer(storage, image, caller->name, removal->serial_ms);
    if (older == CONFLICT && !there)
        return OK; /* a removal as new as this one is here */
    if (older != OK && older != INTEGRITY)
        return older;
    TRY(record_replace(storage->store, place_removal(image, caller->name).key, RECORD_REMOVAL,
                       body));
    /* Of an image that is not there anybody may say that he removed his: that ends no other's put.
     */
    give_up_puts(storage, image, there ? NULL : caller->name);
    return there ? remove_image(storage, image, caller->name) : OK;
}

/* ------------------------------------------------------------------ the start */

static result finish_removal(struct storage *storage, const char *name) {
    char hex[2 * DIGEST_BYTES + 1] = "";
    struct image_id image;
    struct image_owner owner;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    if (strlen(name) <= sizeof hex || name[sizeof hex - 1] != '.')
        return OK;
    memcpy(hex, name, sizeof hex - 1);
    if (image_id_parse(hex, &image) != OK || !format_is_name(name + sizeof hex))
        return OK;
    uint64_t bytes;
    if (store_size(storage->store, place_of_image(&image, PLACE_OWNER).key, &bytes) == NOT_FOUND)
        return OK; /* the usual case */
    if (image_owner(storage, &image, &owner) != OK || strcmp(owner.name, name + sizeof hex) != 0 ||
        image_envelope(storage, &image, NULL, &envelope) != OK ||
        removal_get(storage, &image, owner.name, NULL, &removal) != OK ||
        envelope->created_ms > removal->serial_ms)
        return OK;
    log_event(LOG_INFO, "recover", "image=%s removal finished", image.hex);
    return remove_image(storage, &image, owner.name);
}

result removal_recover(struct storage *storage) {
    AUTO_NAMES struct store_names shards = {0};
    TRY(store_delete_all(storage->store, "gone"));
    TRY(store_list(storage->store, "removed", "", "", &shards));
    for (size_t i = 0; i < shards.count; i++) {
        AUTO_NAMES struct store_names names = {0};
        char prefix[STORE_NAME_BYTES + sizeof "removed/"];
        snprintf(prefix, sizeof prefix, "removed/%s", shards.names[i]);
        TRY(store_list(storage->store, prefix, "", "", &names));
        for (size_t j = 0; j < names.count; j++)
            TRY(finish_removal(storage, names.names[j]));
    }
    return OK;
}
