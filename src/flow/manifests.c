#include "flow/manifests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/object.h"

enum { PATH_BYTES = 256 };

/* ------------------------------------------------------------------ servers' pages */

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__ManifestPage *page = NULL;
    AUTO_FORMAT Myelin__Manifest *last = NULL;
    AUTO_FORMAT Myelin__Deletion *deletion = NULL;
    TRY(format_parse_manifest_page(wire, &page));
    if (page->more && page->n_manifest > 0) {
        TRY(format_parse_manifest(format_view(page->manifest[page->n_manifest - 1]->body), &last));
        hex_encode(format_view(last->object), out_after);
    }
    if (page->more && page->n_deletion > 0) {
        TRY(format_parse_deletion(format_view(page->deletion[page->n_deletion - 1]->body),
                                  &deletion));
        if (last == NULL || memcmp(deletion->object.data, last->object.data, FORMAT_ID_BYTES) > 0)
            hex_encode(format_view(deletion->object), out_after);
    }
    *out_more = page->more;
    *out_page = page;
    page = NULL;
    return OK;
}

static void objects_path(const struct image *image, char out[PATH_BYTES]) {
    snprintf(out, PATH_BYTES, "/v1/images/%s/objects", image->hex);
}

result manifests_fetch(struct session *session, struct http_client *client,
                       const struct image *image, struct pages *out_pages) {
    char path[PATH_BYTES];
    objects_path(image, path);
    return pages_fetch(session, client, path, parse_page, out_pages);
}

/* ------------------------------------------------------------------ all servers' */

void manifests_free(struct manifests *manifests) {
    for (size_t i = 0; i < manifests->count; i++) {
        format_free(manifests->entries[i].manifest);
        free(manifests->entries[i].is_at);
    }
    free(manifests->entries);
    for (size_t i = 0; i < manifests->deleted_count; i++)
        free(manifests->deleted[i].is_at);
    free(manifests->deleted);
    free(manifests->answers);
    *manifests = (struct manifests){0};
}

result manifests_owner_key(struct session *session, const struct image *image,
                           uint8_t out_identity[FORMAT_IDENTITY_BYTES]) {
    if (image->is_own) {
        memcpy(out_identity, session->signing->public_key, FORMAT_IDENTITY_BYTES);
        return OK;
    }
    const struct session_user *owner;
    TRY(session_find_user(session, image->owner_name, &owner));
    memcpy(out_identity, owner->identity, FORMAT_IDENTITY_BYTES);
    return OK;
}

/* A record as one server gave it. */
struct listed {
    uint8_t hash[DIGEST_BYTES]; /* of body and signature */
    unsigned server;
    const Myelin__Signed *record;
};

struct listing {
    const struct image *image;
    uint8_t owner_key[FORMAT_IDENTITY_BYTES];
    struct pages_all all;
    struct listed *listed;
    size_t count;
};

static void listing_free(struct listing *listing) {
    pages_free(&listing->all);
    free(listing->listed);
}
#define AUTO_LISTING __attribute__((cleanup(listing_free)))

/* What each server answered goes to `manifests`, which outlives the listing. */
static result ask_objects(struct session *session, unsigned enough, struct listing *listing,
                          struct manifests *manifests) {
    char path[PATH_BYTES];
    objects_path(listing->image, path);
    pages_free(&listing->all);
    TRY(pages_ask(session, SESSION_STORAGE, manifests->holders.is_holder, path, parse_page, enough,
                  &listing->all));
    free(manifests->answers);
    manifests->answers = listing->all.answers;
    listing->all.answers = NULL;
    return OK;
}

static int by_hash(const void *a, const void *b) {
    return memcmp(((const struct listed *)a)->hash, ((const struct listed *)b)->hash, DIGEST_BYTES);
}

/* The records of one kind on a page. */
enum kind { MANIFESTS, DELETIONS };

static size_t records_of(const Myelin__ManifestPage *page, enum kind kind,
                         Myelin__Signed *const **out_records) {
    *out_records = kind == MANIFESTS ? page->manifest : page->deletion;
    return kind == MANIFESTS ? page->n_manifest : page->n_deletion;
}

static void add_listed(struct listing *listing, unsigned server, const Myelin__Signed *record) {
    struct listed *listed = &listing->listed[listing->count++];
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, format_view(record->body));
    digest_update(&digest, format_view(record->signature));
    digest_finish(&digest, listed->hash);
    listed->server = server;
    listed->record = record;
}

/* All servers' records, the same ones side by side. */
static result flatten(struct listing *listing, enum kind kind) {
    Myelin__Signed *const *records;
    size_t count = 0;
    for (unsigned server = 0; server < listing->all.servers; server++)
        for (size_t p = 0; p < listing->all.of[server].count; p++)
            count += records_of(listing->all.of[server].page[p], kind, &records);
    free(listing->listed);
    listing->count = 0;
    listing->listed = calloc(count + 1, sizeof *listing->listed);
    if (listing->listed == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of %zu records", count);
    for (unsigned server = 0; server < listing->all.servers; server++)
        for (size_t p = 0; p < listing->all.of[server].count; p++) {
            size_t of_page = records_of(listing->all.of[server].page[p], kind, &records);
            for (size_t i = 0; i < of_page; i++)
                add_listed(listing, server, records[i]);
        }
    qsort(listing->listed, listing->count, sizeof *listing->listed, by_hash);
    return OK;
}

/* A manifest of this image by its owner. */
static result open_listed(const struct listing *listing, const struct listed *listed,
                          Myelin__Manifest **out_manifest) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    TRY(format_open_manifest(listed->record, listing->owner_key, &manifest));
    if (memcmp(manifest->tau.data, listing->image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
        strcmp(manifest->owner, listing->image->owner_name) != 0)
        return FAIL(INTEGRITY, "a manifest of another image");
    *out_manifest = manifest;
    manifest = NULL;
    return OK;
}

static int by_object_newest_first(const void *a, const void *b) {
    const Myelin__Manifest *left = ((const struct manifest_entry *)a)->manifest;
    const Myelin__Manifest *right = ((const struct manifest_entry *)b)->manifest;
    int order = memcmp(left->object.data, right->object.data, FORMAT_ID_BYTES);
    if (order != 0)
        return order;
    if (left->created_ms != right->created_ms)
        return left->created_ms > right->created_ms ? -1 : 1;
    return memcmp(left->put.data, right->put.data, FORMAT_ID_BYTES);
}

/* What is left of an object that was removed and put again is older than its successor. */
static void keep_newest(struct manifests *manifests) {
    qsort(manifests->entries, manifests->count, sizeof *manifests->entries, by_object_newest_first);
    size_t kept = 0;
    for (size_t i = 0; i < manifests->count; i++) {
        struct manifest_entry *entry = &manifests->entries[i];
        if (kept > 0 && memcmp(manifests->entries[kept - 1].manifest->object.data,
                               entry->manifest->object.data, FORMAT_ID_BYTES) == 0) {
            format_free(entry->manifest);
            free(entry->is_at);
            continue;
        }
        manifests->entries[kept++] = *entry;
    }
    manifests->count = kept;
}

static result add_entry(struct manifests *manifests, Myelin__Manifest *manifest,
                        const struct listed *same, size_t count) {
    bool *is_at = calloc(manifests->servers, sizeof *is_at);
    if (is_at == NULL)
        return FAIL(NO_MEMORY, "no memory for a manifest");
    for (size_t i = 0; i < count; i++)
        is_at[same[i].server] = true;
    manifests->entries[manifests->count++] = (struct manifest_entry){manifest, is_at};
    return OK;
}

/* ------------------------------------------------------------------ what was deleted */

/* A deletion from this image by its owner; NOT_FOUND for one of an earlier image. */
static result open_deletion(const struct listing *listing, const struct listed *listed,
                            uint8_t out_object[FORMAT_ID_BYTES]) {
    AUTO_FORMAT Myelin__Deletion *deletion = NULL;
    const Myelin__Envelope *envelope = listing->image->envelope;
    TRY(format_open_deletion(listed->record, listing->owner_key, &deletion));
    if (memcmp(deletion->tau.data, listing->image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
        strcmp(deletion->owner, listing->image->owner_name) != 0)
        return FAIL(INTEGRITY, "a deletion from another image");
    if (envelope != NULL && !view_equal(format_view(deletion->made), format_view(envelope->put)))
        return FAIL(NOT_FOUND, "a deletion from the image as it was before it was removed");
    memcpy(out_object, deletion->object.data, FORMAT_ID_BYTES);
    return OK;
}

static int compare_deleted(const void *a, const void *b) {
    return memcmp(((const struct manifest_deleted *)a)->object,
                  ((const struct manifest_deleted *)b)->object, FORMAT_ID_BYTES);
}

bool manifests_has_deleted(const struct manifests *manifests,
                           const uint8_t object[FORMAT_ID_BYTES]) {
    struct manifest_deleted key = {.is_at = NULL};
    memcpy(key.object, object, sizeof key.object);
    return manifests->deleted_count > 0 &&
           bsearch(&key, manifests->deleted, manifests->deleted_count, sizeof key,
                   compare_deleted) != NULL;
}

/* The owner may have said it twice of one object, to servers that missed it the first time. */
static void join_deleted(struct manifests *manifests) {
    size_t kept = 0;
    if (manifests->deleted_count > 1)
        qsort(manifests->deleted, manifests->deleted_count, sizeof *manifests->deleted,
              compare_deleted);
    for (size_t i = 0; i < manifests->deleted_count; i++) {
        struct manifest_deleted *one = &manifests->deleted[i];
        struct manifest_deleted *last = kept > 0 ? &manifests->deleted[kept - 1] : NULL;
        if (last == NULL || compare_deleted(last, one) != 0) {
            manifests->deleted[kept++] = *one;
            continue;
        }
        for (unsigned server = 0; server < manifests->servers; server++)
            last->is_at[server] |= one->is_at[server];
        free(one->is_at);
    }
    manifests->deleted_count = kept;
}

static void warn_forged(struct session *session, const char *what, const struct listed same[],
                        size_t count) {
    for (size_t i = 0; i < count; i++)
        session_warn(session, "%s: lists a forged %s: %s",
                     session_server(session, SESSION_STORAGE, same[i].server)->name, what,
                     error_text());
}

static size_t count_same(const struct listing *listing, size_t first) {
    size_t next = first + 1;
    while (next < listing->count && by_hash(&listing->listed[first], &listing->listed[next]) == 0)
        next++;
    return next - first;
}

static result find_deleted(struct session *session, struct listing *listing,
                           struct manifests *manifests) {
    TRY(flatten(listing, DELETIONS));
    manifests->deleted = calloc(listing->count + 1, sizeof *manifests->deleted);
    if (manifests->deleted == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of %zu deletions", listing->count);
    for (size_t i = 0, same; i < listing->count; i += same) {
        struct manifest_deleted *one = &manifests->deleted[manifests->deleted_count];
        same = count_same(listing, i);
        result opened = open_deletion(listing, &listing->listed[i], one->object);
        if (opened == NO_MEMORY)
            return opened;
        if (opened != OK && opened != NOT_FOUND)
            warn_forged(session, "deletion", &listing->listed[i], same);
        if (opened != OK)
            continue;
        one->is_at = calloc(manifests->servers, sizeof *one->is_at);
        if (one->is_at == NULL)
            return FAIL(NO_MEMORY, "no memory for a deletion");
        for (size_t j = 0; j < same; j++)
            one->is_at[listing->listed[i + j].server] = true;
        manifests->deleted_count++;
    }
    join_deleted(manifests);
    return OK;
}

/* ------------------------------------------------------------------ what is missing */

static bool has_entry(const struct manifests *manifests, ProtobufCBinaryData object) {
    for (size_t i = 0; i < manifests->count; i++)
        if (view_equal(format_view(manifests->entries[i].manifest->object), format_view(object)))
            return true;
    return false;
}

static bool says_unreadable(const struct pages *pages, ProtobufCBinaryData object) {
    for (size_t p = 0; p < pages->count; p++) {
        const Myelin__ManifestPage *page = pages->page[p];
        for (size_t i = 0; i < page->n_unreadable; i++)
            if (view_equal(format_view(page->unreadable[i]), format_view(object)))
                return true;
    }
    return false;
}

/* Of any k servers one lists what was put; so where k answer and neither list the object nor say
 * that they lost it, there is none, whatever the others say. */
static bool may_be_there(const struct listing *listing, const struct manifests *manifests,
                         ProtobufCBinaryData object) {
    unsigned deny = 0;
    for (unsigned server = 0; server < listing->all.servers; server++)
        deny += manifests->answers[server].code == OK &&
                !says_unreadable(&listing->all.of[server], object);
    return deny < listing->image->envelope->k;
}

/* What one server cannot read, another may have listed. */
static void find_missing(const struct listing *listing, struct manifests *manifests) {
    manifests->is_incomplete = false;
    for (unsigned server = 0; server < listing->all.servers; server++)
        for (size_t p = 0; p < listing->all.of[server].count; p++) {
            const Myelin__ManifestPage *page = listing->all.of[server].page[p];
            for (size_t i = 0; i < page->n_unreadable && !manifests->is_incomplete; i++) {
                if (has_entry(manifests, page->unreadable[i]) ||
                    manifests_has_deleted(manifests, page->unreadable[i].data) ||
                    !may_be_there(listing, manifests, page->unreadable[i]))
                    continue;
                manifests->is_incomplete = true;
                manifests->missing_at = server;
                hex_encode(format_view(page->unreadable[i]), manifests->missing);
            }
        }
}

static result merge(struct session *session, struct listing *listing, struct manifests *manifests) {
    TRY(find_deleted(session, listing, manifests));
    TRY(flatten(listing, MANIFESTS));
    manifests->entries = calloc(listing->count + 1, sizeof *manifests->entries);
    if (manifests->entries == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of %zu manifests", listing->count);
    for (size_t i = 0, same; i < listing->count; i += same) {
        const struct listed *listed = &listing->listed[i];
        AUTO_FORMAT Myelin__Manifest *manifest = NULL;
        same = count_same(listing, i);
        result opened = open_listed(listing, listed, &manifest);
        if (opened == NO_MEMORY)
            return opened;
        if (opened != OK) {
            warn_forged(session, "manifest", listed, same);
            continue;
        }
        if (image_is_outdated(listing->image, manifest) ||
            manifests_has_deleted(manifests, manifest->object.data))
            continue;
        TRY(add_entry(manifests, manifest, listed, same));
        manifest = NULL;
    }
    keep_newest(manifests);
    find_missing(listing, manifests);
    return OK;
}

/* ------------------------------------------------------------------ all of it */

static result ask_again(struct session *session, struct listing *listing, unsigned enough,
                        struct manifests *manifests) {
    const struct manifests asked = *manifests;
    manifests_free(manifests);
    manifests->servers = asked.servers;
    manifests->holders = asked.holders;
    manifests->is_moving = asked.is_moving;
    TRY(ask_objects(session, enough, listing, manifests));
    return merge(session, listing, manifests);
}

static result load(struct session *session, struct listing *listing, unsigned enough,
                   struct manifests *manifests) {
    TRY(ask_objects(session, enough, listing, manifests));
    TRY(merge(session, listing, manifests));
    if (manifests->is_incomplete && enough != 0) /* whoever is late may have it */
        TRY(ask_again(session, listing, 0, manifests));
    size_t rolled;
    TRY(manifests_roll_forward(session, listing->image, listing->owner_key, manifests, &rolled));
    return rolled == 0 ? OK : ask_again(session, listing, enough, manifests);
}

result manifests_load(struct session *session, const struct image *image, unsigned enough,
                      struct manifests *out_manifests) {
    AUTO_LISTING struct listing listing = {.image = image};
    AUTO_MANIFESTS struct manifests manifests = {
        .servers = session_server_count(session, SESSION_STORAGE)};
    const Myelin__Envelope *envelope = image->envelope;
    slot_holders_find(session, image->tau_bytes, envelope != NULL ? envelope->servers : NULL,
                      envelope != NULL ? envelope->n_servers : 0, &manifests.holders);
    manifests.is_moving = session->description.system->previous != NULL;
    TRY(manifests_owner_key(session, image, listing.owner_key));
    TRY(load(session, &listing, enough, &manifests));
    *out_manifests = manifests;
    manifests = (struct manifests){0};
    return OK;
}
