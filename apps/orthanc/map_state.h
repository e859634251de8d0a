/*
 * What the files map*.c share: the map in memory.
 */
#ifndef ORTHANC_MAP_STATE_H
#define ORTHANC_MAP_STATE_H

#include <pthread.h>

#include "map.h"

/* Doubly linked, in the order of arrival. */
struct map_entry {
    char uuid[RECORD_UUID_BYTES + 1];
    char sop[RECORD_SOP_MAX + 1];
    char *name; /* NULL: the uuid itself */
    unsigned flags;
    bool is_in_batch;
    uint64_t not_before_ms; /* of the monotonic clock: when it may be sent */
    uint64_t size;
    uint64_t added_ms; /* of the monotonic clock; 0: before the start */
    struct map_image *image;
    struct map_entry *hash_next, *sop_next;
    struct map_entry *previous, *next;                 /* of its image */
    struct map_entry *pending_previous, *pending_next; /* of all that wait in the spool */
    bool is_pending;
};

/* A dead object that the servers have. */
struct map_corpse {
    char *name;
    struct map_corpse *next;
};

struct map_image {
    char owner[RECORD_OWNER_MAX + 1];
    char *id;
    struct map_entry *first, *last;
    uint64_t living, dead, pending, in_batch;
    uint64_t idle_since_ms; /* when the last living one went */
    bool is_removing;
    struct map_corpse *corpses;
    uint64_t corpse_count;
    bool is_deleting;                              /* somebody has their names */
    struct map_image *hash_next, *next, *previous; /* of all images */
};

struct map_due {
    char *image;
    char user[RECORD_OWNER_MAX + 1];
    struct map_due *next;
};

struct map {
    struct journal *journal;
    pthread_mutex_t lock;
    pthread_cond_t removal_ended;
    struct map_entry **entries, **sops; /* hash tables of `buckets` */
    struct map_image **images_by_id;
    size_t buckets;
    uint64_t entry_count, image_count;
    struct map_image *images;
    struct map_entry *pending_first, *pending_last;
    uint64_t pending_count, pending_bytes;
    struct map_due *due;
    uint64_t corpse_count; /* of all images */
};

/* All with the lock held. */
struct map_entry *map_entry_find(struct map *map, const char *uuid);
/* The first of a chain (sop_next) that holds all with that SOP instance, and maybe others. */
struct map_entry *map_sop_first(struct map *map, const char *sop);
struct map_image *map_image_find(struct map *map, const char *owner, const char *id);
void map_entry_record(const struct map_entry *entry, enum record_op op, struct record *out_record);

/* What a record does to the map in memory. INTEGRITY where it cannot be, NO_MEMORY. */
MUST_CHECK result map_apply(struct map *map, const struct record *record);
/* The record on disk, then what it does. */
MUST_CHECK result map_write(struct map *map, const struct record *record);
/* An image that nothing is known of any more is forgotten. */
void map_image_tidy(struct map *map, struct map_image *image);
/* Takes an entry out of the line of those that wait. */
void map_unqueue(struct map *map, struct map_entry *entry);
void map_free_all(struct map *map);

#endif
