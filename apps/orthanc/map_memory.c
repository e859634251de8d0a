/* The map in memory: hash tables and lists, and what each record does to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "map_state.h"

enum { BUCKETS_FIRST = 1024 };

/* FNV-1a; keys are random uuids, or are looked up by whoever may store anyway. */
static uint64_t hash_text(const char *text, uint64_t hash) {
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return hash;
}

#define HASH_START UINT64_C(14695981039346656037)

static size_t bucket_of(const struct map *map, const char *text) {
    return hash_text(text, HASH_START) % map->buckets;
}

static size_t bucket_of_image(const struct map *map, const char *owner, const char *id) {
    return hash_text(id, hash_text(owner, HASH_START) * 31) % map->buckets;
}

/* ------------------------------------------------------------------ tables */

static void link_entry(struct map *map, struct map_entry *entry) {
    size_t bucket = bucket_of(map, entry->uuid);
    entry->hash_next = map->entries[bucket];
    map->entries[bucket] = entry;
    if (entry->sop[0] == '\0')
        return;
    bucket = bucket_of(map, entry->sop);
    entry->sop_next = map->sops[bucket];
    map->sops[bucket] = entry;
}

static void link_image(struct map *map, struct map_image *image) {
    size_t bucket = bucket_of_image(map, image->owner, image->id);
    image->hash_next = map->images_by_id[bucket];
    map->images_by_id[bucket] = image;
}

static result grow(struct map *map, size_t buckets) {
    struct map_entry **entries = calloc(buckets, sizeof(struct map_entry *));
    struct map_entry **sops = calloc(buckets, sizeof(struct map_entry *));
    struct map_image **images = calloc(buckets, sizeof(struct map_image *));
    if (entries == NULL || sops == NULL || images == NULL) {
        free(entries);
        free(sops);
        free(images);
        return FAIL(NO_MEMORY, "no memory for the map");
    }
    free(map->entries);
    free(map->sops);
    free(map->images_by_id);
    map->entries = entries;
    map->sops = sops;
    map->images_by_id = images;
    map->buckets = buckets;
    for (struct map_image *image = map->images; image != NULL; image = image->next) {
        link_image(map, image);
        for (struct map_entry *entry = image->first; entry != NULL; entry = entry->next)
            link_entry(map, entry);
    }
    return OK;
}

struct map_entry *map_entry_find(struct map *map, const char *uuid) {
    struct map_entry *entry = map->buckets == 0 ? NULL : map->entries[bucket_of(map, uuid)];
    while (entry != NULL && strcmp(entry->uuid, uuid) != 0)
        entry = entry->hash_next;
    return entry;
}

struct map_entry *map_sop_first(struct map *map, const char *sop) {
    return map->buckets == 0 ? NULL : map->sops[bucket_of(map, sop)];
}

struct map_image *map_image_find(struct map *map, const char *owner, const char *id) {
    struct map_image *image =
        map->buckets == 0 ? NULL : map->images_by_id[bucket_of_image(map, owner, id)];
    while (image != NULL && (strcmp(image->owner, owner) != 0 || strcmp(image->id, id) != 0))
        image = image->hash_next;
    return image;
}

void map_entry_record(const struct map_entry *entry, enum record_op op, struct record *out_record) {
    *out_record = (struct record){.op = op, .flags = entry->flags, .size = entry->size};
    snprintf(out_record->uuid, sizeof out_record->uuid, "%s", entry->uuid);
    snprintf(out_record->owner, sizeof out_record->owner, "%s", entry->image->owner);
    snprintf(out_record->image, sizeof out_record->image, "%s", entry->image->id);
    snprintf(out_record->name, sizeof out_record->name, "%s",
             entry->name == NULL ? entry->uuid : entry->name);
    snprintf(out_record->sop, sizeof out_record->sop, "%s", entry->sop);
}

/* ------------------------------------------------------------------ images */

static result image_of(struct map *map, const char *owner, const char *id,
                       struct map_image **out_image) {
    struct map_image *image = map_image_find(map, owner, id);
    if (image == NULL) {
        if (map->entry_count + map->image_count >= map->buckets)
            TRY(grow(map, map->buckets == 0 ? BUCKETS_FIRST : 2 * map->buckets));
        image = calloc(1, sizeof *image);
        char *copy = strdup(id);
        if (image == NULL || copy == NULL) {
            free(image);
            free(copy);
            return FAIL(NO_MEMORY, "no memory for the map");
        }
        image->id = copy;
        snprintf(image->owner, sizeof image->owner, "%s", owner);
        link_image(map, image);
        image->next = map->images;
        if (map->images != NULL)
            map->images->previous = image;
        map->images = image;
        map->image_count++;
    }
    *out_image = image;
    return OK;
}

static void forget_image(struct map *map, struct map_image *image) {
    struct map_image **link = &map->images_by_id[bucket_of_image(map, image->owner, image->id)];
    while (*link != image)
        link = &(*link)->hash_next;
    *link = image->hash_next;
    if (image->previous != NULL)
        image->previous->next = image->next;
    else
        map->images = image->next;
    if (image->next != NULL)
        image->next->previous = image->previous;
    map->image_count--;
    free(image->id);
    free(image);
}

/* An image that nothing is known of any more need not be kept. */
void map_image_tidy(struct map *map, struct map_image *image) {
    bool is_own = image->owner[0] == '\0';
    if (image->living == 0 && image->in_batch == 0 && (image->dead == 0 || !is_own) &&
        image->corpses == NULL && !image->is_removing && !image->is_deleting)
        forget_image(map, image);
}

/* ------------------------------------------------------------------ dead objects */

static struct map_corpse *find_corpse(const struct map_image *image, const char *name) {
    struct map_corpse *corpse = image->corpses;
    while (corpse != NULL && strcmp(corpse->name, name) != 0)
        corpse = corpse->next;
    return corpse;
}

static bool is_living(const struct map_image *image, const char *name) {
    for (const struct map_entry *entry = image->first; entry != NULL; entry = entry->next)
        if (strcmp(entry->name == NULL ? entry->uuid : entry->name, name) == 0)
            return true;
    return false;
}

/* What is named otherwise than by a uuid was not stored by Orthanc: it is not the gateway's to
 * delete.
 */
static result add_corpse(struct map *map, struct map_image *image, const char *name) {
    if (image->owner[0] != '\0' || !record_is_uuid(name) || find_corpse(image, name) != NULL)
        return OK;
    struct map_corpse *corpse = calloc(1, sizeof *corpse);
    char *copy = strdup(name);
    if (corpse == NULL || copy == NULL) {
        free(corpse);
        free(copy);
        return FAIL(NO_MEMORY, "no memory for the map");
    }
    *corpse = (struct map_corpse){.name = copy, .next = image->corpses};
    image->corpses = corpse;
    image->corpse_count++;
    map->corpse_count++;
    return OK;
}

static void remove_corpse(struct map *map, struct map_image *image, const char *name) {
    for (struct map_corpse **link = &image->corpses; *link != NULL; link = &(*link)->next) {
        struct map_corpse *corpse = *link;
        if (strcmp(corpse->name, name) != 0)
            continue;
        *link = corpse->next;
        free(corpse->name);
        free(corpse);
        image->corpse_count--;
        map->corpse_count--;
        return;
    }
}

static void forget_corpses(struct map *map, struct map_image *image) {
    while (image->corpses != NULL)
        remove_corpse(map, image, image->corpses->name);
}

/* ------------------------------------------------------------------ entries */

static void enqueue(struct map *map, struct map_entry *entry) {
    entry->is_pending = true;
    entry->pending_previous = map->pending_last;
    if (map->pending_last != NULL)
        map->pending_last->pending_next = entry;
    else
        map->pending_first = entry;
    map->pending_last = entry;
    map->pending_count++;
    map->pending_bytes += entry->size;
    entry->image->pending++;
}

void map_unqueue(struct map *map, struct map_entry *entry) {
    if (!entry->is_pending)
        return;
    entry->is_pending = false;
    if (entry->pending_previous != NULL)
        entry->pending_previous->pending_next = entry->pending_next;
    else
        map->pending_first = entry->pending_next;
    if (entry->pending_next != NULL)
        entry->pending_next->pending_previous = entry->pending_previous;
    else
        map->pending_last = entry->pending_previous;
    entry->pending_previous = entry->pending_next = NULL;
    map->pending_count--;
    map->pending_bytes -= entry->size;
    entry->image->pending--;
}

static result new_entry(const struct record *record, struct map_entry **out_entry) {
    struct map_entry *entry = calloc(1, sizeof *entry);
    bool has_name = strcmp(record->name, record->uuid) != 0;
    char *name = has_name ? strdup(record->name) : NULL;
    if (entry == NULL || (has_name && name == NULL)) {
        free(entry);
        free(name);
        return FAIL(NO_MEMORY, "no memory for the map");
    }
    snprintf(entry->uuid, sizeof entry->uuid, "%s", record->uuid);
    snprintf(entry->sop, sizeof entry->sop, "%s", record->sop);
    entry->name = name;
    entry->flags = record->flags;
    entry->size = record->size;
    *out_entry = entry;
    return OK;
}

static result add(struct map *map, const struct record *record) {
    if (map_entry_find(map, record->uuid) != NULL)
        return FAIL(CONFLICT, "the map has %s already", record->uuid);
    struct map_image *image;
    struct map_entry *entry = NULL;
    TRY(image_of(map, record->owner, record->image, &image));
    result made = new_entry(record, &entry);
    if (made == OK && map->entry_count + map->image_count >= map->buckets)
        made = grow(map, 2 * map->buckets);
    if (made != OK) {
        map_image_tidy(map, image);
        return made;
    }
    entry->image = image;
    if (image->corpses != NULL) /* it lives again */
        remove_corpse(map, image, record->name);
    entry->previous = image->last;
    if (image->last != NULL)
        image->last->next = entry;
    else
        image->first = entry;
    image->last = entry;
    image->living++;
    map->entry_count++;
    link_entry(map, entry);
    if ((entry->flags & RECORD_IS_SPOOLED) != 0 && (entry->flags & RECORD_IS_STORED) == 0)
        enqueue(map, entry);
    return OK;
}

static void unlink_entry(struct map *map, struct map_entry *entry) {
    struct map_entry **link = &map->entries[bucket_of(map, entry->uuid)];
    while (*link != entry)
        link = &(*link)->hash_next;
    *link = entry->hash_next;
    if (entry->sop[0] != '\0') {
        link = &map->sops[bucket_of(map, entry->sop)];
        while (*link != entry)
            link = &(*link)->sop_next;
        *link = entry->sop_next;
    }
    struct map_image *image = entry->image;
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        image->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        image->last = entry->previous;
}

/* An object that was never sent leaves nothing behind; size 0 has no object at all; one that
 * another uuid stands for too lives. */
static result remove_entry(struct map *map, struct map_entry *entry) {
    struct map_image *image = entry->image;
    const char *name = entry->name == NULL ? entry->uuid : entry->name;
    bool is_dead =
        !entry->is_pending && entry->size > 0; /* or on its way: map_remove counts that */
    map_unqueue(map, entry);
    unlink_entry(map, entry);
    map->entry_count--;
    image->living--;
    image->dead += is_dead;
    image->idle_since_ms = clock_ms();
    result added = is_dead && !is_living(image, name) ? add_corpse(map, image, name) : OK;
    free(entry->name);
    free(entry);
    map_image_tidy(map, image);
    return added;
}

static result set(struct map *map, const char *uuid, unsigned flag) {
    struct map_entry *entry = map_entry_find(map, uuid);
    if (entry == NULL)
        return FAIL(NOT_FOUND, "the map has no %s", uuid);
    entry->flags |= flag;
    if ((entry->flags & RECORD_IS_STORED) != 0)
        map_unqueue(map, entry);
    return OK;
}

/* ------------------------------------------------------------------ forwards */

static result add_due(struct map *map, const struct record *record) {
    struct map_due *due = calloc(1, sizeof *due);
    char *image = strdup(record->image);
    if (due == NULL || image == NULL) {
        free(due);
        free(image);
        return FAIL(NO_MEMORY, "no memory for the map");
    }
    due->image = image;
    snprintf(due->user, sizeof due->user, "%.*s", RECORD_OWNER_MAX, record->name);
    due->next = map->due;
    map->due = due;
    return OK;
}

static void end_due(struct map *map, const struct record *record) {
    for (struct map_due **link = &map->due; *link != NULL;) {
        struct map_due *due = *link;
        if (strcmp(due->image, record->image) != 0 || strcmp(due->user, record->name) != 0) {
            link = &due->next;
            continue;
        }
        *link = due->next;
        free(due->image);
        free(due);
    }
}

/* ------------------------------------------------------------------ records */

static result apply_to_image(struct map *map, const struct record *record) {
    struct map_image *image;
    TRY(image_of(map, record->owner, record->image, &image));
    result applied = OK;
    if (record->op == RECORD_DEAD)
        image->dead += record->size;
    else if (record->op == RECORD_DELETE)
        applied = add_corpse(map, image, record->name);
    else if (record->op == RECORD_DELETED)
        remove_corpse(map, image, record->name);
    else {
        image->dead = 0;
        forget_corpses(map, image);
    }
    map_image_tidy(map, image);
    return applied;
}

result map_apply(struct map *map, const struct record *record) {
    switch (record->op) {
    case RECORD_ADD:
        return add(map, record);
    case RECORD_STORED:
        return set(map, record->uuid, RECORD_IS_STORED);
    case RECORD_INDEXED:
        return set(map, record->uuid, RECORD_IS_INDEXED);
    case RECORD_REMOVE: {
        struct map_entry *entry = map_entry_find(map, record->uuid);
        if (entry == NULL)
            return FAIL(NOT_FOUND, "the map has no %s", record->uuid);
        return remove_entry(map, entry);
    }
    case RECORD_DEAD:
    case RECORD_GONE:
    case RECORD_DELETE:
    case RECORD_DELETED:
        return apply_to_image(map, record);
    case RECORD_FORWARD:
        return add_due(map, record);
    case RECORD_FORWARDED:
        end_due(map, record);
        return OK;
    }
    return FAIL(INTERNAL, "a map record has no known form");
}

void map_free_all(struct map *map) {
    while (map->images != NULL) {
        struct map_image *image = map->images;
        while (image->first != NULL) {
            struct map_entry *entry = image->first;
            image->first = entry->next;
            free(entry->name);
            free(entry);
        }
        forget_corpses(map, image);
        map->images = image->next;
        free(image->id);
        free(image);
    }
    while (map->due != NULL) {
        struct map_due *due = map->due;
        map->due = due->next;
        free(due->image);
        free(due);
    }
    free(map->entries);
    free(map->sops);
    free(map->images_by_id);
}
