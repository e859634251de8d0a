/*
 * The reader's cache: what was fetched and what is on its way, by uuid, and which of it has been
 * there longest. All calls are under the reader's lock.
 */
#ifndef ORTHANC_READER_CACHE_H
#define ORTHANC_READER_CACHE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "record.h"
#include "slab.h"

enum { CACHE_BUCKETS = 4096 };

enum slot_state { SLOT_COMING, SLOT_THERE, SLOT_FAILED };

/* An object in the cache, or on its way. */
struct slot {
    char uuid[RECORD_UUID_BYTES + 1];
    enum slot_state state;
    const void *fetch; /* which brings it */
    unsigned waiting;  /* threads that look at it */
    bool is_dropped;
    struct slab *slab; /* of which `data` is a part, once it is there */
    uint8_t *data;
    size_t len;
    result code; /* of what has failed, and why */
    char text[ERROR_TEXT_BYTES];
    struct slot *hash_next;
    struct slot *newer, *older; /* of those that are there, by arrival */
};

struct cache {
    uint64_t limit;
    struct slot *slots[CACHE_BUCKETS];
    struct slot *oldest, *newest;
    uint64_t bytes; /* there */
};

struct slot *cache_find(struct cache *cache, const char *uuid);

/* A slot for what that fetch brings; NULL without memory. */
struct slot *cache_make(struct cache *cache, const char *uuid, const void *fetch);

/* Gone from the table, and freed when nobody looks at it any more; what is on its way goes when it
 * arrives. */
void cache_drop(struct cache *cache, struct slot *slot);

/* The end of a look. */
void cache_leave(struct slot *slot);

/* It is there: `len` bytes at `data`, a part of the slab that the slot takes. The oldest ones go
 * where there are more bytes than the limit. */
void cache_arrive(struct cache *cache, struct slot *slot, struct slab *slab, uint8_t *data,
                  size_t len);

/* It will not come: what was set is `code` and this thread's error text. */
void cache_fail(struct cache *cache, struct slot *slot, result code);

void cache_drop_all(struct cache *cache);

#endif
