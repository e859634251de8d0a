/* Prepare: what was uploaded is what the owner signed, and all of it is on disk. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/hash.h"
#include "format/symbol.h"
#include "storage/deletion.h"
#include "storage/draw.h"
#include "storage/image.h"
#include "storage/put.h"
#include "storage/put_table.h"
#include "storage/record.h"
#include "storage/removal.h"

/* All that one prepare works with. */
struct preparation {
    struct storage *storage;
    const struct storage_caller *caller;
    struct put *put;
    const Myelin__PreparePut *message;
    struct image_owner owner;     /* of the image: the caller himself where the put creates it */
    const Myelin__Symbol *symbol; /* of the envelope: the message's, or what was drawn; or NULL */
    struct put_record record;     /* what will be kept of the put */
    struct short_id *ids;         /* of the objects, in the order of the message's manifests */
    bool is_elsewhere;            /* its slot is another server's now */
};

static void preparation_clean_up(struct preparation *preparation) {
    free(preparation->ids);
    put_record_clean_up(&preparation->record);
}

static bool is_id(ProtobufCBinaryData field, const struct short_id *id) {
    return view_equal(format_view(field), view_of(id->bytes, sizeof id->bytes));
}

/* Who signed: the owner as this server knows him; where it does not, the caller. */
static result find_owner(struct preparation *p) {
    result got = image_owner(p->storage, &p->put->image, &p->owner);
    bool creates = got == NOT_FOUND && p->put->creates;
    if (got != OK && !creates)
        return got;
    if (creates) {
        TRY(removal_check_claim(p->storage, &p->put->image, p->caller->name));
        p->owner = (struct image_owner){.verifies = true};
        memcpy(p->owner.name, p->caller->name, strlen(p->caller->name) + 1);
        memcpy(p->owner.identity, p->caller->identity, SIGN_PUBLIC_BYTES);
    } else if (!p->owner.verifies) {
        if (strcmp(p->owner.name, p->caller->name) != 0)
            return FAIL(INTEGRITY, "the owner's record of image %s is damaged; he can repair it",
                        p->put->image.hex);
        memcpy(p->owner.identity, p->caller->identity, SIGN_PUBLIC_BYTES);
    }
    return OK;
}

static result check_common(const struct preparation *p, const char *what, const char *owner,
                           ProtobufCBinaryData tau, ProtobufCBinaryData put) {
    if (strcmp(owner, p->owner.name) != 0 || !is_id(put, &p->put->id) ||
        !view_equal(format_view(tau), format_view(p->message->tau)))
        return FAIL(PROTOCOL, "%s is of another owner, image or put", what);
    return OK;
}

/* ------------------------------------------------------------------ envelope */

/* All records of a put are for one slot, which placement gives this server. */
static result check_slot(struct preparation *p, const char *what, char *const servers[],
                         size_t count, uint32_t *out_slot) {
    int slot = format_slot_of(servers, count, p->storage->server);
    if (slot < 0)
        return FAIL(PROTOCOL, "%s has no slot for %s", what, p->storage->server);
    if (p->record.slot == SLOT_ANY) {
        result own = slots_check_own(p->storage, p->message->tau.data, (uint32_t)slot);
        p->is_elsewhere = own == CONFLICT;
        TRY(own);
    } else if (p->record.slot != (uint32_t)slot) {
        return FAIL(PROTOCOL, "%s is for slot %d, another part of the put for %u", what, slot,
                    p->record.slot);
    }
    p->record.slot = *out_slot = (uint32_t)slot;
    return OK;
}

static result check_symbol(struct preparation *p, const Myelin__Envelope *envelope) {
    const Myelin__Symbol *symbol = p->symbol;
    AUTO_SYMBOL struct codeword_symbol parsed = {0};
    uint8_t hash[DIGEST_BYTES];
    uint32_t slot;
    TRY(check_slot(p, "the envelope", envelope->servers, envelope->n_servers, &slot));
    if (symbol == NULL)
        return FAIL(PROTOCOL, "the envelope came without its symbol");
    if (symbol->slot != slot || symbol->b != 0 || symbol->n_coefficient != envelope->k ||
        !view_equal(format_view(symbol->beta), format_view(envelope->tau)))
        return FAIL(PROTOCOL, "the symbol is not that of %s in the envelope", p->storage->server);
    format_symbol_hash(symbol, hash);
    if (!view_equal(format_view(envelope->symbol_hash[slot]), view_of(hash, sizeof hash)))
        return FAIL(INTEGRITY, "the symbol is not what the envelope says");
    return format_symbol_open(symbol, envelope->k, &parsed);
}

/* A readable envelope that is here must be this very one. */
static result check_envelope_here(const struct preparation *p) {
    AUTO_FORMAT Myelin__Signed *here = NULL;
    result got = image_envelope(p->storage, &p->put->image, &here, NULL);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK;
    TRY(got);
    if (!view_equal(format_view(here->body), format_view(p->message->envelope->body)))
        return FAIL(CONFLICT, "%s has image %s already", p->storage->server, p->put->image.hex);
    return OK;
}

static result check_envelope(struct preparation *p) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    if (!p->put->creates)
        return p->message->envelope == NULL && p->message->symbol == NULL
                   ? OK
                   : FAIL(PROTOCOL, "an envelope that the put did not announce");
    if (p->message->envelope == NULL)
        return FAIL(PROTOCOL, "the envelope is missing");
    TRY(format_open_envelope(p->message->envelope, p->owner.identity, &envelope));
    TRY(check_common(p, "the envelope", envelope->owner, envelope->tau, envelope->put));
    TRY(removal_check_newer(p->storage, &p->put->image, &p->owner, envelope->created_ms));
    TRY(check_symbol(p, envelope));
    if (envelope->coefficients_hash.len > 0)
        TRY(format_check_coefficients(envelope, format_view(p->message->coefficients)));
    else if (p->message->coefficients.len > 0)
        return FAIL(PROTOCOL, "coefficients that the envelope has no hash of");
    return check_envelope_here(p);
}

/* ------------------------------------------------------------------ manifests */

/* What was uploaded against what was signed. */
static result check_upload(struct preparation *p, const Myelin__Manifest *manifest,
                           const struct put_object *object, struct format_layout *out_layout) {
    const char *hex = object->id.hex;
    uint32_t slot;
    result found = check_slot(p, "its manifest", manifest->servers, manifest->n_servers, &slot);
    if (found != OK)
        return error_at(found, "object %s", hex);
    format_layout_of(manifest, out_layout);
    if (object->slot != slot || object->slices != out_layout->segments ||
        object->symbol_bytes != out_layout->symbol_bytes ||
        (out_layout->segments > 1 && object->slice_bytes != out_layout->slice_len))
        return FAIL(PROTOCOL, "object %s: slot or sizes are not those of its manifest", hex);
    if (!view_equal(format_view(manifest->symbol_root[slot]),
                    view_of(object->root, sizeof object->root)))
        return FAIL(INTEGRITY, "object %s: the slices are not those of its manifest", hex);
    return OK;
}

/* A readable manifest that is here must be this very one, of an object that was not deleted. */
static result check_manifest_here(const struct preparation *p, const struct short_id *object,
                                  const Myelin__Signed *record) {
    AUTO_FORMAT Myelin__Signed *here = NULL;
    TRY(deletion_check_none(p->storage, &p->put->image, object));
    result got = image_manifest(p->storage, &p->put->image, object, &here, NULL);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK;
    TRY(got);
    if (!view_equal(format_view(here->body), format_view(record->body)))
        return FAIL(CONFLICT, "%s has object %s already", p->storage->server, object->hex);
    return OK;
}

static result check_manifest(struct preparation *p, size_t index) {
    const Myelin__Signed *record = p->message->manifest[index];
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    struct short_id id;
    struct format_layout layout;
    TRY(format_open_manifest(record, p->owner.identity, &manifest));
    TRY(check_common(p, "a manifest", manifest->owner, manifest->tau, manifest->put));
    TRY(short_id_from(format_view(manifest->object), &id));
    const struct put_object *object = put_find_object(p->put, &id);
    if (object == NULL)
        return FAIL(PROTOCOL, "put %s did not announce object %s", p->put->id.hex, id.hex);
    struct short_id *mine = &p->record.objects[object - p->put->objects];
    if (mine->hex[0] != '\0')
        return FAIL(PROTOCOL, "object %s has two manifests", id.hex);
    p->ids[index] = *mine = id;
    TRY(removal_check_newer(p->storage, &p->put->image, &p->owner, manifest->created_ms));
    TRY(check_upload(p, manifest, object, &layout));
    TRY(check_manifest_here(p, &id, record));
    p->record.sealed_bytes += layout.sealed_bytes;
    p->record.symbol_bytes += layout.symbol_bytes;
    return OK;
}

static result check_manifests(struct preparation *p) {
    const Myelin__PreparePut *message = p->message;
    if (message->n_manifest != p->put->object_count)
        return FAIL(PROTOCOL, "%zu manifests for %zu objects", message->n_manifest,
                    p->put->object_count);
    p->record.objects = calloc(p->put->object_count + 1, sizeof *p->record.objects);
    p->ids = calloc(p->put->object_count + 1, sizeof *p->ids);
    if (p->record.objects == NULL || p->ids == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", p->put->object_count);
    p->record.object_count = p->put->object_count;
    for (size_t i = 0; i < message->n_manifest; i++)
        TRY(check_manifest(p, i));
    return OK;
}

static result check_all(struct preparation *p) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    p->record.slot = SLOT_ANY;
    TRY(image_lock_read(p->storage, &p->put->image, &lock));
    TRY(find_owner(p));
    TRY(check_envelope(p));
    TRY(check_manifests(p));
    p->record.creates = p->put->creates;
    p->record.image = p->put->image;
    memcpy(p->record.caller, p->put->caller, sizeof p->record.caller);
    return format_commit_contents(p->message->envelope, p->message->manifest,
                                  p->message->n_manifest, p->record.contents);
}

/* ------------------------------------------------------------------ to the disk */

static result write_symbol(const struct preparation *p) {
    AUTO_BYTES struct bytes body = {0};
    TRY(format_pack(p->symbol, &body));
    return record_put(p->storage->store, place_staged(&p->put->id, PLACE_SYMBOL).key, RECORD_SYMBOL,
                      bytes_view(&body));
}

static result write_manifest(const struct preparation *p, size_t index) {
    struct place place = place_staged_object(&p->put->id, &p->ids[index], PLACE_MANIFEST_SUFFIX);
    return signed_put(p->storage->store, place.key, RECORD_MANIFEST, p->message->manifest[index]);
}

/* The record `prepared` says that all else is on disk. */
static result write_all(struct preparation *p) {
    struct store *store = p->storage->store;
    const struct short_id *put = &p->put->id;
    if (p->put->creates) {
        /* A recipient who brings back a lost envelope does not become the owner by it. */
        if (memcmp(p->caller->identity, p->owner.identity, SIGN_PUBLIC_BYTES) == 0)
            TRY(image_owner_put(store, place_staged(put, PLACE_OWNER).key, p->caller));
        TRY(signed_put(store, place_staged(put, PLACE_ENVELOPE).key, RECORD_ENVELOPE,
                       p->message->envelope));
        if (p->message->coefficients.len > 0)
            TRY(record_put(store, place_staged(put, PLACE_COEFFICIENTS).key, RECORD_COEFFICIENTS,
                           format_view(p->message->coefficients)));
        TRY(write_symbol(p));
    }
    for (size_t i = 0; i < p->message->n_manifest; i++)
        TRY(write_manifest(p, i));
    return put_record_seal(store, place_staging(put).key, place_staged(put, PLACE_PREPARED).key,
                           &p->record);
}

/* ------------------------------------------------------------------ the put's state */

/* The owner overrules anybody's put, others only their own. */
static bool may_overrule(const struct put *put, const struct put *other, uint64_t steady_ms) {
    bool is_stale =
        other->state == PUT_PREPARED && steady_ms - other->claimed_ms >= STORAGE_OVERRULE_MS;
    return is_stale && (put->by_owner || strcmp(put->caller, other->caller) == 0);
}

/* Under the mutex: no other put of the image stands in the way. One that does and is stale is
 * given to the caller to release. */
static result check_others(struct storage *storage, const struct put *put,
                           struct put **out_overruled) {
    uint64_t steady_ms = storage->steady_ms();
    *out_overruled = NULL;
    for (struct put *other = storage->puts; other != NULL; other = other->next) {
        if (other == put || other->doomed || other->state == PUT_OPEN ||
            !image_id_equal(&other->image, &put->image))
            continue;
        if (!may_overrule(put, other, steady_ms))
            return FAIL(CONFLICT, "put %s is prepared", other->id.hex);
        *out_overruled = other;
    }
    return OK;
}

/* Under the mutex. */
static result check_claim(struct put *put) {
    if (put->doomed)
        return FAIL(CONFLICT, "put %s was aborted", put->id.hex);
    if (put->state != PUT_OPEN)
        return FAIL(CONFLICT, "put %s is prepared", put->id.hex);
    for (size_t i = 0; i < put->object_count; i++)
        if (put->objects[i].state != OBJECT_UPLOADED)
            return FAIL(PROTOCOL, "object %s was not uploaded", put->objects[i].id.hex);
    return OK;
}

static result claim(struct storage *storage, struct put *put) {
    struct put *overruled = NULL;
    pthread_mutex_lock(&storage->mutex);
    result claimed = check_claim(put);
    if (claimed == OK)
        claimed = check_others(storage, put, &overruled);
    if (claimed == OK) {
        put->state = PUT_PREPARING;
        put->claimed_ms = storage->steady_ms();
        put->prepared_ms = storage->now_ms();
        if (overruled != NULL && put->prepared_ms <= overruled->prepared_ms)
            put->prepared_ms = overruled->prepared_ms + 1; /* the clock went back */
    }
    if (claimed == OK && overruled != NULL) {
        overruled->users++;
        put_doom(storage, overruled);
    }
    pthread_mutex_unlock(&storage->mutex);
    if (claimed == OK && overruled != NULL) {
        log_event(LOG_WARNING, "overruled", "put=%s by=%s image=%s", overruled->id.hex, put->id.hex,
                  put->image.hex);
        put_release(storage, overruled);
    }
    return claimed;
}

/* Ends PREPARING, one way or the other. What no prepare can make good goes at once: a disk that
 * failed, or a slot that is another server's. */
static result settle(struct preparation *p, result prepared) {
    struct put *put = p->put;
    pthread_mutex_lock(&p->storage->mutex);
    if (prepared == IO || p->is_elsewhere)
        put_doom(p->storage, put);
    if (prepared == OK && put->doomed)
        prepared = FAIL(CONFLICT, "put %s was aborted", put->id.hex);
    put->state = prepared == OK ? PUT_PREPARED : PUT_OPEN;
    memcpy(put->contents, p->record.contents, sizeof put->contents);
    pthread_mutex_unlock(&p->storage->mutex);
    if (prepared == OK)
        atomic_fetch_add(&p->storage->counters.prepared, 1);
    return prepared;
}

/* The same prepare once more, whose answer was lost. */
static result prepared_already(struct preparation *p, bool *out_again) {
    pthread_mutex_lock(&p->storage->mutex);
    *out_again = p->put->state == PUT_PREPARED && !p->put->doomed;
    pthread_mutex_unlock(&p->storage->mutex);
    if (!*out_again)
        return OK;
    uint8_t contents[DIGEST_BYTES];
    TRY(format_commit_contents(p->message->envelope, p->message->manifest, p->message->n_manifest,
                               contents));
    if (memcmp(contents, p->put->contents, sizeof contents) != 0)
        return FAIL(CONFLICT, "put %s is prepared with other contents", p->put->id.hex);
    return OK;
}

result put_prepare(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, const struct short_id *put, struct view body) {
    __attribute__((cleanup(preparation_clean_up))) struct preparation p = {.storage = storage,
                                                                           .caller = caller};
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    AUTO_FORMAT Myelin__PreparePut *message = NULL;
    struct image_id of_tau;
    bool again;
    TRY(put_acquire_own(storage, caller, image, put, &use.put));
    TRY(format_parse_prepare_put(body, &message));
    image_id_of_tau(format_view(message->tau), &of_tau);
    if (!image_id_equal(image, &of_tau))
        return FAIL(INVALID, "tau is not of image %s", image->hex);
    p.put = use.put;
    p.message = message;
    TRY(prepared_already(&p, &again));
    if (again)
        return OK;
    TRY(claim(storage, use.put));
    p.symbol = message->symbol;
    if (p.symbol == NULL && use.put->drawn != NULL)
        p.symbol = use.put->drawn->symbol;
    p.record.prepared_ms = use.put->prepared_ms;
    result prepared = check_all(&p);
    if (prepared == OK)
        prepared = write_all(&p);
    return settle(&p, prepared);
}
