/* Commits: the puts that brought an image's objects, and the owner's word for each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/hash.h"
#include "storage/mend_private.h"
#include "storage/put.h"
#include "storage/put_table.h"

struct mend_put *mend_find_put(struct mending *m, const struct short_id *id) {
    for (size_t i = 0; i < m->put_count; i++)
        if (short_id_equal(&m->puts[i].id, id))
            return &m->puts[i];
    return NULL;
}

bool mend_creates(const struct mending *m, const struct mend_put *put) {
    return view_equal(format_view(m->envelope->put), view_of(put->id.bytes, FORMAT_ID_BYTES));
}

static result list_puts(struct mending *m) {
    m->puts = calloc(m->object_count + 1, sizeof *m->puts);
    if (m->puts == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu puts", m->object_count);
    TRY(short_id_from(format_view(m->envelope->put), &m->puts[m->put_count++].id));
    for (size_t i = 0; i < m->object_count; i++)
        if (mend_find_put(m, &m->objects[i].put) == NULL)
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
    result made = format_commit_contents(mend_creates(m, put) ? m->record : NULL, manifests, count,
                                         out_contents);
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

static int compare_objects(const void *a, const void *b) {
    return memcmp(((const struct mend_object *)a)->id.bytes,
                  ((const struct mend_object *)b)->id.bytes, FORMAT_ID_BYTES);
}

/* False where of some put not all is known. */
result mend_find_commits(struct mending *m, bool *out_is_whole) {
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
        m->is_here = m->is_here || (brought == OK && mend_creates(m, put));
    }
    return OK;
}
