/*
 * Reading objects for Orthanc, which asks for one attachment after the other: with the one that is
 * asked for come those that follow it in its image, in one stream, into a bounded cache in memory.
 * What fails is tried again before Orthanc hears of it, because it would leave a slice out of an
 * answer without a word.
 *
 * Threads: safe from many.
 */
#ifndef ORTHANC_READER_H
#define ORTHANC_READER_H

#include "images.h"
#include "map.h"

struct reader;

/* All borrowed. `cache_bytes` 0: one object at a time, and none is kept. */
MUST_CHECK result reader_new(struct images *images, struct map *map, uint64_t cache_bytes,
                             struct reader **out_reader);
/* Waits for what is being fetched. */
void reader_free(struct reader *reader);

/* The whole object that `record` names. INTEGRITY where its size is not the record's; errors of
 * images_read. */
MUST_CHECK result reader_get(struct reader *reader, const struct record *record,
                             struct bytes *out_data);

/* Gives it to `use` where it is in the cache, or on its way there; waits for that, and needs little
 * stack. False where it is not and does not come: then `use` was not called. */
bool reader_use(struct reader *reader, const char *uuid,
                void (*use)(void *context, struct view data), void *context);

/* Drops what the cache has of it. */
void reader_drop(struct reader *reader, const char *uuid);

#endif
