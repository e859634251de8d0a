#include "reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "map_state.h"
#include "reader_cache.h"

enum { AHEAD_OBJECTS = 256, TRIES = 3, RETRY_MS = 400 };
#define AHEAD_BYTES ((uint64_t)64 << 20)

struct reader {
    struct images *images;
    struct map *map;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t change;
    struct cache cache;
    unsigned fetches; /* under way */
};

/* One stream: the object asked for first, those that follow it behind. */
struct fetch {
    struct reader *reader;
    char owner[RECORD_OWNER_MAX + 1], image[RECORD_IMAGE_MAX + 1];
    size_t count;
    struct record *records;
    const char **names;
    struct slab *slab;
    size_t *offsets; /* of their parts of the slab */
};

result reader_new(struct images *images, struct map *map, uint64_t cache_bytes,
                  struct reader **out_reader) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return FAIL(NO_MEMORY, "no memory to read with");
    reader->images = images;
    reader->map = map;
    reader->cache.limit = cache_bytes;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->change, NULL);
    *out_reader = reader;
    return OK;
}

void reader_drop(struct reader *reader, const char *uuid) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = cache_find(&reader->cache, uuid);
    if (slot != NULL)
        cache_drop(&reader->cache, slot);
    pthread_mutex_unlock(&reader->lock);
}

/* ------------------------------------------------------------------ fetching */

static void fetch_free(struct fetch *fetch) {
    free(fetch->records);
    free(fetch->names);
    free(fetch->offsets);
    free(fetch);
}

static result check_size(const struct record *record, size_t size) {
    if (record->size != size)
        return FAIL(INTEGRITY, "an object has %zu bytes, and had %llu when it was stored", size,
                    (unsigned long long)record->size);
    return OK;
}

/* The slot that waits for this fetch to bring it; with the lock held. */
static struct slot *find_coming(struct fetch *fetch, size_t index) {
    struct slot *slot = cache_find(&fetch->reader->cache, fetch->records[index].uuid);
    bool is_own = slot != NULL && slot->state == SLOT_COMING && slot->fetch == fetch;
    return is_own ? slot : NULL;
}

/* Nobody looks at the part of the slab before it has arrived. */
static int take_object(void *context, size_t index, const void *data, size_t size) {
    struct fetch *fetch = context;
    struct reader *reader = fetch->reader;
    if (check_size(&fetch->records[index], size) != OK)
        return (int)OK; /* that one alone is missing then, and is asked for again */
    uint8_t *part = slab_part(fetch->slab, fetch->offsets[index]);
    memcpy(part, data, size);
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = find_coming(fetch, index);
    if (slot != NULL) {
        cache_arrive(&reader->cache, slot, fetch->slab, part, size);
        pthread_cond_broadcast(&reader->change);
    }
    pthread_mutex_unlock(&reader->lock);
    return (int)OK;
}

/* What has not come will not come any more. */
static void end_fetch(struct fetch *fetch, result code) {
    struct reader *reader = fetch->reader;
    pthread_mutex_lock(&reader->lock);
    for (size_t i = 0; i < fetch->count; i++) {
        struct slot *slot = find_coming(fetch, i);
        if (slot != NULL)
            cache_fail(&reader->cache, slot,
                       code == OK ? FAIL(INTEGRITY, "the object is not what was stored") : code);
    }
    slab_close(fetch->slab);
    reader->fetches--;
    pthread_cond_broadcast(&reader->change);
    pthread_mutex_unlock(&reader->lock);
}

static void *run_fetch(void *argument) {
    struct fetch *fetch = argument;
    result read = images_read(fetch->reader->images, fetch->owner, fetch->image, fetch->names,
                              fetch->count, take_object, fetch);
    end_fetch(fetch, read);
    fetch_free(fetch);
    return NULL;
}

/* ------------------------------------------------------------------ starting a fetch */

/* With the lock held: what is neither there nor coming is claimed by this fetch. */
static void claim(struct fetch *fetch, const struct record *record) {
    struct cache *cache = &fetch->reader->cache;
    if (cache_find(cache, record->uuid) != NULL || cache_make(cache, record->uuid, fetch) == NULL)
        return;
    fetch->records[fetch->count++] = *record;
}

static void claim_following(struct fetch *fetch, const struct record *record,
                            char (*uuids)[RECORD_UUID_BYTES + 1], size_t count) {
    uint64_t half = fetch->reader->cache.limit / 2;
    uint64_t budget = half < AHEAD_BYTES ? half : AHEAD_BYTES;
    uint64_t bytes = record->size;
    for (size_t i = 0; i < count; i++) {
        struct record next;
        if (map_find(fetch->reader->map, uuids[i], &next) != OK || next.size > budget ||
            bytes + next.size > budget)
            return;
        bytes += next.size;
        claim(fetch, &next);
    }
}

static result new_fetch(struct reader *reader, const struct record *record,
                        struct fetch **out_fetch) {
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return FAIL(NO_MEMORY, "no memory to read with");
    fetch->reader = reader;
    snprintf(fetch->owner, sizeof fetch->owner, "%s", record->owner);
    snprintf(fetch->image, sizeof fetch->image, "%s", record->image);
    fetch->records = calloc(AHEAD_OBJECTS + 1, sizeof *fetch->records);
    fetch->names = calloc(AHEAD_OBJECTS + 1, sizeof(char *));
    fetch->offsets = calloc(AHEAD_OBJECTS + 1, sizeof *fetch->offsets);
    if (fetch->records == NULL || fetch->names == NULL || fetch->offsets == NULL) {
        fetch_free(fetch);
        return FAIL(NO_MEMORY, "no memory to read with");
    }
    *out_fetch = fetch;
    return OK;
}

static result make_slab(struct fetch *fetch) {
    size_t size = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        fetch->names[i] = fetch->records[i].name;
        fetch->offsets[i] = size;
        size += slab_room((size_t)fetch->records[i].size);
    }
    return slab_new(size, &fetch->slab);
}

static bool start_thread(struct fetch *fetch) {
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    bool is_started = pthread_create(&thread, &detached, run_fetch, fetch) == 0;
    pthread_attr_destroy(&detached);
    return is_started;
}

/* With the lock held. */
static result start_fetch(struct reader *reader, const struct record *record) {
    struct fetch *fetch = NULL;
    TRY(new_fetch(reader, record, &fetch));
    char(*uuids)[RECORD_UUID_BYTES + 1] = calloc(AHEAD_OBJECTS, sizeof *uuids);
    claim(fetch, record);
    if (uuids != NULL)
        claim_following(fetch, record, uuids,
                        map_following(reader->map, record->uuid, AHEAD_OBJECTS, uuids));
    free(uuids);
    reader->fetches++;
    if (fetch->count > 0 && make_slab(fetch) == OK && start_thread(fetch))
        return OK;
    (void)FAIL(NO_MEMORY, "no memory or thread to read with");
    pthread_mutex_unlock(&reader->lock);
    end_fetch(fetch, NO_MEMORY);
    fetch_free(fetch);
    pthread_mutex_lock(&reader->lock);
    return FAIL(NO_MEMORY, "no memory or thread to read with");
}

/* ------------------------------------------------------------------ reading */

static result look(const struct slot *slot, struct bytes *out_data) {
    if (slot->state == SLOT_FAILED)
        return FAIL(slot->code, "%s", slot->text);
    return bytes_append(out_data, view_of(slot->data, slot->len));
}

static result get_cached(struct reader *reader, const struct record *record,
                         struct bytes *out_data) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = cache_find(&reader->cache, record->uuid);
    result got = slot != NULL ? OK : start_fetch(reader, record);
    if (slot == NULL)
        slot = cache_find(&reader->cache, record->uuid);
    if (got == OK && slot == NULL)
        got = FAIL(NO_MEMORY, "no memory to read with");
    if (got == OK) {
        slot->waiting++;
        while (slot->state == SLOT_COMING)
            pthread_cond_wait(&reader->change, &reader->lock);
        got = look(slot, out_data);
        cache_leave(slot);
    }
    pthread_mutex_unlock(&reader->lock);
    return got;
}

bool reader_use(struct reader *reader, const char *uuid,
                void (*use)(void *context, struct view data), void *context) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = cache_find(&reader->cache, uuid);
    if (slot != NULL) {
        slot->waiting++; /* keeps it while it is used */
        while (slot->state == SLOT_COMING)
            pthread_cond_wait(&reader->change, &reader->lock);
    }
    bool is_there = slot != NULL && slot->state == SLOT_THERE;
    if (is_there) {
        pthread_mutex_unlock(&reader->lock);
        use(context, view_of(slot->data, slot->len));
        pthread_mutex_lock(&reader->lock);
    }
    if (slot != NULL)
        cache_leave(slot);
    pthread_mutex_unlock(&reader->lock);
    return is_there;
}

struct single {
    const struct record *record;
    struct bytes *data;
};

static int take_single(void *context, size_t index, const void *data, size_t size) {
    (void)index;
    struct single *single = context;
    result taken = check_size(single->record, size);
    return (int)(taken == OK ? bytes_append(single->data, view_of(data, size)) : taken);
}

static result get_single(struct reader *reader, const struct record *record,
                         struct bytes *out_data) {
    AUTO_BYTES struct bytes data = {0};
    struct single single = {record, &data};
    const char *name = record->name;
    TRY(images_read(reader->images, record->owner, record->image, &name, 1, take_single, &single));
    *out_data = data;
    data = (struct bytes){0};
    return OK;
}

/* What another try may mend. */
static bool may_pass(result code) {
    return code == QUORUM || code == TIMEOUT || code == PROTOCOL || code == INTEGRITY ||
           code == NOT_FOUND;
}

result reader_get(struct reader *reader, const struct record *record, struct bytes *out_data) {
    bool is_small = record->size <= reader->cache.limit / 2;
    result got =
        is_small ? get_cached(reader, record, out_data) : get_single(reader, record, out_data);
    for (unsigned try = 1; try < TRIES && may_pass(got); try++) {
        nanosleep(&(struct timespec){.tv_nsec = try * RETRY_MS * 1000000L}, NULL);
        images_forget(reader->images, record->owner, record->image);
        got = get_single(reader, record, out_data);
    }
    return got;
}

void reader_free(struct reader *reader) {
    if (reader == NULL)
        return;
    pthread_mutex_lock(&reader->lock);
    while (reader->fetches > 0)
        pthread_cond_wait(&reader->change, &reader->lock);
    cache_drop_all(&reader->cache);
    pthread_mutex_unlock(&reader->lock);
    pthread_cond_destroy(&reader->change);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
