#include "storage/image.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "format/hash.h"
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

result image_owner_put(struct store *store, const char *key, const struct storage_caller *owner) {
    AUTO_BYTES struct bytes body = {0};
    uint8_t len = (uint8_t)strlen(owner->name);
    TRY(bytes_append(&body, view_of(owner->identity, SIGN_PUBLIC_BYTES)));
    TRY(bytes_append(&body, view_of(&len, 1)));
    TRY(bytes_append(&body, view_of(owner->name, len)));
    TRY(bytes_append(&body, owner->certificate));
    return record_put(store, key, owner_kind, bytes_view(&body));
}

result image_owner_get(struct store *store, const char *key, struct image_owner *out_owner) {
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(store, key, owner_kind, OWNER_LIMIT, &body));
    struct view rest = bytes_view(&body), identity, len, name;
    if (!view_take(&rest, SIGN_PUBLIC_BYTES, &identity) || !view_take(&rest, 1, &len) ||
        len.data[0] > FORMAT_NAME_MAX || !view_take(&rest, len.data[0], &name))
        return FAIL(INTEGRITY, "%s holds no owner", key);
    *out_owner = (struct image_owner){.verifies = true};
    memcpy(out_owner->identity, identity.data, identity.len);
    memcpy(out_owner->name, name.data, name.len);
    return format_is_name(out_owner->name) ? OK : FAIL(INTEGRITY, "%s holds no owner", key);
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

result image_symbol(struct storage *storage, const struct image_id *image,
                    Myelin__Symbol **out_symbol) {
    struct place place = place_of_image(image, PLACE_SYMBOL);
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(storage->store, place.key, RECORD_SYMBOL, FORMAT_LIMIT_SYMBOL, &body));
    return format_parse_symbol(bytes_view(&body), out_symbol) == OK
               ? OK
               : error_at(INTEGRITY, "%s", place.key);
}

result image_slot(struct storage *storage, char *const servers[], size_t count,
                  uint32_t *out_slot) {
    int slot = format_slot_of(servers, count, storage->server);
    if (slot < 0)
        return FAIL(INTEGRITY, "%s has no slot in the record", storage->server);
    *out_slot = (uint32_t)slot;
    return OK;
}

result image_totals(struct storage *storage, const struct image_id *image,
                    struct image_totals *out_totals) {
    AUTO_NAMES struct store_names names = {0};
    struct image_totals totals = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id put;
        AUTO_PUT_RECORD struct put_record record = {0};
        if (short_id_parse("a put", names.names[i], &put) != OK)
            continue;
        TRY(put_record_get(storage->store, place_of_put(image, &put).key, &record));
        totals.objects += record.object_count;
        totals.sealed_bytes += record.sealed_bytes;
        totals.symbol_bytes += record.symbol_bytes;
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

result image_authorise(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, unsigned rights,
                       struct image_owner *out_owner) {
    TRY(image_owner(storage, image, out_owner));
    if (caller->role == STORAGE_ROLE_KEY_SERVER && (rights & IMAGE_KEY_SERVER))
        return OK;
    if (caller->role == STORAGE_ROLE_USER) {
        if ((rights & IMAGE_OWNER) && strcmp(caller->name, out_owner->name) == 0)
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
    result allowed = image_authorise(storage, caller, image,
                                     IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_KEY_SERVER, &owner);
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

/* The layout and this server's root of an object that `caller` may read. */
static result object_for_reader(struct storage *storage, const struct storage_caller *caller,
                                const struct image_id *image, const struct short_id *object,
                                struct format_layout *out_layout, uint8_t out_root[DIGEST_BYTES]) {
    struct image_owner owner;
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    uint32_t slot;
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT, &owner));
    result got = image_manifest(storage, image, object, NULL, &manifest);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "%s has no object %s", storage->server, object->hex);
    TRY(got);
    TRY(image_slot(storage, manifest->servers, manifest->n_servers, &slot));
    format_layout_of(manifest, out_layout);
    memcpy(out_root, manifest->symbol_root[slot].data, DIGEST_BYTES);
    return OK;
}

/* Slices and table are one value: its whole length must be there. */
static result open_slices(struct storage *storage, const struct image_id *image,
                          const struct short_id *object, const struct format_layout *layout,
                          struct image_range *out_range) {
    struct place place = place_of_object(image, object, PLACE_SLICES_SUFFIX);
    uint64_t total = layout->symbol_bytes + layout->segments * DIGEST_BYTES;
    result opened =
        store_open_range(storage->store, place.key, 0, total, &out_range->fd, &out_range->offset);
    out_range->length = total;
    return opened == NOT_FOUND ? FAIL(INTEGRITY, "%s has lost the slices of object %s",
                                      storage->server, object->hex)
                               : opened;
}

result image_open_symbol(struct storage *storage, const struct storage_caller *caller,
                         const struct image_id *image, const struct short_id *object,
                         struct image_range *out_range) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct format_layout layout;
    uint8_t root[DIGEST_BYTES];
    TRY(image_lock_read(storage, image, &lock));
    TRY(object_for_reader(storage, caller, image, object, &layout, root));
    TRY(open_slices(storage, image, object, &layout, out_range));
    out_range->length = layout.symbol_bytes;
    return OK;
}

static result read_at(int fd, uint64_t offset, struct bytes *out, size_t len) {
    TRY(bytes_reserve(out, len));
    while (out->len < len) {
        ssize_t got = pread(fd, out->data + out->len, len - out->len, (off_t)(offset + out->len));
        if (got <= 0)
            return FAIL(IO, "reading a slice table failed");
        out->len += (size_t)got;
    }
    return OK;
}

result image_hashes(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, const struct short_id *object,
                    struct bytes *out_hashes) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct format_layout layout;
    struct image_range range;
    uint8_t signed_root[DIGEST_BYTES], root[DIGEST_BYTES];
    TRY(image_lock_read(storage, image, &lock));
    TRY(object_for_reader(storage, caller, image, object, &layout, signed_root));
    TRY(open_slices(storage, image, object, &layout, &range));
    AUTO_FD int fd = range.fd;
    AUTO_BYTES struct bytes table = {0};
    TRY(read_at(fd, range.offset + layout.symbol_bytes, &table, layout.segments * DIGEST_BYTES));
    TRY(format_slice_table_root(bytes_view(&table), root));
    if (memcmp(root, signed_root, sizeof root) != 0)
        return FAIL(INTEGRITY, "%s: the slice table of object %s is damaged", storage->server,
                    object->hex);
    bytes_free(out_hashes);
    *out_hashes = table;
    table = (struct bytes){0};
    return OK;
}
