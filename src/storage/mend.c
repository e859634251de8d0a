#include "storage/mend.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/deletion.h"
#include "storage/forward.h"
#include "storage/mend_private.h"
#include "storage/put.h"
#include "storage/removal.h"

enum { ANSWER_AFTER_MS = 4000, TURN_WAIT_MS = 30000 };

/* ------------------------------------------------------------------ one image at a time */

struct active {
    struct image_id image;
    struct active *next;
};

static bool is_active(const struct mender *mender, const struct image_id *image) {
    for (const struct active *active = mender->active; active != NULL; active = active->next)
        if (image_id_equal(&active->image, image))
            return true;
    return false;
}

/* Whoever has the image hurries meanwhile: see mend_pace. */
static result begin(struct mender *mender, const struct image_id *image, uint32_t wait_ms,
                    struct active *active) {
    uint64_t until_ns = clock_ns() + (uint64_t)wait_ms * 1000000;
    pthread_mutex_lock(&mender->lock);
    mender->waiting++;
    bool in_time = true;
    while (in_time && is_active(mender, image))
        in_time = clock_wait_until(&mender->change, &mender->lock, until_ns);
    mender->waiting--;
    bool is_free = !is_active(mender, image);
    if (is_free) {
        *active = (struct active){*image, mender->active};
        mender->active = active;
    }
    pthread_mutex_unlock(&mender->lock);
    return is_free ? OK
                   : FAIL(TIMEOUT, "%s: image %s is being mended already: ask again later",
                          mender->storage->server, image->hex);
}

bool mender_is_awaited(const struct mender *mender) {
    return mender->waiting > 0;
}

static void end(struct mender *mender, struct active *active) {
    pthread_mutex_lock(&mender->lock);
    struct active **at = &mender->active;
    while (*at != active)
        at = &(*at)->next;
    *at = active->next;
    pthread_cond_broadcast(&mender->change);
    pthread_mutex_unlock(&mender->lock);
}

result mender_new(struct storage *storage, struct peers *peers, struct mender **out_mender) {
    struct mender *mender = calloc(1, sizeof *mender);
    if (mender == NULL)
        return FAIL(NO_MEMORY, "no memory for a mender");
    mender->storage = storage;
    mender->peers = peers;
    pthread_mutex_init(&mender->lock, NULL);
    pthread_cond_init(&mender->change, NULL);
    result cleaned = store_delete_all(storage->store, "mending");
    if (cleaned != OK) {
        mender_free(mender);
        return cleaned;
    }
    *out_mender = mender;
    return OK;
}

void mender_free(struct mender *mender) {
    if (mender == NULL)
        return;
    pthread_cond_destroy(&mender->change);
    pthread_mutex_destroy(&mender->lock);
    free(mender);
}

void mender_stop(struct mender *mender) {
    mender->stopping = true;
}

/* ------------------------------------------------------------------ the report */

void mend_report_free(struct mend_report *report) {
    free(report->parts);
    *report = (struct mend_report){0};
}

static result room_for_part(struct mend_report *report) {
    if (report->count < report->capacity)
        return OK;
    size_t capacity = report->capacity == 0 ? 16 : 2 * report->capacity;
    struct mend_part *grown = reallocarray(report->parts, capacity, sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for a report of %zu parts", capacity);
    report->parts = grown;
    report->capacity = capacity;
    return OK;
}

/* What the wire takes: printable ASCII, and not too much of it. */
static void keep_fault(struct mend_part *part) {
    const char *text = error_text();
    size_t len = 0;
    for (; text[len] != '\0' && len < FORMAT_FAULT_MAX; len++)
        part->fault[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
    if (len == 0)
        part->fault[len++] = '?';
    part->fault[len] = '\0';
}

static const char *const outcome_names[] = {
    [MEND_GOOD] = "good",     [MEND_REBUILT] = "rebuilt", [MEND_COPIED] = "copied",
    [MEND_FAILED] = "failed", [MEND_DROPPED] = "dropped",
};

result mend_note(struct mending *m, const struct short_id *object, uint32_t slot,
                 enum mend_outcome outcome, result code) {
    struct mend_report *report = m->report;
    struct mend_part part = {.slot = slot, .outcome = outcome, .code = code};
    const char *what = object != NULL ? object->hex : "envelope";
    if (outcome == MEND_FAILED)
        keep_fault(&part);
    if (object != NULL) {
        part.has_object = true;
        part.object = *object;
    }
    TRY(room_for_part(report));
    report->parts[report->count++] = part;
    report->found += outcome != MEND_GOOD && outcome != MEND_DROPPED;
    report->mended += outcome == MEND_REBUILT || outcome == MEND_COPIED;
    report->failed += outcome == MEND_FAILED;
    report->dropped += outcome == MEND_DROPPED;
    if (outcome == MEND_FAILED)
        log_event(LOG_ERROR, "mend-failed", "image=%s part=%s slot=%u reason=\"%s\"", m->image->hex,
                  what, slot, part.fault);
    else if (outcome != MEND_GOOD)
        log_event(LOG_INFO, "mended", "image=%s part=%s slot=%u %s", m->image->hex, what, slot,
                  outcome_names[outcome]);
    return OK;
}

/* ------------------------------------------------------------------ for all steps */

result mend_go_on(const struct mending *m) {
    return m->mender->stopping ? FAIL(TIMEOUT, "%s is stopping", m->storage->server) : OK;
}

void mend_pace(const struct mending *m, uint64_t bytes) {
    if (m->options->pace != NULL && !mender_is_awaited(m->mender))
        m->options->pace(m->options->context, bytes);
}

result mend_check_standing(struct mending *m) {
    AUTO_FORMAT Myelin__Signed *here = NULL;
    TRY(put_finish_decided(m->storage, m->image));
    TRY(removal_check_newer(m->storage, m->image, &m->owner, m->envelope->created_ms));
    result got = image_envelope(m->storage, m->image, &here, NULL);
    if (got == NOT_FOUND && m->is_here)
        return FAIL(CONFLICT, "image %s is gone", m->image->hex);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK;
    TRY(got);
    if (!view_equal(format_view(here->body), format_view(m->record->body)))
        return FAIL(CONFLICT, "image %s is another one now", m->image->hex);
    return OK;
}

/* `object`: whose slices they are; NULL: it is something else. */
static result publish(struct mending *m, const char *staged, const char *key,
                      const struct short_id *object) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    if (object != NULL && deletion_is_here(m->storage, m->image, object))
        return OK;
    TRY(store_publish(m->storage->store, staged, key));
    return store_sync_names(m->storage->store, place_image(m->image).key);
}

result mend_publish(struct mending *m, const char *staged, const char *key) {
    return publish(m, staged, key, NULL);
}

result mend_publish_slices(struct mending *m, const char *staged, const struct short_id *object,
                           uint32_t slot) {
    return publish(m, staged, place_of_slices(m->image, object, slot).key, object);
}

/* ------------------------------------------------------------------ who may ask */

static result authorise(struct mending *m) {
    const struct storage_caller *caller = m->options->caller;
    bool active = false;
    if (caller == NULL || caller->role == STORAGE_ROLE_PEER || caller->role == STORAGE_ROLE_MANAGER)
        return OK;
    if (caller->role == STORAGE_ROLE_USER && strcmp(caller->name, m->owner.name) == 0 &&
        memcmp(caller->identity, m->owner.identity, SIGN_PUBLIC_BYTES) == 0)
        return OK;
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    if (caller->role == STORAGE_ROLE_USER && m->is_here)
        TRY(forward_is_active(m->storage, m->image, caller->name, &active));
    return active ? OK
                  : FAIL(DENIED, "%s: %s may not have image %s repaired", m->storage->server,
                         caller->name, m->image->hex);
}

/* ------------------------------------------------------------------ the whole */

static void choose_slots(struct mending *m) {
    size_t kept = 0;
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i] < m->envelope->n_servers)
            m->slots[kept++] = m->slots[i];
    m->slot_count = kept;
}

static bool time_is_up(const struct mending *m) {
    return m->options->enough_ms > 0 &&
           m->storage->steady_ms() - m->started_ms >= m->options->enough_ms;
}

static result mend_slots(struct mending *m, struct mend_object *object) {
    for (size_t j = 0; j < m->slot_count; j++) {
        if (m->slots[j] >= object->manifest->n_servers)
            continue;
        if (!object->is_committed && !object->is_here) {
            TRY(mend_note(m, &object->id, m->slots[j], MEND_FAILED,
                          FAIL(QUORUM, "the commit of put %s is not known, or not all of it",
                               object->put.hex)));
            continue;
        }
        TRY(mend_object_slot(m, object, m->slots[j]));
    }
    return OK;
}

/* Of an object that was deleted the manifest is all that should be here. */
static result mend_objects(struct mending *m) {
    for (size_t i = 0; i < m->object_count; i++) {
        struct mend_object *object = &m->objects[i];
        if (m->options->after != NULL &&
            memcmp(object->id.bytes, m->options->after->bytes, FORMAT_ID_BYTES) <= 0)
            continue;
        if (m->report->is_unfinished)
            return OK;
        if (!mend_is_deleted(m, &object->id))
            TRY(mend_slots(m, object));
        if (object->is_committed)
            TRY(mend_publish_manifest(m, object));
        m->report->after = object->id;
        m->report->is_unfinished = time_is_up(m) && i + 1 < m->object_count;
    }
    return OK;
}

/* The envelope's symbol and all objects before the owner: an image that is there is whole, as far
 * as this server can make it. */
static result mend_all(struct mending *m) {
    TRY(mend_find_records(m));
    TRY(mend_bring_commits(m));
    TRY(mend_publish_deletions(m));
    if (m->options->after == NULL) {
        TRY(mend_publish_envelope(m));
        for (size_t i = 0; i < m->slot_count; i++)
            TRY(mend_envelope_slot(m, m->slots[i]));
    }
    TRY(mend_objects(m));
    if (m->report->is_unfinished)
        return OK;
    TRY(mend_publish_owner(m));
    TRY(mend_publish_puts(m));
    TRY(mend_forwards(m));
    return mend_drop_moved(m);
}

static result mend(struct mending *m) {
    TRY(mend_gather(m));
    TRY(mend_take_removals(m));
    TRY(mend_find_standing(m));
    TRY(authorise(m));
    choose_slots(m);
    if (m->slot_count == 0 && !m->is_here)
        return OK; /* none of it belongs here */
    return mend_all(m);
}

static void mending_clean_up(struct mending *m) {
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++)
        format_free(m->states[i]);
    bytes_free(&m->certificate);
    format_free(m->record);
    format_free(m->envelope);
    for (size_t i = 0; i < m->object_count; i++) {
        format_free(m->objects[i].record);
        format_free(m->objects[i].manifest);
    }
    free(m->objects);
    for (size_t i = 0; i < m->put_count; i++)
        bytes_free(&m->puts[i].commit);
    free(m->puts);
    for (size_t i = 0; i < m->deletion_count; i++)
        format_free(m->deletions[i].record);
    free(m->deletions);
    free(m);
}

result mend_image(struct mender *mender, const struct image_id *image,
                  const struct mend_options *options, struct mend_report *out_report) {
    struct active active;
    TRY(begin(mender, image, options->wait_ms != 0 ? options->wait_ms : TURN_WAIT_MS, &active));
    struct mending *m = calloc(1, sizeof *m);
    if (m == NULL) {
        end(mender, &active);
        return FAIL(NO_MEMORY, "no memory to mend with");
    }
    m->mender = mender;
    m->storage = mender->storage;
    m->image = image;
    m->options = options;
    m->report = out_report;
    m->started_ms = m->storage->steady_ms();
    m->group = peers_hold(mender->peers);
    result mended = mend(m);
    peers_release(mender->peers, m->group);
    if (store_delete_all(m->storage->store, place_mending(image).key) != OK)
        log_event(LOG_WARNING, "mending", "image=%s left behind", image->hex);
    mending_clean_up(m);
    end(mender, &active);
    return mended;
}

/* ------------------------------------------------------------------ the answer */

static result pack_answer(struct mend_report *report, struct bytes *out_answer) {
    Myelin__RepairAnswer answer = MYELIN__REPAIR_ANSWER__INIT;
    Myelin__RepairedPart *parts = calloc(report->count + 1, sizeof *parts);
    Myelin__RepairedPart **pointers = calloc(report->count + 1, sizeof(Myelin__RepairedPart *));
    result packed = FAIL(NO_MEMORY, "no memory for %zu parts", report->count);
    for (size_t i = 0; parts != NULL && pointers != NULL && i < report->count; i++) {
        struct mend_part *part = &report->parts[i];
        myelin__repaired_part__init(&parts[i]);
        if (part->has_object)
            parts[i].object = format_bytes(view_of(part->object.bytes, FORMAT_ID_BYTES));
        parts[i].slot = part->slot;
        parts[i].outcome = (uint32_t)part->outcome;
        if (part->outcome == MEND_FAILED) {
            parts[i].fault = part->fault;
            parts[i].code = result_http_status(part->code);
        }
        pointers[i] = &parts[i];
    }
    if (parts != NULL && pointers != NULL) {
        answer.part = pointers;
        answer.n_part = report->count;
        answer.bytes_read = report->bytes_read;
        answer.bytes_written = report->bytes_written;
        if (report->is_unfinished)
            answer.after = format_bytes(view_of(report->after.bytes, FORMAT_ID_BYTES));
        packed = format_pack(&answer, out_answer);
    }
    free(parts);
    free(pointers);
    return packed;
}

result mend_answer(struct mender *mender, const struct storage_caller *caller,
                   const struct image_id *image, const char *after, struct bytes *out_answer) {
    AUTO_MEND_REPORT struct mend_report report = {0};
    struct short_id after_id;
    if (*after != '\0')
        TRY(short_id_parse("?after=", after, &after_id));
    const struct mend_options options = {
        .caller = caller,
        .after = *after != '\0' ? &after_id : NULL,
        .enough_ms = ANSWER_AFTER_MS,
    };
    TRY(mend_image(mender, image, &options, &report));
    return pack_answer(&report, out_answer);
}
