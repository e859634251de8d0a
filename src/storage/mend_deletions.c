/* Deletions of an image that is being mended: those that verify, from here and from others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/deletion.h"
#include "storage/mend_private.h"
#include "system/placement.h"

/* Where the object's deletion is in the list, or belongs. */
static size_t position_of(const struct mending *m, const struct short_id *object) {
    size_t low = 0, high = m->deletion_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(m->deletions[middle].object.bytes, object->bytes, FORMAT_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mend_deletion *find(const struct mending *m, const struct short_id *object) {
    size_t at = position_of(m, object);
    return at < m->deletion_count && short_id_equal(&m->deletions[at].object, object)
               ? &m->deletions[at]
               : NULL;
}

bool mend_is_deleted(const struct mending *m, const struct short_id *object) {
    return find(m, object) != NULL;
}

static result room_for_one(struct mending *m) {
    if (m->deletion_count < m->deletion_capacity)
        return OK;
    if (m->deletion_count >= FORMAT_CHECKED_MAX)
        return FAIL(INTEGRITY, "image %s has more than %d deleted objects", m->image->hex,
                    FORMAT_CHECKED_MAX);
    size_t capacity = m->deletion_capacity == 0 ? 16 : 2 * m->deletion_capacity;
    struct mend_deletion *grown = reallocarray(m->deletions, capacity, sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu deletions", capacity);
    m->deletions = grown;
    m->deletion_capacity = capacity;
    return OK;
}

result mend_add_deletion(struct mending *m, Myelin__Signed **record, bool is_here) {
    struct short_id object;
    result opened =
        deletion_open(&m->owner, m->image, format_view(m->envelope->put), *record, &object);
    if (opened == CONFLICT) /* of the image as it was before it was removed and put again */
        return OK;
    TRY(opened);
    if (find(m, &object) != NULL)
        return OK;
    TRY(room_for_one(m));
    size_t at = position_of(m, &object);
    memmove(&m->deletions[at + 1], &m->deletions[at],
            (m->deletion_count - at) * sizeof *m->deletions);
    m->deletions[at] =
        (struct mend_deletion){.object = object, .record = *record, .is_here = is_here};
    m->deletion_count++;
    *record = NULL;
    return OK;
}

result mend_own_deletions(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names names = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(deletion_list(m->storage, m->image, &names));
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) != OK ||
            deletion_get(m->storage, m->image, &object, &record) != OK)
            continue;
        result added = mend_add_deletion(m, &record, true);
        if (added == NO_MEMORY)
            return added;
    }
    return OK;
}

/* ------------------------------------------------------------------ here */

/* A deletion that is news here; the slices go with all others that were deleted. */
static result publish(struct mending *m, struct mend_deletion *deletion) {
    char name[2 * FORMAT_ID_BYTES + sizeof PLACE_DELETION_SUFFIX];
    snprintf(name, sizeof name, "%s" PLACE_DELETION_SUFFIX, deletion->object.hex);
    bool was_here;
    uint64_t bytes;
    {
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        TRY(image_lock_read(m->storage, m->image, &lock));
        was_here = deletion_was_here(m->storage, m->image, &deletion->object);
        bytes = deletion_counted_bytes(m->storage, m->image, &deletion->object);
    }
    TRY(mend_publish_signed(m, name, RECORD_DELETION, deletion->record));
    if (!was_here) /* else one that was damaged, or that came meanwhile */
        atomic_fetch_sub(&m->storage->counters.symbol_bytes, bytes);
    deletion->is_here = true;
    m->report->mended++;
    return OK;
}

result mend_publish_deletions(struct mending *m) {
    for (size_t i = 0; i < m->deletion_count; i++) {
        TRY(mend_go_on(m));
        if (!m->deletions[i].is_here)
            TRY(publish(m, &m->deletions[i]));
    }
    if (m->deletion_count == 0)
        return OK;
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    return deletion_sweep(m->storage, m->image);
}

/* ------------------------------------------------------------------ before all of it goes */

static result note_kept(struct mending *m, unsigned server, bool is_kept[]) {
    struct short_id last = {.hex = ""};
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ManifestPage *page = NULL;
        TRY(mend_ask_page(m, server, "objects", last.hex, &wire));
        TRY(format_parse_manifest_page(bytes_view(&wire), &page));
        TRY(mend_end_of_page(page, &last));
        for (size_t i = 0; i < page->n_deletion; i++) {
            struct short_id object;
            TRY(deletion_open(&m->owner, m->image, format_view(m->envelope->put), page->deletion[i],
                              &object));
            struct mend_deletion *own = find(m, &object);
            if (own != NULL)
                is_kept[own - m->deletions] = true;
        }
        more = page->more;
    }
    return OK;
}

result mend_check_deletions_kept(struct mending *m) {
    const char *names[FORMAT_SERVERS_MAX];
    unsigned n = placement_slots_by_id(&m->group->description, m->image->bytes, names);
    result kept = OK;
    if (m->deletion_count == 0)
        return OK;
    bool *is_kept = calloc(m->deletion_count, sizeof *is_kept);
    if (is_kept == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu deletions", m->deletion_count);
    for (unsigned slot = 0; slot < n && kept == OK; slot++) {
        int server = storage_fleet_find(m->group->fleet, names[slot]);
        if (server < 0 || server == m->group->self)
            continue;
        result asked = note_kept(m, (unsigned)server, is_kept);
        if (asked == NO_MEMORY || m->mender->stopping)
            kept = asked;
    }
    for (size_t i = 0; i < m->deletion_count && kept == OK; i++)
        if (!is_kept[i])
            kept = FAIL(NOT_FOUND, "no holder of image %s knows yet that object %s was deleted",
                        m->image->hex, m->deletions[i].object.hex);
    free(is_kept);
    return kept;
}
