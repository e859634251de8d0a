#include "storage/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/hash.h"
#include "storage/deletion.h"
#include "storage/forward.h"
#include "storage/put_record.h"
#include "storage/record.h"
#include "storage/removal.h"
#include "storage/storage_state.h"

enum { OWNER_LIMIT = SIGN_PUBLIC_BYTES + 1 + FORMAT_NAME_MAX + FORMAT_CERTIFICATE_MAX };
static const char owner_kind[] = "owner";

/* ------------------------------------------------------------------ records */

result signed_get(struct store *store, const char *key, const char *kind, size_t limit,
                  Myelin__Signed **out_signed) {
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(store, key, kind, limit + 128, &body));
    result parsed = format_parse_signed(bytes_view(&body), out_signed);
    return parsed == PROTOCOL ? FAIL(INTEGRITY, "%s holds no signed record", key) : parsed;
}

result signed_put(struct store *store, const char *key, const char *kind,
                  const Myelin__Signed *record) {
    AUTO_BYTES struct bytes body = {0};
    TRY(format_pack(record, &body));
    return record_put(store, key, kind, bytes_view(&body));
}

static result encode_owner(const struct storage_caller *owner, struct bytes *out_body) {
    uint8_t len = (uint8_t)strlen(owner->name);
    TRY(bytes_append(out_body, view_of(owner->identity, SIGN_PUBLIC_BYTES)));
    TRY(bytes_append(out_body, view_of(&len, 1)));
    TRY(bytes_append(out_body, view_of(owner->name, len)));
    return bytes_append(out_body, owner->certificate);
}

result image_owner_put(struct store *store, const char *key, const struct storage_caller *owner) {
    AUTO_BYTES struct bytes body = {0};
    TRY(encode_owner(owner, &body));
    return record_put(store, key, owner_kind, bytes_view(&body));
}

result image_owner_replace(struct store *store, const char *key,
                           const struct storage_caller *owner) {
    AUTO_BYTES struct bytes body = {0};
    TRY(encode_owner(owner, &body));
    return record_replace(store, key, owner_kind, bytes_view(&body));
}

static result owner_get(struct store *store, const char *key, struct image_owner *out_owner,
                        struct bytes *out_certificate) {
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(store, key, owner_kind, OWNER_LIMIT, &body));
    struct view rest = bytes_view(&body), identity, len, name;
    if (!view_take(&rest, SIGN_PUBLIC_BYTES, &identity) || !view_take(&rest, 1, &len) ||
        len.data[0] > FORMAT_NAME_MAX || !view_take(&rest, len.data[0], &name))
        return FAIL(INTEGRITY, "%s holds no owner", key);
    *out_owner = (struct image_owner){.verifies = true};
    memcpy(out_owner->identity, identity.data, identity.len);
    memcpy(out_owner->name, name.data, name.len);
    if (!format_is_name(out_owner->name))
        return FAIL(INTEGRITY, "%s holds no owner", key);
    return out_certificate == NULL ? OK : bytes_append(out_certificate, rest);
}

result image_owner_get(struct store *store, const char *key, struct image_owner *out_owner) {
    return owner_get(store, key, out_owner, NULL);
}

result image_owner_certificate(struct store *store, const char *key,
                               struct bytes *out_certificate) {
    struct image_owner owner;
    return owner_get(store, key, &owner, out_certificate);
}

result image_envelope(struct storage *storage, const struct image_id *image,
                      Myelin__Signed **out_signed, Myelin__Envelope **out_envelope) {
    struct place place = place_of_image(image, PLACE_ENVELOPE);
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(signed_get(storage->store, place.key, RECORD_ENVELOPE, FORMAT_LIMIT_ENVELOPE, &record));
    if (out_envelope != NULL &&
        format_parse_envelope(format_view(record->body), out_envelope) != OK)
        return error_at(INTEGRITY, "%s", place.key);
    if (out_signed != NULL) {
        *out_signed = record;
        record = NULL;
    }
    return OK;
}

result manifest_get(struct store *store, const char *key, Myelin__Signed **out_signed,
                    Myelin__Manifest **out_manifest) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(signed_get(store, key, RECORD_MANIFEST, FORMAT_LIMIT_MANIFEST, &record));
    if (out_manifest != NULL &&
        format_parse_manifest(format_view(record->body), out_manifest) != OK)
        return error_at(INTEGRITY, "%s", key);
    if (out_signed != NULL) {
        *out_signed = record;
        record = NULL;
    }
    return OK;
}

result image_manifest(struct storage *storage, const struct image_id *image,
                      const struct short_id *object, Myelin__Signed **out_signed,
                      Myelin__Manifest **out_manifest) {
    struct place place = place_of_object(image, object, PLACE_MANIFEST_SUFFIX);
    return manifest_get(storage->store, place.key, out_signed, out_manifest);
}

static result symbol_get(struct storage *storage, const struct image_id *image, uint32_t slot,
                         Myelin__Symbol **out_symbol) {
    struct place place = place_of_symbol(image, slot);
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(storage->store, place.key, RECORD_SYMBOL, FORMAT_LIMIT_SYMBOL, &body));
    return format_parse_symbol(bytes_view(&body), out_symbol) == OK
               ? OK
               : error_at(INTEGRITY, "%s", place.key);
}

result image_symbol_slots(struct storage *storage, const struct image_id *image,
                          uint32_t out_slots[FORMAT_SERVERS_MAX], size_t *out_count) {
    AUTO_NAMES struct store_names names = {0};
    const size_t prefix = strlen(PLACE_SYMBOL ".");
    *out_count = 0;
    TRY(store_list(storage->store, place_image(image).key, "", PLACE_SYMBOL ".", &names));
    for (size_t i = 0; i < names.count && strncmp(names.names[i], PLACE_SYMBOL ".", prefix) == 0;
         i++) {
        char *end;
        unsigned long slot = strtoul(names.names[i] + prefix, &end, 10);
        if (*end == '\0' && slot < FORMAT_SERVERS_MAX && *out_count < FORMAT_SERVERS_MAX)
            out_slots[(*out_count)++] = (uint32_t)slot;
    }
    return OK;
}

/* Where the envelope does not tell, the folder does. */
static void choose_symbol(struct storage *storage, const struct image_id *image, uint32_t slot,
                          struct slot_choice *out_choice) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    uint32_t slots[FORMAT_SERVERS_MAX];
    size_t count = 0;
    if (slot != SLOT_ANY || image_envelope(storage, image, NULL, &envelope) == OK) {
        slots_choose(storage, envelope == NULL ? NULL : envelope->servers,
                     envelope == NULL ? 0 : envelope->n_servers,
                     envelope == NULL ? view_of(NULL, 0) : format_view(envelope->tau), slot,
                     out_choice);
        return;
    }
    *out_choice = (struct slot_choice){.count = 0};
    if (image_symbol_slots(storage, image, slots, &count) == OK)
        for (size_t i = 0; i < count && i < 2; i++)
            out_choice->slots[out_choice->count++] = slots[i];
}

result image_symbol(struct storage *storage, const struct image_id *image, uint32_t slot,
                    Myelin__Symbol **out_symbol) {
    struct slot_choice choice;
    choose_symbol(storage, image, slot, &choice);
    result got = NOT_FOUND;
    for (unsigned i = 0; i < choice.count && got == NOT_FOUND; i++)
        got = symbol_get(storage, image, choice.slots[i], out_symbol);
    return got == NOT_FOUND ? FAIL(NOT_FOUND, "%s has lost its symbol of the envelope of image %s",
                                   storage->server, image->hex)
                            : got;
}

result image_coefficients(struct storage *storage, const struct image_id *image,
                          const Myelin__Envelope *envelope, struct bytes *out_coefficients) {
    struct place place = place_of_image(image, PLACE_COEFFICIENTS);
    AUTO_BYTES struct bytes body = {0};
    if (envelope->coefficients_hash.len == 0)
        return FAIL(NOT_FOUND, "the envelope of image %s was made without its coefficients' hash",
                    image->hex);
    TRY(record_get(storage->store, place.key, RECORD_COEFFICIENTS, FORMAT_COEFFICIENTS_MAX, &body));
    TRY(format_check_coefficients(envelope, bytes_view(&body)));
    bytes_free(out_coefficients);
    *out_coefficients = body;
    body = (struct bytes){0};
    return OK;
}

result image_slot(struct storage *storage, char *const servers[], size_t count,
                  uint32_t *out_slot) {
    int slot = format_slot_of(servers, count, storage->server);
    if (slot < 0)
        return FAIL(INTEGRITY, "%s has no slot in the record", storage->server);
    *out_slot = (uint32_t)slot;
    return OK;
}

static uint64_t left_of(uint64_t all, uint64_t gone) {
    return all > gone ? all - gone : 0;
}

result image_totals(struct storage *storage, const struct image_id *image,
                    struct image_totals *out_totals) {
    AUTO_NAMES struct store_names names = {0}, deleted = {0};
    struct image_totals totals = {0}, gone;
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &names));
    TRY(deletion_list(storage, image, &deleted));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id put;
        AUTO_PUT_RECORD struct put_record record = {0};
        if (short_id_parse("a put", names.names[i], &put) != OK)
            continue;
        TRY(put_record_get(storage->store, place_of_put(image, &put).key, &record));
        TRY(deletion_totals(storage, image, &deleted, record.objects, record.object_count, &gone));
        totals.objects += left_of(record.object_count, gone.objects);
        totals.sealed_bytes += left_of(record.sealed_bytes, gone.sealed_bytes);
        totals.symbol_bytes += left_of(record.symbol_bytes, gone.symbol_bytes);
    }
    *out_totals = totals;
    return OK;
}

/* ------------------------------------------------------------------ rights */

result image_owner(struct storage *storage, const struct image_id *image,
                   struct image_owner *out_owner) {
    result got = image_owner_get(storage->store, place_of_image(image, PLACE_OWNER).key, out_owner);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "%s has no image %s", storage->server, image->hex);
    if (got != INTEGRITY)
        return got;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    TRY(image_envelope(storage, image, NULL, &envelope));
    *out_owner = (struct image_owner){.verifies = false};
    memcpy(out_owner->name, envelope->owner, strlen(envelope->owner) + 1);
    return OK;
}

/* His name alone is not enough: the manager could give it to another key. */
static bool is_owner(const struct storage_caller *caller, const struct image_owner *owner) {
    return strcmp(caller->name, owner->name) == 0 &&
           (!owner->verifies || memcmp(caller->identity, owner->identity, SIGN_PUBLIC_BYTES) == 0);
}

result image_authorise_by(struct storage *storage, const struct storage_caller *caller,
                          const struct image_id *image, unsigned rights,
                          const struct image_owner *owner) {
    if (caller->role == STORAGE_ROLE_KEY_SERVER && (rights & IMAGE_KEY_SERVER))
        return OK;
    if (caller->role == STORAGE_ROLE_PEER &&
        ((rights & IMAGE_SERVER) ||
         ((rights & IMAGE_PEER) && slots_concern(storage, image, caller->name))))
        return OK;
    if (caller->role == STORAGE_ROLE_USER) {
        if ((rights & IMAGE_OWNER) && is_owner(caller, owner))
            return OK;
        bool active = false;
        if (rights & IMAGE_RECIPIENT)
            TRY(forward_is_active(storage, image, caller->name, &active));
        if (active)
            return OK;
    }
    return FAIL(DENIED, "%s: %s may not do this with image %s", storage->server, caller->name,
                image->hex);
}

result image_authorise(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, unsigned rights,
                       struct image_owner *out_owner) {
    TRY(image_owner(storage, image, out_owner));
    return image_authorise_by(storage, caller, image, rights, out_owner);
}

/* ------------------------------------------------------------------ requests */

static result answer_removed(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__Signed *removal = NULL;
    TRY(removal_for(storage, caller, image, &removal));
    Myelin__ImageAnswer answer = MYELIN__IMAGE_ANSWER__INIT;
    answer.removal = removal;
    return format_pack(&answer, out_answer);
}

result image_answer(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, struct bytes *out_answer) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *envelope = NULL;
    struct image_owner owner;
    struct image_totals totals;
    TRY(image_lock_read(storage, image, &lock));
    result allowed =
        image_authorise(storage, caller, image,
                        IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_KEY_SERVER | IMAGE_PEER, &owner);
    if (allowed == NOT_FOUND)
        return answer_removed(storage, caller, image, out_answer);
    TRY(allowed);
    TRY(image_envelope(storage, image, &envelope, NULL));
    TRY(image_totals(storage, image, &totals));
    Myelin__ImageAnswer answer = MYELIN__IMAGE_ANSWER__INIT;
    answer.envelope = envelope;
    answer.objects = totals.objects;
    answer.symbol_bytes = totals.symbol_bytes;
    return format_pack(&answer, out_answer);
}
