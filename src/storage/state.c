#include "storage/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"
#include "storage/deletion.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/put_record.h"
#include "storage/removal.h"
#include "storage/storage_state.h"

static result check_caller(const struct storage *storage, const struct storage_caller *caller) {
    return caller->role == STORAGE_ROLE_PEER
               ? OK
               : FAIL(DENIED, "%s: only storage servers ask for this", storage->server);
}

/* ------------------------------------------------------------------ the digest */

static void add_text(struct digest *digest, const char *text) {
    digest_update(digest, view_of(text, strlen(text) + 1));
}

static void add_record(struct digest *digest, const char *name, const Myelin__Signed *record) {
    uint8_t hash[DIGEST_BYTES];
    format_record_hash(record, hash);
    add_text(digest, name);
    digest_update(digest, view_of(hash, sizeof hash));
}

static void add_envelope(struct storage *storage, const struct image_id *image,
                         struct digest *digest) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    AUTO_BYTES struct bytes coefficients = {0};
    struct image_owner owner;
    if (image_owner(storage, image, &owner) == OK && owner.verifies)
        add_text(digest, owner.name);
    if (image_envelope(storage, image, &record, &envelope) != OK)
        return;
    add_record(digest, "envelope", record);
    if (envelope->coefficients_hash.len > 0 &&
        image_coefficients(storage, image, envelope, &coefficients) == OK)
        add_text(digest, "coefficients");
}

static result add_manifests(struct storage *storage, const struct image_id *image,
                            struct digest *digest) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_MANIFEST_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) == OK &&
            image_manifest(storage, image, &object, &record, NULL) == OK)
            add_record(digest, object.hex, record);
    }
    return OK;
}

static result add_deletions(struct storage *storage, const struct image_id *image,
                            struct digest *digest) {
    AUTO_NAMES struct store_names names = {0};
    TRY(deletion_list(storage, image, &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) != OK ||
            deletion_get(storage, image, &object, &record) != OK)
            continue;
        add_text(digest, "deleted"); /* not its signature: two of one object are as good as one */
        add_text(digest, object.hex);
    }
    return OK;
}

static result add_puts(struct storage *storage, const struct image_id *image,
                       struct digest *digest) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_PUT_RECORD struct put_record record = {0};
        struct short_id put;
        if (short_id_parse("a put", names.names[i], &put) == OK &&
            put_record_get(storage->store, place_of_put(image, &put).key, &record) == OK)
            add_text(digest, put.hex);
    }
    return OK;
}

static result add_forwards(struct storage *storage, const struct image_id *image,
                           struct digest *digest) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        bool is_revocation;
        if (format_is_name(names.names[i]) &&
            forward_record(storage, image, names.names[i], &record, &is_revocation) == OK)
            add_record(digest, names.names[i], record);
    }
    return OK;
}

static result digest_of(struct storage *storage, const struct image_id *image,
                        const struct removals *removals, const char *claim,
                        uint8_t out_digest[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    add_text(&digest, "myelin image state v1");
    add_envelope(storage, image, &digest);
    result added = add_manifests(storage, image, &digest);
    if (added == OK)
        added = add_deletions(storage, image, &digest);
    if (added == OK)
        added = add_puts(storage, image, &digest);
    if (added == OK)
        added = add_forwards(storage, image, &digest);
    for (size_t i = 0; i < removals->count; i++)
        add_record(&digest, removals->owners[i], removals->records[i]);
    add_text(&digest, claim);
    if (added != OK) {
        digest_abandon(&digest);
        return added;
    }
    digest_finish(&digest, out_digest);
    return OK;
}

result state_digest(struct storage *storage, const struct image_id *image,
                    uint8_t out_digest[DIGEST_BYTES]) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_REMOVALS struct removals removals = {0};
    char claim[FORMAT_NAME_MAX + 1];
    TRY(image_lock_read(storage, image, &lock));
    TRY(removals_get(storage, image, &removals));
    TRY(removal_claim(storage, image, claim));
    TRY(digest_of(storage, image, &removals, claim, out_digest));
    storage_keep_digest(storage, image, out_digest);
    return OK;
}

result state_digest_known(struct storage *storage, const struct image_id *image,
                          uint8_t out_digest[DIGEST_BYTES]) {
    return storage_known_digest(storage, image, out_digest)
               ? OK
               : state_digest(storage, image, out_digest);
}

/* ------------------------------------------------------------------ one image */

struct certificates {
    struct bytes parts[FORMAT_REMOVALS_MAX + 1];
    ProtobufCBinaryData fields[FORMAT_REMOVALS_MAX + 1];
    size_t count;
};

static void certificates_free(struct certificates *certificates) {
    for (size_t i = 0; i < FORMAT_REMOVALS_MAX + 1; i++)
        bytes_free(&certificates->parts[i]);
}

/* A certificate that is damaged or was never kept is left out: others have it. */
static void add_certificate(struct storage *storage, const char *key,
                            struct certificates *certificates) {
    struct bytes *part = &certificates->parts[certificates->count];
    if (image_owner_certificate(storage->store, key, part) == OK && part->len > 0)
        certificates->fields[certificates->count++] = format_bytes(bytes_view(part));
}

result state_answer(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, struct bytes *out_answer) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_REMOVALS struct removals removals = {0};
    AUTO_FORMAT Myelin__Signed *envelope = NULL;
    __attribute__((cleanup(certificates_free))) struct certificates certificates = {0};
    uint32_t slots[FORMAT_SERVERS_MAX];
    char claim[FORMAT_NAME_MAX + 1];
    uint8_t digest[DIGEST_BYTES];
    struct image_owner owner;
    Myelin__ImageState state = MYELIN__IMAGE_STATE__INIT;
    TRY(check_caller(storage, caller));
    TRY(image_lock_read(storage, image, &lock));
    TRY(removals_get(storage, image, &removals));
    TRY(removal_claim(storage, image, claim));
    if (!storage_known_digest(storage, image, digest)) {
        TRY(digest_of(storage, image, &removals, claim, digest));
        storage_keep_digest(storage, image, digest);
    }
    TRY(image_symbol_slots(storage, image, slots, &state.n_slot));
    result owned = image_owner(storage, image, &owner);
    if (owned == OK && image_envelope(storage, image, &envelope, NULL) == OK) {
        state.envelope = envelope;
        add_certificate(storage, place_of_image(image, PLACE_OWNER).key, &certificates);
    } else {
        state.n_slot = 0;
    }
    for (size_t i = 0; i < removals.count; i++)
        add_certificate(storage, place_of_user(removals.owners[i]).key, &certificates);
    state.removal = removals.records;
    state.n_removal = removals.count;
    state.certificate = certificates.fields;
    state.n_certificate = certificates.count;
    state.claim = claim;
    state.slot = slots;
    state.digest = format_bytes(view_of(digest, sizeof digest));
    return format_pack(&state, out_answer);
}

result state_coefficients(struct storage *storage, const struct storage_caller *caller,
                          const struct image_id *image, struct bytes *out_coefficients) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    struct image_owner owner;
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_PEER, &owner));
    TRY(image_envelope(storage, image, NULL, &envelope));
    return image_coefficients(storage, image, envelope, out_coefficients);
}

/* ------------------------------------------------------------------ all images */

struct index {
    struct storage *storage;
    const char *caller;
    const char *after;
    Myelin__IndexEntry *entries;
    uint8_t (*bytes)[2][DIGEST_BYTES]; /* of each entry, image and digest */
    Myelin__IndexEntry **pointers;
    size_t count;
    bool more;
};

static void index_clean_up(struct index *index) {
    free(index->entries);
    free(index->bytes);
    free(index->pointers);
}

static result add_entry(struct index *index, const struct image_id *image) {
    if (!slots_concern(index->storage, image, index->caller))
        return OK;
    if (index->count == FORMAT_PAGE_ENTRIES_MAX) {
        index->more = true;
        return OK;
    }
    uint8_t(*bytes)[DIGEST_BYTES] = index->bytes[index->count];
    Myelin__IndexEntry *entry = &index->entries[index->count];
    TRY(state_digest_known(index->storage, image, bytes[1]));
    memcpy(bytes[0], image->bytes, DIGEST_BYTES);
    myelin__index_entry__init(entry);
    entry->image = format_bytes(view_of(bytes[0], DIGEST_BYTES));
    entry->digest = format_bytes(view_of(bytes[1], DIGEST_BYTES));
    index->pointers[index->count++] = entry;
    return OK;
}

/* IMAGE, or IMAGE.OWNER of a removal. */
static bool image_of_name(const char *name, struct image_id *out_image) {
    char hex[2 * DIGEST_BYTES + 1] = "";
    size_t len = strlen(name);
    if (len < sizeof hex - 1 || (len > sizeof hex - 1 && name[sizeof hex - 1] != '.'))
        return false;
    memcpy(hex, name, sizeof hex - 1);
    return image_id_parse(hex, out_image) == OK;
}

/* Two lists in ascending order, merged; an image that is in both, or twice in one, comes once. */
static result add_shard(struct index *index, const char *shard) {
    AUTO_NAMES struct store_names there = {0}, removed = {0};
    char prefix[32];
    snprintf(prefix, sizeof prefix, "images/%s", shard);
    TRY(store_list(index->storage->store, prefix, "", index->after, &there));
    snprintf(prefix, sizeof prefix, "removed/%s", shard);
    TRY(store_list(index->storage->store, prefix, "", index->after, &removed));
    struct image_id last = {.hex = ""};
    for (size_t i = 0, j = 0; !index->more && (i < there.count || j < removed.count);) {
        bool first = j == removed.count ||
                     (i < there.count && strcmp(there.names[i], removed.names[j]) <= 0);
        const char *name = first ? there.names[i++] : removed.names[j++];
        struct image_id image;
        if (!image_of_name(name, &image) || strcmp(image.hex, index->after) <= 0 ||
            (last.hex[0] != '\0' && image_id_equal(&image, &last)))
            continue;
        TRY(add_entry(index, &image));
        last = image;
    }
    return OK;
}

result state_index(struct storage *storage, const struct storage_caller *caller, const char *after,
                   struct bytes *out_page) {
    struct image_id id;
    TRY(check_caller(storage, caller));
    if (*after != '\0')
        TRY(image_id_parse(after, &id));
    __attribute__((cleanup(index_clean_up))) struct index index = {
        .storage = storage,
        .caller = caller->name,
        .after = after,
        .entries = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *index.entries),
        .bytes = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *index.bytes),
        .pointers = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof(Myelin__IndexEntry *)),
    };
    if (index.entries == NULL || index.bytes == NULL || index.pointers == NULL)
        return FAIL(NO_MEMORY, "no memory for a page");
    for (unsigned shard = *after == '\0' ? 0 : id.bytes[0]; shard < 256 && !index.more; shard++) {
        char name[3];
        snprintf(name, sizeof name, "%02x", shard);
        TRY(add_shard(&index, name));
    }
    Myelin__IndexPage page = MYELIN__INDEX_PAGE__INIT;
    page.entry = index.pointers;
    page.n_entry = index.count;
    page.more = index.more;
    return format_pack(&page, out_page);
}
