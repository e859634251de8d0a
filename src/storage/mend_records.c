/* Records: manifests, the commits that they came with, forwards and revocations, as the owner
 * signed them; the union of what all servers have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/hash.h"
#include "storage/forward.h"
#include "storage/mend_private.h"
#include "storage/put.h"
#include "storage/put_table.h"
#include "storage/record.h"
#include "storage/removal.h"

/* ------------------------------------------------------------------ whom to ask */

static void lied(struct mending *m, unsigned server) {
    m->is_liar[server] = true;
    log_event(LOG_WARNING, "mend-lie", "image=%s server=%s reason=\"%s\"", m->image->hex,
              storage_fleet_name(m->group->fleet, server), error_text());
}

static bool has_this_image(const struct mending *m, unsigned server) {
    const Myelin__ImageState *state = m->states[server];
    return state != NULL && state->envelope != NULL &&
           view_equal(format_view(state->envelope->body), format_view(m->record->body));
}

static bool same_digest(const struct mending *m, unsigned a, unsigned b) {
    return view_equal(format_view(m->states[a]->digest), format_view(m->states[b]->digest));
}

/* Whom to ask for records. One who says that he has the same as others may show less: so two of
 * each kind are asked. */
enum { ASKED_OF_A_KIND = 2 };

struct asking {
    bool is_done[FORMAT_SERVERS_MAX]; /* and gave all that he said he has */
    bool is_tried[FORMAT_SERVERS_MAX];
};

static bool is_wanted(const struct mending *m, const struct asking *asking, unsigned server,
                      bool everyone) {
    unsigned of_a_kind = 0;
    if (asking->is_tried[server] || !has_this_image(m, server))
        return false;
    if (view_equal(format_view(m->states[server]->digest), view_of(m->digest, DIGEST_BYTES)))
        return false;
    for (unsigned i = 0; i < m->servers; i++)
        of_a_kind += asking->is_done[i] && same_digest(m, i, server);
    return everyone || of_a_kind < ASKED_OF_A_KIND;
}

/* Asks servers whose digest is not this one's, those that lied already last. */
typedef result (*ask_server)(struct mending *m, unsigned server);

static result ask_differing(struct mending *m, struct asking *asking, bool everyone,
                            ask_server ask) {
    for (unsigned i = 0; i < 2 * m->servers; i++) {
        unsigned server = i % m->servers;
        bool is_turn = m->is_liar[server] == (i >= m->servers);
        if (!is_turn || !is_wanted(m, asking, server, everyone))
            continue;
        TRY(mend_go_on(m));
        asking->is_tried[server] = true;
        result asked = ask(m, server);
        asking->is_done[server] = asked == OK;
        if (asked == INTEGRITY || asked == PROTOCOL || asked == INVALID)
            lied(m, server);
        else if (asked == NO_MEMORY || asked == IO)
            return asked;
    }
    return mend_go_on(m);
}

/* ------------------------------------------------------------------ manifests */

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

static result add_own_manifests(struct mending *m) {
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

/* A page's last object, where the next one goes on. */
static result add_page(struct mending *m, const Myelin__ManifestPage *page,
                       struct short_id *out_last) {
    for (size_t i = 0; i < page->n_manifest; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        AUTO_FORMAT Myelin__Manifest *manifest = NULL;
        struct short_id id;
        TRY(copy_signed(page->manifest[i], &record));
        TRY(format_parse_manifest(format_view(record->body), &manifest));
        TRY(short_id_from(format_view(manifest->object), &id));
        if (strcmp(id.hex, out_last->hex) <= 0)
            return FAIL(PROTOCOL, "objects out of order");
        TRY(add_manifest(m, &record, false));
        *out_last = id;
    }
    return OK;
}

static result add_server_manifests(struct mending *m, unsigned server) {
    struct short_id last = {.hex = ""};
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ManifestPage *page = NULL;
        char path[MEND_PATH_BYTES];
        TRY(mend_go_on(m));
        snprintf(path, sizeof path, "/v1/images/%s/objects%s%s", m->image->hex,
                 last.hex[0] != '\0' ? "?after=" : "", last.hex);
        TRY(peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_PAGE, &wire));
        TRY(format_parse_manifest_page(bytes_view(&wire), &page));
        TRY(add_page(m, page, &last));
        more = page->more;
    }
    return OK;
}

static int compare_objects(const void *a, const void *b) {
    return memcmp(((const struct mend_object *)a)->id.bytes,
                  ((const struct mend_object *)b)->id.bytes, FORMAT_ID_BYTES);
}

/* ------------------------------------------------------------------ commits */

static struct mend_put *find_put(struct mending *m, const struct short_id *id) {
    for (size_t i = 0; i < m->put_count; i++)
        if (short_id_equal(&m->puts[i].id, id))
            return &m->puts[i];
    return NULL;
}

static bool creates(const struct mending *m, const struct mend_put *put) {
    return view_equal(format_view(m->envelope->put), view_of(put->id.bytes, FORMAT_ID_BYTES));
}

static result list_puts(struct mending *m) {
    m->puts = calloc(m->object_count + 1, sizeof *m->puts);
    if (m->puts == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu puts", m->object_count);
    TRY(short_id_from(format_view(m->envelope->put), &m->puts[m->put_count++].id));
    for (size_t i = 0; i < m->object_count; i++)
        if (find_put(m, &m->objects[i].put) == NULL)
            m->puts[m->put_count++].id = m->objects[i].put;
    return OK;
}

/* The hash that a put's commit must have of what is known of the put. */
static result contents_of(struct mending *m, const struct mend_put *put,
                          uint8_t out_contents[DIGEST_BYTES]) {
    Myelin__Signed **manifests = calloc(m->object_count + 1, sizeof(Myelin__Signed *));
    size_t count = 0;
    if (manifests == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu manifests", m->object_count);
    for (size_t i = 0; i < m->object_count; i++)
        if (short_id_equal(&m->objects[i].put, &put->id))
            manifests[count++] = m->objects[i].record;
    result made =
        format_commit_contents(creates(m, put) ? m->record : NULL, manifests, count, out_contents);
    free(manifests);
    return made;
}

/* INTEGRITY where it is not the owner's commit of just what is known of the put. */
static result check_commit(struct mending *m, struct mend_put *put, struct view wire) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    struct image_id image;
    TRY(format_parse_signed(wire, &record));
    TRY(format_open_commit(record, m->owner.identity, &commit));
    image_id_of_tau(format_view(commit->tau), &image);
    if (strcmp(commit->owner, m->owner.name) != 0 || !image_id_equal(&image, m->image) ||
        !view_equal(format_view(commit->put), view_of(put->id.bytes, FORMAT_ID_BYTES)))
        return FAIL(INTEGRITY, "the commit is of another put, image or owner");
    TRY(contents_of(m, put, put->contents));
    if (!view_equal(format_view(commit->contents), view_of(put->contents, DIGEST_BYTES)))
        return FAIL(INTEGRITY, "not all objects of put %s are known", put->id.hex);
    bytes_free(&put->commit);
    return bytes_append(&put->commit, wire);
}

static result own_commit(struct mending *m, struct mend_put *put) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_PUT_RECORD struct put_record record = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(put_record_get(m->storage->store, place_of_put(m->image, &put->id).key, &record));
    return check_commit(m, put, bytes_view(&record.commit));
}

static result server_commit(struct mending *m, unsigned server, struct mend_put *put) {
    AUTO_BYTES struct bytes wire = {0};
    char path[MEND_PATH_BYTES];
    snprintf(path, sizeof path, "/v1/images/%s/puts/%s", m->image->hex, put->id.hex);
    TRY(peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_SIGNED_SMALL, &wire));
    return check_commit(m, put, bytes_view(&wire));
}

static result find_commit(struct mending *m, struct mend_put *put) {
    result got = own_commit(m, put);
    put->is_here = put->is_committed = got == OK;
    for (unsigned i = 0; !put->is_committed && i < m->servers; i++) {
        TRY(mend_go_on(m));
        if (m->states[i] == NULL || m->states[i]->envelope == NULL)
            continue;
        got = server_commit(m, i, put);
        put->is_committed = got == OK;
        if (got == INTEGRITY || got == PROTOCOL)
            log_event(LOG_DEBUG, "mend-commit", "image=%s put=%s server=%s reason=\"%s\"",
                      m->image->hex, put->id.hex, storage_fleet_name(m->group->fleet, i),
                      error_text());
    }
    return got == NO_MEMORY ? got : OK;
}

/* False where of some put not all is known. */
static result find_commits(struct mending *m, bool *out_is_whole) {
    *out_is_whole = true;
    for (size_t i = 0; i < m->put_count; i++)
        bytes_free(&m->puts[i].commit);
    free(m->puts);
    m->puts = NULL;
    m->put_count = 0;
    if (m->object_count > 1)
        qsort(m->objects, m->object_count, sizeof *m->objects, compare_objects);
    TRY(list_puts(m));
    for (size_t i = 0; i < m->put_count; i++) {
        TRY(find_commit(m, &m->puts[i]));
        *out_is_whole = *out_is_whole && m->puts[i].is_committed;
    }
    return OK;
}

/* Of each object the manifest whose put is committed, or else the one that is here. */
static void keep_best(struct mending *m) {
    size_t kept = 0;
    for (size_t i = 0; i < m->object_count; i++) {
        struct mend_object object = m->objects[i];
        struct mend_object *last = kept > 0 ? &m->objects[kept - 1] : NULL;
        if (last == NULL || !short_id_equal(&last->id, &object.id)) {
            m->objects[kept++] = object;
            continue;
        }
        bool is_better =
            2 * object.is_committed + object.is_here > 2 * last->is_committed + last->is_here;
        struct mend_object worse = is_better ? *last : object;
        if (is_better)
            *last = object;
        format_free(worse.record);
        format_free(worse.manifest);
    }
    m->object_count = kept;
}

result mend_find_records(struct mending *m) {
    struct asking asking = {0};
    bool is_whole;
    TRY(add_own_manifests(m));
    TRY(ask_differing(m, &asking, false, add_server_manifests));
    TRY(find_commits(m, &is_whole));
    if (!is_whole) {
        TRY(ask_differing(m, &asking, true, add_server_manifests));
        TRY(find_commits(m, &is_whole));
    }
    for (size_t i = 0; i < m->object_count; i++)
        m->objects[i].is_committed = find_put(m, &m->objects[i].put)->is_committed;
    keep_best(m);
    return OK;
}

/* A put that is prepared here and committed elsewhere: its commit is all that it lacks. */
result mend_bring_commits(struct mending *m) {
    const struct storage_caller self = {.name = m->storage->server, .role = STORAGE_ROLE_PEER};
    for (size_t i = 0; i < m->put_count; i++) {
        struct mend_put *put = &m->puts[i];
        struct put *waiting = put_acquire(m->storage, m->image, &put->id);
        if (waiting == NULL)
            continue;
        put_release(m->storage, waiting);
        if (!put->is_committed || put->is_here)
            continue;
        result brought =
            put_commit(m->storage, &self, m->image, &put->id, bytes_view(&put->commit));
        log_event(LOG_INFO, "mended", "image=%s put=%s commit: %s", m->image->hex, put->id.hex,
                  brought == OK ? "brought" : error_text());
        put->is_here = brought == OK;
        for (size_t j = 0; brought == OK && j < m->object_count; j++)
            m->objects[j].is_here |= short_id_equal(&m->objects[j].put, &put->id);
        m->is_here = m->is_here || (brought == OK && creates(m, put));
    }
    return OK;
}

/* ------------------------------------------------------------------ publishing */

static result stage(struct mending *m, const char *name, const char *kind, struct view body,
                    struct place *out_staged) {
    *out_staged = place_of_mending(m->image, name);
    TRY(record_put(m->storage->store, out_staged->key, kind, body));
    return store_sync(m->storage->store, place_mending(m->image).key);
}

static result publish_signed(struct mending *m, const char *name, const char *kind,
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
            lied(m, i);
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
    return publish_signed(m, PLACE_ENVELOPE, RECORD_ENVELOPE, m->record);
}

result mend_publish_manifest(struct mending *m, struct mend_object *object) {
    char name[2 * FORMAT_ID_BYTES + sizeof PLACE_MANIFEST_SUFFIX];
    if (object->is_here)
        return OK;
    snprintf(name, sizeof name, "%s" PLACE_MANIFEST_SUFFIX, object->id.hex);
    TRY(publish_signed(m, name, RECORD_MANIFEST, object->record));
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
    struct place mark = place_owner_mark(m->owner.name, m->image);
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
    uint64_t bytes;
    if (store_size(m->storage->store, mark.key, &bytes) == OK)
        return OK;
    TRY(store_put(m->storage->store, mark.key, view_of("", 0)));
    return store_sync_names(m->storage->store, place_owner_marks(m->owner.name).key);
}

static result make_put_record(struct mending *m, const struct mend_put *put,
                              struct put_record *record) {
    record->creates = creates(m, put);
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
        atomic_fetch_add(&m->storage->counters.symbol_bytes, record.symbol_bytes);
        put->is_here = true;
        m->report->mended++;
    }
    return OK;
}

/* ------------------------------------------------------------------ forwards */

static result adopt_entry(struct mending *m, const Myelin__ForwardEntry *entry) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    bool taken;
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    TRY(forward_adopt(m->storage, m->image, &m->owner,
                      entry->forward != NULL ? entry->forward : entry->revocation,
                      entry->forward == NULL, &taken));
    m->report->mended += taken;
    return OK;
}

/* Whom the entry is for. */
static result recipient_of(const Myelin__ForwardEntry *entry, char out_name[FORMAT_NAME_MAX + 1]) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    if (entry->forward != NULL)
        TRY(format_parse_forward(format_view(entry->forward->body), &forward));
    else
        TRY(format_parse_revocation(format_view(entry->revocation->body), &revocation));
    const char *name = forward != NULL ? forward->recipient : revocation->recipient;
    memcpy(out_name, name, strlen(name) + 1);
    return OK;
}

static result adopt_from(struct mending *m, unsigned server) {
    char last[FORMAT_NAME_MAX + 1] = "";
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ForwardPage *page = NULL;
        char path[MEND_PATH_BYTES];
        TRY(mend_go_on(m));
        snprintf(path, sizeof path, "/v1/images/%s/forwards%s%s", m->image->hex,
                 last[0] != '\0' ? "?after=" : "", last);
        TRY(peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_PAGE, &wire));
        TRY(format_parse_forward_page(bytes_view(&wire), &page));
        for (size_t i = 0; i < page->n_entry; i++) {
            char name[FORMAT_NAME_MAX + 1];
            TRY(recipient_of(page->entry[i], name));
            if (strcmp(name, last) <= 0)
                return FAIL(PROTOCOL, "forwards out of order");
            TRY(adopt_entry(m, page->entry[i]));
            memcpy(last, name, sizeof last);
        }
        more = page->more;
    }
    return OK;
}

/* The index by recipient misses no active forward. */
static result mark_recipient(struct mending *m, const char *user) {
    struct place mark = place_recipient_mark(user, m->image);
    uint64_t bytes;
    if (store_size(m->storage->store, mark.key, &bytes) == OK)
        return OK;
    TRY(store_put(m->storage->store, mark.key, view_of("", 0)));
    return store_sync_names(m->storage->store, place_recipient_marks(user).key);
}

/* Forwards that are damaged here and that nobody else had are told. */
static result check_forwards(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names users = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_FORWARD_SUFFIX, "", &users));
    for (size_t i = 0; i < users.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        bool is_revocation;
        if (!format_is_name(users.names[i]))
            continue;
        result got = forward_record(m->storage, m->image, users.names[i], &record, &is_revocation);
        if (got == INTEGRITY)
            TRY(mend_note(m, NULL, m->slot_count > 0 ? m->slots[0] : 0, MEND_FAILED, got));
        else if (got == OK && !is_revocation)
            TRY(mark_recipient(m, users.names[i]));
    }
    return OK;
}

result mend_forwards(struct mending *m) {
    struct asking asking = {0};
    TRY(ask_differing(m, &asking, false, adopt_from));
    return check_forwards(m);
}
