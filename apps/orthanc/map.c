#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "map_state.h"

enum {
    DUPLICATE_WAIT_MS = 10000, /* Orthanc removes a duplicate within moments of its creation */
    PUT_OFF_MS = 60000,
    HISTORY_MIN = 10000, /* records that need not be, before the journal is written anew */
};

/* ------------------------------------------------------------------ the journal */

static result write_image(struct journal *journal, const struct map_image *image) {
    struct record record;
    for (const struct map_entry *entry = image->first; entry != NULL; entry = entry->next) {
        map_entry_record(entry, RECORD_ADD, &record);
        TRY(journal_append(journal, &record));
    }
    if (image->dead == 0)
        return OK;
    record = (struct record){.op = RECORD_DEAD, .size = image->dead};
    snprintf(record.owner, sizeof record.owner, "%s", image->owner);
    snprintf(record.image, sizeof record.image, "%s", image->id);
    TRY(journal_append(journal, &record));
    record.op = RECORD_DELETE;
    record.size = 0;
    for (const struct map_corpse *corpse = image->corpses; corpse != NULL; corpse = corpse->next) {
        snprintf(record.name, sizeof record.name, "%s", corpse->name);
        TRY(journal_append(journal, &record));
    }
    return OK;
}

static void due_record(const struct map_due *due, enum record_op op, struct record *out_record) {
    *out_record = (struct record){.op = op};
    snprintf(out_record->image, sizeof out_record->image, "%s", due->image);
    snprintf(out_record->name, sizeof out_record->name, "%s", due->user);
}

/* The oldest image first, as it was: each is put before the others in the list. */
static result write_all(void *context, struct journal *journal) {
    const struct map *map = context;
    const struct map_image *last = map->images;
    while (last != NULL && last->next != NULL)
        last = last->next;
    for (; last != NULL; last = last->previous)
        TRY(write_image(journal, last));
    struct record record;
    for (const struct map_due *due = map->due; due != NULL; due = due->next) {
        due_record(due, RECORD_FORWARD, &record);
        TRY(journal_append(journal, &record));
    }
    return OK;
}

/* With the lock held. What it cannot do now it can do later. */
static void tidy(struct map *map) {
    uint64_t needed = map->entry_count + map->image_count + map->corpse_count;
    if (journal_records(map->journal) < 3 * needed + HISTORY_MIN)
        return;
    if (journal_rewrite(map->journal, write_all, map) != OK)
        log_event(LOG_WARNING, "map-not-rewritten", "why=%s", error_text());
}

static result replay(void *context, const struct record *record) {
    result applied = map_apply(context, record);
    if (applied == NOT_FOUND || applied == CONFLICT) /* said twice over a crash */
        return OK;
    return applied;
}

/* The record on disk, then what it does. With the lock held. */
result map_write(struct map *map, const struct record *record) {
    TRY(journal_append(map->journal, record));
    TRY(map_apply(map, record));
    tidy(map);
    return OK;
}

static result load(struct map *map, const char *path, const uint8_t key[JOURNAL_KEY_BYTES],
                   struct map_found *out_found) {
    TRY(journal_open(path, key, replay, map, &out_found->journal, &map->journal));
    if (out_found->journal.is_damaged)
        TRY(journal_rewrite(map->journal, write_all, map));
    tidy(map);
    out_found->attachments = map->entry_count;
    out_found->images = map->image_count;
    return OK;
}

result map_open(const char *path, const uint8_t key[JOURNAL_KEY_BYTES], struct map_found *out_found,
                struct map **out_map) {
    struct map_found found = {0};
    struct map *map = calloc(1, sizeof *map);
    if (map == NULL)
        return FAIL(NO_MEMORY, "no memory for the map");
    pthread_mutex_init(&map->lock, NULL);
    pthread_cond_init(&map->removal_ended, NULL);
    result loaded = load(map, path, key, &found);
    if (loaded != OK) {
        map_close(map);
        return loaded;
    }
    *out_found = found;
    *out_map = map;
    return OK;
}

void map_close(struct map *map) {
    if (map == NULL)
        return;
    journal_close(map->journal);
    map_free_all(map);
    pthread_cond_destroy(&map->removal_ended);
    pthread_mutex_destroy(&map->lock);
    free(map);
}

result map_sync(struct map *map) {
    return journal_sync(map->journal);
}

void map_begin_sync(struct map *map) {
    journal_begin_sync(map->journal);
}

/* ------------------------------------------------------------------ attachments */

static result add(struct map *map, const struct record *record) {
    struct map_image *image;
    bool refers = strcmp(record->name, record->uuid) != 0; /* to what may be being deleted */
    while ((image = map_image_find(map, record->owner, record->image)) != NULL &&
           (image->is_removing || (refers && image->is_deleting)))
        pthread_cond_wait(&map->removal_ended, &map->lock);
    if (map_entry_find(map, record->uuid) != NULL)
        return FAIL(CONFLICT, "the map has %s already", record->uuid);
    TRY(map_write(map, record));
    map_entry_find(map, record->uuid)->added_ms = clock_ms();
    return OK;
}

result map_add(struct map *map, const struct record *record) {
    pthread_mutex_lock(&map->lock);
    result added = add(map, record);
    pthread_mutex_unlock(&map->lock);
    return added;
}

static result find(struct map *map, const char *uuid, struct record *out_record) {
    const struct map_entry *entry = map_entry_find(map, uuid);
    if (entry == NULL)
        return FAIL(NOT_FOUND, "the map has no %.64s", uuid);
    map_entry_record(entry, RECORD_ADD, out_record);
    return OK;
}

result map_find(struct map *map, const char *uuid, struct record *out_record) {
    pthread_mutex_lock(&map->lock);
    result found = find(map, uuid, out_record);
    pthread_mutex_unlock(&map->lock);
    return found;
}

static result change(struct map *map, const char *uuid, enum record_op op) {
    struct record record;
    TRY(find(map, uuid, &record));
    record.op = op;
    return map_write(map, &record);
}

result map_set(struct map *map, const char *uuid, enum record_flags flag) {
    pthread_mutex_lock(&map->lock);
    result changed = change(map, uuid, flag == RECORD_IS_STORED ? RECORD_STORED : RECORD_INDEXED);
    pthread_mutex_unlock(&map->lock);
    return changed;
}

/* One that is on its way to the servers is dead as well. */
static result remove_uuid(struct map *map, const char *uuid, struct record *out_record) {
    TRY(find(map, uuid, out_record));
    const struct map_entry *entry = map_entry_find(map, uuid);
    if (entry->is_pending && entry->is_in_batch) {
        struct record dead = *out_record;
        dead.op = RECORD_DEAD;
        dead.size = 1;
        TRY(map_write(map, &dead));
        dead.op = RECORD_DELETE;
        TRY(map_write(map, &dead));
    }
    return change(map, uuid, RECORD_REMOVE);
}

result map_remove(struct map *map, const char *uuid, struct record *out_record) {
    struct record record;
    pthread_mutex_lock(&map->lock);
    result removed = remove_uuid(map, uuid, &record);
    pthread_mutex_unlock(&map->lock);
    TRY(removed);
    *out_record = record;
    return OK;
}

size_t map_following(struct map *map, const char *uuid, size_t count,
                     char out_uuids[][RECORD_UUID_BYTES + 1]) {
    size_t found = 0;
    pthread_mutex_lock(&map->lock);
    const struct map_entry *entry = map_entry_find(map, uuid);
    for (entry = entry == NULL ? NULL : entry->next; entry != NULL && found < count;
         entry = entry->next)
        if (!entry->is_pending && entry->size > 0)
            memcpy(out_uuids[found++], entry->uuid, sizeof entry->uuid);
    pthread_mutex_unlock(&map->lock);
    return found;
}

bool map_knows_sop(struct map *map, const char *sop) {
    pthread_mutex_lock(&map->lock);
    const struct map_entry *entry = map_sop_first(map, sop);
    while (entry != NULL && strcmp(entry->sop, sop) != 0)
        entry = entry->sop_next;
    pthread_mutex_unlock(&map->lock);
    return entry != NULL;
}

bool map_has_indexed(struct map *map, const char *sop, const char *but_uuid) {
    bool has = false;
    pthread_mutex_lock(&map->lock);
    for (const struct map_entry *entry = map_sop_first(map, sop); entry != NULL && !has;
         entry = entry->sop_next)
        has = strcmp(entry->sop, sop) == 0 && strcmp(entry->uuid, but_uuid) != 0 &&
              (entry->flags & RECORD_IS_INDEXED) != 0;
    pthread_mutex_unlock(&map->lock);
    return has;
}

/* ------------------------------------------------------------------ sending from the spool */

struct map_backlog map_backlog(struct map *map) {
    struct map_backlog backlog = {0};
    pthread_mutex_lock(&map->lock);
    backlog.attachments = map->pending_count;
    backlog.bytes = map->pending_bytes;
    backlog.deletions = map->corpse_count;
    if (map->pending_first != NULL) {
        backlog.oldest_ms = clock_ms() - map->pending_first->added_ms;
        backlog.newest_ms = clock_ms() - map->pending_last->added_ms;
    }
    pthread_mutex_unlock(&map->lock);
    return backlog;
}

static bool may_be_sent(const struct map_entry *entry, uint64_t now_ms) {
    bool is_held_back =
        (entry->flags & RECORD_IS_DUPLICATE) != 0 && now_ms - entry->added_ms < DUPLICATE_WAIT_MS;
    return !entry->is_in_batch && !is_held_back && now_ms >= entry->not_before_ms &&
           !entry->image->is_removing;
}

size_t map_next_batch(struct map *map, size_t count, uint64_t bytes, struct record out_records[]) {
    size_t taken = 0;
    const struct map_image *image = NULL;
    uint64_t now_ms = clock_ms();
    pthread_mutex_lock(&map->lock);
    for (struct map_entry *entry = map->pending_first; entry != NULL && taken < count;
         entry = entry->pending_next) {
        if (!may_be_sent(entry, now_ms) || (image != NULL && entry->image != image))
            continue;
        if (taken > 0 && entry->size > bytes)
            break;
        bytes -= entry->size < bytes ? entry->size : bytes;
        image = entry->image;
        entry->is_in_batch = true;
        entry->image->in_batch++;
        map_entry_record(entry, RECORD_ADD, &out_records[taken++]);
    }
    pthread_mutex_unlock(&map->lock);
    return taken;
}

/* NULL: removed meanwhile, and counted as dead. */
static struct map_entry *leave_batch(struct map *map, const struct record *sent) {
    struct map_image *image = map_image_find(map, sent->owner, sent->image);
    struct map_entry *entry = map_entry_find(map, sent->uuid);
    if (image != NULL) {
        image->in_batch--;
        map_image_tidy(map, image);
    }
    if (entry != NULL)
        entry->is_in_batch = false;
    return entry;
}

void map_put_off(struct map *map, const struct record *record) {
    pthread_mutex_lock(&map->lock);
    struct map_entry *entry = leave_batch(map, record);
    if (entry != NULL)
        entry->not_before_ms = clock_ms() + PUT_OFF_MS;
    pthread_mutex_unlock(&map->lock);
}

static result end_one(struct map *map, const struct record *sent, bool is_stored) {
    if (leave_batch(map, sent) == NULL || !is_stored)
        return OK;
    struct record record = *sent;
    record.op = RECORD_STORED;
    return map_write(map, &record);
}

result map_sent(struct map *map, const struct record records[], size_t count, bool is_stored) {
    result ended = OK;
    pthread_mutex_lock(&map->lock);
    for (size_t i = 0; i < count; i++) {
        result one = end_one(map, &records[i], is_stored);
        ended = ended == OK ? one : ended;
    }
    pthread_mutex_unlock(&map->lock);
    return ended;
}

bool map_is_sending(struct map *map, const char *owner, const char *image) {
    struct map_image_info info;
    return map_image(map, owner, image, &info) && info.pending > 0;
}

/* ------------------------------------------------------------------ images */

static void show_image(const struct map_image *image, struct map_image_info *out_info) {
    *out_info = (struct map_image_info){.living = image->living,
                                        .dead = image->dead,
                                        .pending = image->pending,
                                        .deletions = image->corpse_count};
    snprintf(out_info->owner, sizeof out_info->owner, "%s", image->owner);
    snprintf(out_info->id, sizeof out_info->id, "%s", image->id);
}

bool map_image(struct map *map, const char *owner, const char *id,
               struct map_image_info *out_info) {
    pthread_mutex_lock(&map->lock);
    const struct map_image *image = map_image_find(map, owner, id);
    if (image != NULL)
        show_image(image, out_info);
    pthread_mutex_unlock(&map->lock);
    return image != NULL;
}

void map_images(struct map *map, const char *owner, map_image_found found, void *context) {
    struct map_image_info info;
    pthread_mutex_lock(&map->lock);
    for (const struct map_image *image = map->images; image != NULL; image = image->next) {
        if (image->living == 0 ||
            (owner == NULL ? image->owner[0] == '\0' : strcmp(image->owner, owner) != 0))
            continue;
        show_image(image, &info);
        found(context, &info);
    }
    pthread_mutex_unlock(&map->lock);
}

static result copy_entries(const struct map_image *image, struct record **out_records,
                           size_t *out_count) {
    struct record *records = calloc(image->living + 1, sizeof *records);
    if (records == NULL)
        return FAIL(NO_MEMORY, "no memory for an image's attachments");
    size_t count = 0;
    for (const struct map_entry *entry = image->first; entry != NULL; entry = entry->next)
        map_entry_record(entry, RECORD_ADD, &records[count++]);
    *out_records = records;
    *out_count = count;
    return OK;
}

result map_attachments(struct map *map, const char *owner, const char *id,
                       struct record **out_records, size_t *out_count) {
    pthread_mutex_lock(&map->lock);
    const struct map_image *image = map_image_find(map, owner, id);
    struct map_image none = {0};
    result copied = copy_entries(image == NULL ? &none : image, out_records, out_count);
    pthread_mutex_unlock(&map->lock);
    return copied;
}

static size_t list_unconfirmed(const struct map *map, struct record *out_records) {
    size_t count = 0;
    for (const struct map_image *image = map->images; image != NULL; image = image->next)
        for (const struct map_entry *entry = image->first; entry != NULL; entry = entry->next) {
            if ((entry->flags & RECORD_IS_INDEXED) != 0)
                continue;
            if (out_records != NULL)
                map_entry_record(entry, RECORD_ADD, &out_records[count]);
            count++;
        }
    return count;
}

result map_unconfirmed(struct map *map, struct record **out_records, size_t *out_count) {
    pthread_mutex_lock(&map->lock);
    struct record *records = calloc(list_unconfirmed(map, NULL) + 1, sizeof *records);
    size_t count = records == NULL ? 0 : list_unconfirmed(map, records);
    pthread_mutex_unlock(&map->lock);
    if (records == NULL)
        return FAIL(NO_MEMORY, "no memory to look through the map");
    *out_records = records;
    *out_count = count;
    return OK;
}

bool map_next_removal(struct map *map, uint64_t age_ms, struct map_image_info *out_info) {
    struct map_image *image;
    uint64_t now_ms = clock_ms();
    pthread_mutex_lock(&map->lock);
    for (image = map->images; image != NULL; image = image->next)
        if (image->owner[0] == '\0' && image->living == 0 && image->in_batch == 0 &&
            image->dead > 0 && !image->is_removing && now_ms - image->idle_since_ms >= age_ms)
            break;
    if (image != NULL) {
        image->is_removing = true;
        show_image(image, out_info);
    }
    pthread_mutex_unlock(&map->lock);
    return image != NULL;
}

result map_removed(struct map *map, const char *id, bool is_removed) {
    struct record record = {.op = RECORD_GONE};
    snprintf(record.image, sizeof record.image, "%s", id);
    result done = OK;
    pthread_mutex_lock(&map->lock);
    struct map_image *image = map_image_find(map, "", id);
    if (image != NULL) {
        image->is_removing = false;
        image->idle_since_ms = clock_ms();
        if (is_removed)
            done = map_write(map, &record);
    }
    pthread_cond_broadcast(&map->removal_ended);
    pthread_mutex_unlock(&map->lock);
    return done;
}

/* ------------------------------------------------------------------ forwards that are due */

static result forward(struct map *map, enum record_op op, const char *image, const char *user) {
    struct record record = {.op = op};
    snprintf(record.image, sizeof record.image, "%s", image);
    snprintf(record.name, sizeof record.name, "%s", user);
    pthread_mutex_lock(&map->lock);
    result done = map_write(map, &record);
    pthread_mutex_unlock(&map->lock);
    return done;
}

result map_want_forward(struct map *map, const char *image, const char *user) {
    TRY(forward(map, RECORD_FORWARD, image, user));
    return map_sync(map);
}

result map_end_forward(struct map *map, const char *image, const char *user) {
    return forward(map, RECORD_FORWARDED, image, user);
}

bool map_due_forward(struct map *map, size_t index, struct record *out_record) {
    pthread_mutex_lock(&map->lock);
    const struct map_due *due = map->due;
    while (due != NULL && index-- > 0)
        due = due->next;
    if (due != NULL)
        due_record(due, RECORD_FORWARD, out_record);
    pthread_mutex_unlock(&map->lock);
    return due != NULL;
}
