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

result removal_check_newer(struct storage *storage, const struct image_id *image,
                           const struct image_owner *owner, uint64_t ms) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Removal *removal = NULL, *opened = NULL;
    result got = removal_get(storage, image, owner->name, &record, &removal);
    if (got == NOT_FOUND)
        return OK;
    TRY(got);
    if (owner->verifies && format_open_removal(record, owner->identity, &opened) != OK)
        return OK;
    if (ms <= removal->serial_ms)
        return FAIL(CONFLICT, "%s: image %s was removed by its owner", storage->server, image->hex);
    return OK;
}

void removals_free(struct removals *removals) {
    for (size_t i = 0; i < removals->count; i++)
        format_free(removals->records[i]);
    removals->count = 0;
}

/* An image has at most a few removals: one for each owner who ever claimed it. */
result removals_get(struct storage *storage, const struct image_id *image,
                    struct removals *out_removals) {
    AUTO_NAMES struct store_names names = {0};
    AUTO_REMOVALS struct removals found = {0};
    char prefix[sizeof "removed/00"], first[sizeof image->hex + 1], claim[FORMAT_NAME_MAX + 1];
    TRY(removal_claim(storage, image, claim));
    bool is_owed =
        claim[0] != '\0'; /* that of whose the image was, however many strangers say it */
    snprintf(prefix, sizeof prefix, "removed/%.2s", image->hex);
    snprintf(first, sizeof first, "%s.", image->hex);
    TRY(store_list(storage->store, prefix, "", first, &names));
    for (size_t i = 0; i < names.count && strncmp(names.names[i], first, sizeof first - 1) == 0;
         i++) {
        const char *owner = names.names[i] + sizeof first - 1;
        AUTO_FORMAT Myelin__Removal *removal = NULL;
        bool is_claimed = strcmp(owner, claim) == 0;
        is_owed = is_owed && !is_claimed;
        if (found.count + is_owed >= FORMAT_REMOVALS_MAX || !format_is_name(owner) ||
            removal_get(storage, image, owner, &found.records[found.count], &removal) != OK)
            continue;
        memcpy(found.owners[found.count++], owner, strlen(owner) + 1);
    }
    *out_removals = found;
    found.count = 0;
    return OK;
}

static result removal_of_anyone(struct storage *storage, const struct image_id *image,
                                Myelin__Signed **out_removal) {
    AUTO_REMOVALS struct removals found = {0};
    TRY(removals_get(storage, image, &found));
    if (found.count == 0)
        return FAIL(NOT_FOUND, "%s has no image %s", storage->server, image->hex);
    *out_removal = found.records[0];
    found.records[0] = NULL;
    return OK;
}

/* ------------------------------------------------------------------ claims */

static const char claim_kind[] = "claim";

result removal_claim(struct storage *storage, const struct image_id *image,
                     char out_owner[FORMAT_NAME_MAX + 1]) {
    AUTO_BYTES struct bytes body = {0};
    memset(out_owner, 0, FORMAT_NAME_MAX + 1);
    result got =
        record_get(storage->store, place_claim(image).key, claim_kind, FORMAT_NAME_MAX, &body);
    if (got == NOT_FOUND || got == INTEGRITY) /* a damaged one is mended from other servers' */
        return OK;
    TRY(got);
    memcpy(out_owner, body.data, body.len);
    if (!format_is_name(out_owner))
        out_owner[0] = '\0';
    return OK;
}

result removal_set_claim(struct storage *storage, const struct image_id *image, const char *owner) {
    return record_replace(storage->store, place_claim(image).key, claim_kind,
                          view_of_string(owner));
}

result removal_check_claim(struct storage *storage, const struct image_id *image,
                           const char *owner) {
    char claim[FORMAT_NAME_MAX + 1];
    TRY(removal_claim(storage, image, claim));
    if (claim[0] == '\0' || strcmp(claim, owner) == 0)
        return OK;
    return FAIL(DENIED, "%s: image %s was removed by another owner, who alone may put it again",
                storage->server, image->hex);
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

result removal_drop_image(struct storage *storage, const struct image_id *image,
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
static result check_image(struct storage *storage, const char *signer, const struct image_id *image,
                          uint64_t serial_ms, bool *out_there) {
    struct image_owner owner;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    result got = image_owner(storage, image, &owner);
    *out_there = got == OK;
    if (got == NOT_FOUND)
        return OK;
    TRY(got);
    if (strcmp(owner.name, signer) != 0)
        return FAIL(DENIED, "%s: image %s is not of %s", storage->server, image->hex, signer);
    got = image_envelope(storage, image, NULL, &envelope);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK; /* damaged: its owner may still remove it */
    TRY(got);
    return envelope->created_ms <= serial_ms
               ? OK
               : FAIL(CONFLICT, "image %s is newer than the removal", image->hex);
}

/* Who signed a removal. */
struct remover {
    const char *name;
    const uint8_t *identity;
    struct view certificate;
};

/* DENIED where the name was another key's here before, of this image's owner or of whoever removed
 * one: a certificate for a name that is taken removes nothing, and leaves no removal behind that
 * would stand in the way of the name's owner. */
static result check_signer(struct storage *storage, const struct image_id *image,
                           const struct remover *remover) {
    struct image_owner known;
    result got = image_owner(storage, image, &known);
    if (got != OK || !known.verifies || strcmp(known.name, remover->name) != 0)
        got = image_owner_get(storage->store, place_of_user(remover->name).key, &known);
    bool is_other = got == OK && memcmp(known.identity, remover->identity, SIGN_PUBLIC_BYTES) != 0;
    return is_other ? FAIL(DENIED, "%s: %s is known here by another identity key", storage->server,
                           remover->name)
                    : OK;
}

static result check_newer_by(struct storage *storage, const struct image_id *image,
                             const struct remover *remover, uint64_t ms) {
    struct image_owner owner = {.verifies = true};
    memcpy(owner.name, remover->name, strlen(remover->name) + 1);
    memcpy(owner.identity, remover->identity, SIGN_PUBLIC_BYTES);
    return removal_check_newer(storage, image, &owner, ms);
}

/* For other servers, which will want to know by whose key a removal verifies. As durable as it. */
static result keep_certificate(struct storage *storage, const struct remover *remover) {
    struct place place = place_of_user(remover->name);
    struct image_owner known;
    result got = image_owner_get(storage->store, place.key, &known);
    if (got == OK && memcmp(known.identity, remover->identity, SIGN_PUBLIC_BYTES) == 0)
        return OK;
    if (got != OK && got != NOT_FOUND && got != INTEGRITY)
        return got;
    const struct storage_caller owner = {
        .name = remover->name, .identity = remover->identity, .certificate = remover->certificate};
    return image_owner_replace(storage->store, place.key, &owner);
}

static result open_removal(const struct remover *remover, const struct image_id *image,
                           const Myelin__Signed *record, Myelin__Removal **out_removal) {
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    struct image_id of_tau;
    TRY(format_open_removal(record, remover->identity, &removal));
    image_id_of_tau(format_view(removal->tau), &of_tau);
    if (!image_id_equal(image, &of_tau) || strcmp(removal->owner, remover->name) != 0)
        return FAIL(INVALID, "the removal is of another image or owner");
    *out_removal = removal;
    removal = NULL;
    return OK;
}

/* What was being mended of an image that is removed: it was not there yet, and will not be. */
static result drop_unfinished(struct storage *storage, const struct image_id *image,
                              const Myelin__Removal *removal) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    uint64_t bytes;
    if (store_size(storage->store, place_of_image(image, PLACE_OWNER).key, &bytes) != NOT_FOUND ||
        image_envelope(storage, image, NULL, &envelope) != OK ||
        strcmp(envelope->owner, removal->owner) != 0 || envelope->created_ms > removal->serial_ms)
        return OK;
    return store_delete_all(storage->store, place_image(image).key);
}

/* Under the image's write lock; `there`: the image is, and it goes. */
static result apply_removal(struct storage *storage, const struct remover *remover,
                            const struct image_id *image, const Myelin__Signed *record,
                            bool there) {
    TRY(keep_certificate(storage, remover));
    if (there) /* before the removal, which a restart finishes */
        TRY(removal_set_claim(storage, image, remover->name));
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(record, &wire));
    TRY(record_replace(storage->store, place_removal(image, remover->name).key, RECORD_REMOVAL,
                       bytes_view(&wire)));
    /* Of an image that is not there anybody may say that he removed his: that ends no other's put.
     */
    give_up_puts(storage, image, there ? NULL : remover->name);
    return there ? removal_drop_image(storage, image, remover->name) : OK;
}

result removal_take(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    const struct remover remover = {caller->name, caller->identity, caller->certificate};
    bool there;
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users remove images");
    TRY(format_parse_signed(body, &record));
    TRY(open_removal(&remover, image, record, &removal));
    image_lock_write(storage, image, &lock);
    TRY(put_finish_decided(storage, image));
    TRY(check_signer(storage, image, &remover));
    TRY(check_image(storage, caller->name, image, removal->serial_ms, &there));
    TRY(drop_unfinished(storage, image, removal));
    result older = check_newer_by(storage, image, &remover, removal->serial_ms);
    if (older == CONFLICT && !there)
        return OK; /* a removal as new as this one is here */
    if (older != OK && older != INTEGRITY)
        return older;
    return apply_removal(storage, &remover, image, record, there);
}

result removal_adopt(struct storage *storage, const struct image_owner *signer,
                     struct view certificate, const struct image_id *image,
                     const Myelin__Signed *record, bool *out_taken) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    const struct remover remover = {signer->name, signer->identity, certificate};
    bool there;
    *out_taken = false;
    TRY(open_removal(&remover, image, record, &removal));
    image_lock_write(storage, image, &lock);
    TRY(put_finish_decided(storage, image));
    if (check_signer(storage, image, &remover) != OK)
        return error_at(INVALID, "the removal");
    result checked = check_image(storage, signer->name, image, removal->serial_ms, &there);
    if (checked != OK && checked != DENIED && checked != CONFLICT)
        return checked;
    there = there && checked == OK;
    TRY(drop_unfinished(storage, image, removal));
    result older = check_newer_by(storage, image, &remover, removal->serial_ms);
    if (older == CONFLICT && !there)
        return OK;
    if (older != OK && older != INTEGRITY && older != CONFLICT)
        return older;
    *out_taken = true;
    return apply_removal(storage, &remover, image, record, there);
}

/* ------------------------------------------------------------------ the start */

static result finish_removal(struct storage *storage, const char *name) {
    char hex[2 * DIGEST_BYTES + 1] = "";
    struct image_id image;
    struct image_owner owner;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
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
        removal_check_newer(storage, &image, &owner, envelope->created_ms) != CONFLICT)
        return OK;
    log_event(LOG_INFO, "recover", "image=%s removal finished", image.hex);
    return removal_drop_image(storage, &image, owner.name);
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
