/*
 * The puts under way, in memory; for src/storage alone.
 *
 *     OPEN -> PREPARING -> PREPARED -> COMMITTING -> (gone: published)
 *       ^________|             ^___________|  |
 *        refused                 refused      DECIDED: on disk, not yet published
 *
 * A doomed put is left by all who use it, then its staging is removed and it is forgotten.
 */
#ifndef MYELIN_STORAGE_PUT_TABLE_H
#define MYELIN_STORAGE_PUT_TABLE_H

#include "storage/storage_state.h"

enum put_state { PUT_OPEN, PUT_PREPARING, PUT_PREPARED, PUT_COMMITTING, PUT_DECIDED };

enum put_object_state { OBJECT_AWAITED, OBJECT_UPLOADING, OBJECT_UPLOADED };

struct put_object {
    struct short_id id;
    enum put_object_state state;
    uint32_t slot;
    uint32_t slice_bytes;
    uint64_t symbol_bytes;
    uint64_t slices;
    uint8_t root[DIGEST_BYTES];
};

struct put {
    /* Constant. */
    struct image_id image;
    struct short_id id;
    char caller[FORMAT_NAME_MAX + 1]; /* who began it: the only one who may upload or prepare */
    bool by_owner; /* of the image, as far as this server knows one; else it is a repair */
    bool creates;
    struct put_object *objects; /* ascending ids; only an object's uploader writes to it */
    size_t object_count;

    /* Under storage->mutex. */
    enum put_state state;
    unsigned users;
    bool leaving;         /* doomed, the last user gone: its staging is being removed */
    uint64_t touched_ms;  /* steady */
    uint64_t claimed_ms;  /* likewise: when it began to prepare, or was found by a start */
    uint64_t prepared_ms; /* as recorded: after that of the put that it overruled */
    uint8_t contents[DIGEST_BYTES];
    struct put_drawn *drawn; /* NULL: no draw; owned. Constant from PREPARING on */
    bool is_drawing;         /* for one request, which alone replaces `drawn` */
    struct put *next;

    atomic_bool doomed;
};

/* Copies `draft`, an OPEN put, and takes its objects over on success. OK, with nothing changed,
 * where the same put by the same caller is there; CONFLICT for another under that id; NO_MEMORY
 * where too many are under way. */
MUST_CHECK result put_table_add(struct storage *storage, struct put *draft);

/* Adds a put that a restart found, from the heap, and takes it over. */
void put_table_restore(struct storage *storage, struct put *found);

/* NULL where there is none. Release it. */
struct put *put_acquire(struct storage *storage, const struct image_id *image,
                        const struct short_id *id);
void put_release(struct storage *storage, struct put *put);

/* As put_acquire, for the put's own caller: NOT_FOUND, DENIED. */
MUST_CHECK result put_acquire_own(struct storage *storage, const struct storage_caller *caller,
                                  const struct image_id *image, const struct short_id *id,
                                  struct put **out_put);

/* Releases at the end of the scope. */
struct put_use {
    struct storage *storage;
    struct put *put;
};
void put_use_end(struct put_use *use);
#define AUTO_PUT_USE __attribute__((cleanup(put_use_end)))

/* The last user's put_release removes it. By a user, under storage->mutex. */
void put_doom(struct storage *storage, struct put *put);

/* The same by a user without the mutex; no effect on a put that is being committed. */
void put_give_up(struct storage *storage, struct put *put);

/* Takes a put that is no longer on its way out of the table. By a user, who still releases it. */
void put_table_remove(struct storage *storage, struct put *put);

struct put_object *put_find_object(const struct put *put, const struct short_id *object);

/* A Receipt in Signed of an object that was uploaded, appended; upload.c. NO_MEMORY. */
MUST_CHECK result upload_receipt(const struct storage *storage, const struct put *put,
                                 const struct put_object *object, struct bytes *out_receipt);

void put_free(struct put *put);

#endif
