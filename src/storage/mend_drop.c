/* Drop: a slot that the system description gives to another server goes, once that server has read
 * its own disk and found all of the slot there, of every object that is here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/mend_private.h"
#include "storage/removal.h"

enum { CHECK_PATIENCE_MS = 600 * 1000 };

static bool is_own(const struct mending *m, uint32_t slot) {
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i] == slot)
            return true;
    return false;
}

static bool names_object(const Myelin__CheckAnswer *answer, const struct short_id *id) {
    for (size_t i = 0; i < answer->n_object; i++)
        if (answer->object[i]->good &&
            view_equal(format_view(answer->object[i]->object), view_of(id->bytes, FORMAT_ID_BYTES)))
            return true;
    return false;
}

/* Whether the slot's new holder has it, by its own reading of its disk. */
static result check_holder(struct mending *m, uint32_t slot) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CheckAnswer *answer = NULL;
    char path[MEND_PATH_BYTES], holder[FORMAT_NAME_MAX + 1];
    if (!slots_holder(m->storage, m->envelope->tau.data, slot, holder))
        return FAIL(NOT_FOUND, "nobody has slot %u now", slot);
    int server = storage_fleet_find(m->group->fleet, holder);
    if (server < 0 || server == m->group->self)
        return FAIL(CONFLICT, "%s is not among the peers", holder);
    snprintf(path, sizeof path, "/v1/images/%s/check?slot=%u", m->image->hex, slot);
    TRY(peers_call(m->group, (unsigned)server, "POST", path, CHECK_PATIENCE_MS,
                   FORMAT_LIMIT_CHECK_ANSWER, &wire));
    TRY(format_parse_check_answer(bytes_view(&wire), &answer));
    if (!answer->envelope_good)
        return FAIL(NOT_FOUND, "%s does not have the symbol of slot %u yet", holder, slot);
    /* One that is here counts, whether its put's commit can be shown now or not. */
    for (size_t i = 0; i < m->object_count; i++)
        if ((m->objects[i].is_committed || m->objects[i].is_here) &&
            !mend_is_deleted(m, &m->objects[i].id) && !names_object(answer, &m->objects[i].id))
            return FAIL(NOT_FOUND, "%s does not have slot %u of object %s yet", holder, slot,
                        m->objects[i].id.hex);
    return OK;
}

static bool is_checked(const struct mending *m, const struct short_id *object) {
    for (size_t i = 0; i < m->object_count; i++)
        if (short_id_equal(&m->objects[i].id, object))
            return m->objects[i].is_committed || m->objects[i].is_here;
    return false;
}

/* Slices of an object that the new holder was not asked for: put since, or its manifest here is
 * damaged and nobody showed another. */
static result check_none_other(struct mending *m, uint32_t slot, const struct store_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        struct short_id object;
        uint32_t of;
        uint64_t bytes;
        if (!place_parse_slices(names->names[i], &object, &of) || of != slot ||
            is_checked(m, &object))
            continue;
        struct place manifest = place_of_object(m->image, &object, PLACE_MANIFEST_SUFFIX);
        result got = store_size(m->storage->store, manifest.key, &bytes);
        if (got != NOT_FOUND)
            return FAIL(CONFLICT, "it is not known whether its new holder has slot %u of object %s",
                        slot, object.hex);
    }
    return OK;
}

static result drop_files(struct mending *m, uint32_t slot) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names names = {0};
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_SLICES_SUFFIX, "", &names));
    TRY(check_none_other(m, slot, &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        uint32_t of;
        if (place_parse_slices(names.names[i], &object, &of) && of == slot)
            TRY(store_delete(m->storage->store, place_of_slices(m->image, &object, slot).key));
    }
    return store_delete(m->storage->store, place_of_symbol(m->image, slot).key);
}

/* Without a slot of the image there is no reason to have anything of it. */
static result drop_image(struct mending *m) {
    result kept = mend_check_forwards_kept(m);
    if (kept == OK)
        kept = mend_check_deletions_kept(m);
    if (kept != OK) {
        log_event(LOG_INFO, "image-kept", "image=%s reason=\"%s\"", m->image->hex, error_text());
        m->report->moving++;
        return kept == NOT_FOUND ? OK : kept;
    }
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    return removal_drop_image(m->storage, m->image, m->owner.name);
}

/* The slots of which anything is here: of some the symbol, of some only slices. */
static result list_slots(struct mending *m, bool out_is_here[FORMAT_SERVERS_MAX]) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names names = {0};
    uint32_t slots[FORMAT_SERVERS_MAX];
    size_t count;
    memset(out_is_here, 0, FORMAT_SERVERS_MAX * sizeof *out_is_here);
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(image_symbol_slots(m->storage, m->image, slots, &count));
    for (size_t i = 0; i < count; i++)
        out_is_here[slots[i]] = true;
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_SLICES_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        uint32_t slot;
        if (place_parse_slices(names.names[i], &object, &slot))
            out_is_here[slot] = true;
    }
    return OK;
}

result mend_drop_moved(struct mending *m) {
    bool is_here[FORMAT_SERVERS_MAX];
    unsigned kept = 0;
    TRY(list_slots(m, is_here));
    for (uint32_t slot = 0; slot < FORMAT_SERVERS_MAX; slot++) {
        if (!is_here[slot] || is_own(m, slot))
            continue;
        TRY(mend_go_on(m));
        result dropped = check_holder(m, slot);
        if (dropped == OK) {
            dropped = drop_files(m, slot);
            if (dropped != OK && dropped != CONFLICT)
                return dropped;
        }
        if (dropped != OK) {
            kept++;
            log_event(LOG_INFO, "slot-kept", "image=%s slot=%u reason=\"%s\"", m->image->hex, slot,
                      error_text());
            continue;
        }
        log_event(LOG_INFO, "slot-dropped", "image=%s slot=%u", m->image->hex, slot);
        TRY(mend_note(m, NULL, slot, MEND_DROPPED, OK));
    }
    m->report->moving += kept;
    return m->slot_count == 0 && kept == 0 ? drop_image(m) : OK;
}
