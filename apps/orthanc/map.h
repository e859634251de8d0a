/*
 * The map: which object of which image each of Orthanc's attachments is, in memory, and in a
 * journal that survives crashes (journal.h).
 *
 *     added -> stored (enough servers have it) -> indexed (Orthanc's index refers to it)
 *
 * An object that no uuid stands for any more is dead. Of an image with living ones it is to be
 * deleted from the servers, by its name, which the map keeps until map_deleted; an image with none
 * is removed whole. The map counts, so that duplicates and deletions neither leak nor lose:
 * map_next_removal names an own image without living objects and keeps anyone from adding to it
 * until map_removed.
 *
 * Threads: everything from many threads, but for map_open and map_close.
 */
#ifndef ORTHANC_MAP_H
#define ORTHANC_MAP_H

#include "journal.h"

struct map;

struct map_found {
    uint64_t attachments, images;
    struct journal_found journal;
};

MUST_CHECK result map_open(const char *path, const uint8_t key[JOURNAL_KEY_BYTES],
                           struct map_found *out_found, struct map **out_map);
void map_close(struct map *map);

/* ------------------------------------------------------------------ attachments */

/* Adds record->uuid (the record's op is ADD), unsynced. Waits while its image is being removed.
 * CONFLICT where the uuid is there; IO, NO_MEMORY. */
MUST_CHECK result map_add(struct map *map, const struct record *record);

/* All that was done before is on disk when this returns. IO. */
MUST_CHECK result map_sync(struct map *map);

/* The disk begins with it meanwhile: map_sync is to follow. */
void map_begin_sync(struct map *map);

/* A copy of what it stands for, with its flags. NOT_FOUND. */
MUST_CHECK result map_find(struct map *map, const char *uuid, struct record *out_record);

/* NOT_FOUND where it was removed meanwhile; IO. */
MUST_CHECK result map_set(struct map *map, const char *uuid, enum record_flags flag);

/* The uuid stands for nothing any more; its object is dead, unless it was never sent. `out_record`
 * is what it stood for. NOT_FOUND, IO. */
MUST_CHECK result map_remove(struct map *map, const char *uuid, struct record *out_record);

/* Gives up to `count` uuids of the same image that follow this one and are stored. */
size_t map_following(struct map *map, const char *uuid, size_t count,
                     char out_uuids[][RECORD_UUID_BYTES + 1]);

/* Whether any uuid stands for that SOP instance. */
bool map_knows_sop(struct map *map, const char *sop);

/* Whether another uuid of the same SOP instance is in the index. */
bool map_has_indexed(struct map *map, const char *sop, const char *but_uuid);

/* ------------------------------------------------------------------ sending from the spool */

struct map_backlog {
    uint64_t attachments, bytes;
    uint64_t oldest_ms, newest_ms; /* ages; 0: none */
    uint64_t deletions;            /* objects that are to be deleted from the servers */
};
struct map_backlog map_backlog(struct map *map);

/* Up to `count` spooled attachments of one image, together of at most `bytes` unless it is one, the
 * oldest first; from then on they count as sent, as far as map_remove is concerned, and the image
 * is not removed, until map_sent says how it went. Duplicates that Orthanc may be about to remove
 * are left for some seconds. 0: nothing to send. */
size_t map_next_batch(struct map *map, size_t count, uint64_t bytes, struct record out_records[]);

/* The end of a batch: `is_stored`, or to be tried again. IO. */
MUST_CHECK result map_sent(struct map *map, const struct record records[], size_t count,
                           bool is_stored);

/* The end of it for one of a batch whose file cannot be read: it is given again after a minute. */
void map_put_off(struct map *map, const struct record *record);

/* Whether an image has objects that are not stored yet. */
bool map_is_sending(struct map *map, const char *owner, const char *image);

/* ------------------------------------------------------------------ images */

struct map_image_info {
    char owner[RECORD_OWNER_MAX + 1];
    char id[RECORD_IMAGE_MAX + 1];
    uint64_t living, dead, pending;
    uint64_t deletions; /* of the dead ones: to be deleted */
};

/* False where the map knows no such image. */
bool map_image(struct map *map, const char *owner, const char *id, struct map_image_info *out_info);

/* Every image that `owner` (NULL: anybody but the gateway's own user) has living objects of. */
typedef void (*map_image_found)(void *context, const struct map_image_info *info);
void map_images(struct map *map, const char *owner, map_image_found found, void *context);

/* Copies of an image's living attachments; *out_records is the caller's to free. NO_MEMORY. */
MUST_CHECK result map_attachments(struct map *map, const char *owner, const char *id,
                                  struct record **out_records, size_t *out_count);

/* Copies of what was added and is not known to be in the index. */
MUST_CHECK result map_unconfirmed(struct map *map, struct record **out_records, size_t *out_count);

/* An own image that has had nothing but dead objects for `age_ms`; false where there is none. */
bool map_next_removal(struct map *map, uint64_t age_ms, struct map_image_info *out_info);
/* Objects of one own image that has living ones too, in which nothing died for `age_ms` and of
 * which nothing is on its way to the servers: dead ones that are to be deleted. Of `id` alone,
 * once others have done with those that they got; or NULL: of any image. Up to `count` names, each
 * the caller's to free. Until map_deleted nobody gets them again, or refers to them anew. 0: there
 * are none. */
size_t map_next_deletions(struct map *map, const char *id, uint64_t age_ms, size_t count,
                          struct map_image_info *out_image, char *out_names[]);
/* They are deleted, or (`is_deleted` false) to be tried again later. IO. */
MUST_CHECK result map_deleted(struct map *map, const char *image, char *const names[], size_t count,
                              bool is_deleted);

/* It is removed, or (`is_removed` false) to be tried again later. IO. */
MUST_CHECK result map_removed(struct map *map, const char *id, bool is_removed);

/* ------------------------------------------------------------------ forwards that are due */

/* Remembers over crashes that an own image is to be forwarded. IO. */
MUST_CHECK result map_want_forward(struct map *map, const char *image, const char *user);
MUST_CHECK result map_end_forward(struct map *map, const char *image, const char *user);
/* The `index`th one that is due; false beyond the last. */
bool map_due_forward(struct map *map, size_t index, struct record *out_record);

#endif
