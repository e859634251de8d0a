#include "reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "map_state.h"

enum { BUCKETS = 4096, AHEAD_OBJECTS = 256, TRIES = 3, RETRY_MS = 400 };
#define AHEAD_BYTES ((uint64_t)64 << 20)

enum slot_state { SLOT_COMING, SLOT_THERE, SLOT_FAILED };

/* An object in the cache, or on its way. */
struct slot {
    char uuid[RECORD_UUID_BYTES + 1];
    enum slot_state state;
    unsigned waiting; /* threads that look at it */
    bool is_dropped;
    struct bytes data;
    result code;
    char text[ERROR_TEXT_BYTES];
    struct slot *hash_next;
    struct slot *newer, *older; /* of those that are there, by arrival */
};

struct reader {
    struct images *images;
    struct map *map;
    uint64_t limit;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct slot *slots[BUCKETS];
    struct slot *oldest, *newest;
    uint64_t bytes;   /* there, and expected */
    unsigned fetches; /* under way */
};

/* One stream: the object asked for first, those that follow it behind. */
struct fetch {
    struct reader *reader;
    char owner[RECORD_OWNER_MAX + 1], image[RECORD_IMAGE_MAX + 1];
    size_t count;
    struct record *records;
    const char **names;
};

result reader_new(struct images *images, struct map *map, uint64_t cache_bytes,
                  struct reader **out_reader) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return FAIL(NO_MEMORY, "no memory to read with");
    reader->images = images;
    reader->map = map;
    reader->limit = cache_bytes;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->change, NULL);
    *out_reader = reader;
    return OK;
}

/* ------------------------------------------------------------------ the cache, with the lock held
 */

static struct slot **bucket_of(struct reader *reader, const char *uuid) {
    uint32_t hash = 0;
    for (const char *c = uuid; *c != '\0'; c++)
        hash = hash * 31 + (uint8_t)*c;
    return &reader->slots[hash % BUCKETS];
}

static struct slot *find(struct reader *reader, const char *uuid) {
    struct slot *slot = *bucket_of(reader, uuid);
    while (slot != NULL && strcmp(slot->uuid, uuid) != 0)
        slot = slot->hash_next;
    return slot;
}

static struct slot *make(struct reader *reader, const char *uuid) {
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    snprintf(slot->uuid, sizeof slot->uuid, "%s", uuid);
    slot->hash_next = *bucket_of(reader, uuid);
    *bucket_of(reader, uuid) = slot;
    return slot;
}

static void unlink_age(struct reader *reader, struct slot *slot) {
    if (slot->older != NULL)
        slot->older->newer = slot->newer;
    else if (reader->oldest == slot)
        reader->oldest = slot->newer;
    if (slot->newer != NULL)
        slot->newer->older = slot->older;
    else if (reader->newest == slot)
        reader->newest = slot->older;
    slot->older = slot->newer = NULL;
}

static void slot_free(struct slot *slot) {
    bytes_free(&slot->data);
    free(slot);
}

/* Gone from the table, and freed when nobody looks at it any more; what is on its way goes when it
 * arrives. */
static void drop(struct reader *reader, struct slot *slot) {
    if (slot->state == SLOT_COMING) {
        slot->is_dropped = true;
        return;
    }
    struct slot **link = bucket_of(reader, slot->uuid);
    while (*link != NULL && *link != slot)
        link = &(*link)->hash_next;
    if (*link == slot)
        *link = slot->hash_next;
    if (slot->state == SLOT_THERE) {
        unlink_age(reader, slot);
        reader->bytes -= slot->data.len;
    }
    slot->is_dropped = true;
    if (slot->waiting == 0)
        slot_free(slot);
}

/* The end of a look. */
static void leave(struct slot *slot) {
    slot->waiting--;
    if (slot->waiting == 0 && slot->is_dropped && slot->state != SLOT_COMING)
        slot_free(slot);
}

static void make_room(struct reader *reader) {
    while (reader->bytes > reader->limit && reader->oldest != NULL)
        drop(reader, reader->oldest);
}

static void arrive(struct reader *reader, struct slot *slot) {
    slot->state = SLOT_THERE;
    slot->older = reader->newest;
    if (reader->newest != NULL)
        reader->newest->newer = slot;
    else
        reader->oldest = slot;
    reader->newest = slot;
    reader->bytes += slot->data.len;
    if (slot->is_dropped) /* while it was on its way */
        drop(reader, slot);
    make_room(reader);
}

void reader_drop(struct reader *reader, const char *uuid) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = find(reader, uuid);
    if (slot != NULL)
        drop(reader, slot);
    pthread_mutex_unlock(&reader->lock);
}

/* ------------------------------------------------------------------ fetching */

static void fetch_free(struct fetch *fetch) {
    free(fetch->records);
    free(fetch->names);
    free(fetch);
}

static result check_size(const struct record *record, size_t size) {
    if (record->size != size)
        return FAIL(INTEGRITY, "an object has %zu bytes, and had %llu when it was stored", size,
                    (unsigned long long)record->size);
    return OK;
}

static int take_object(void *context, size_t index, const void *data, size_t size) {
    struct fetch *fetch = context;
    struct reader *reader = fetch->reader;
    AUTO_BYTES struct bytes copy = {0};
    if (check_size(&fetch->records[index], size) != OK ||
        bytes_append(&copy, view_of(data, size)) != OK)
        return (int)OK; /* that one alone is missing then, and is asked for again */
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = find(reader, fetch->records[index].uuid);
    if (slot != NULL && slot->state == SLOT_COMING) {
        slot->data = copy;
        copy = (struct bytes){0};
        slot->waiting++; /* so that making room leaves it to those who wait */
        arrive(reader, slot);
        leave(slot);
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
        struct slot *slot = find(reader, fetch->records[i].uuid);
        if (slot == NULL || slot->state != SLOT_COMING)
            continue;
        slot->state = SLOT_FAILED;
        slot->code = code == OK ? FAIL(INTEGRITY, "the object is not what was stored") : code;
        snprintf(slot->text, sizeof slot->text, "%s", error_text());
        drop(reader, slot);
    }
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
    if (find(fetch->reader, record->uuid) != NULL || make(fetch->reader, record->uuid) == NULL)
        return;
    fetch->records[fetch->count++] = *record;
}

static void claim_following(struct fetch *fetch, const struct record *record,
                            char (*uuids)[RECORD_UUID_BYTES + 1], size_t count) {
    uint64_t budget =
        fetch->reader->limit / 2 < AHEAD_BYTES ? fetch->reader->limit / 2 : AHEAD_BYTES;
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
    if (fetch->records == NULL || fetch->names == NULL) {
        fetch_free(fetch);
        return FAIL(NO_MEMORY, "no memory to read with");
    }
    *out_fetch = fetch;
    return OK;
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
    for (size_t i = 0; i < fetch->count; i++)
        fetch->names[i] = fetch->records[i].name;
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    reader->fetches++;
    bool is_started = fetch->count > 0 && pthread_create(&thread, &detached, run_fetch, fetch) == 0;
    pthread_attr_destroy(&detached);
    if (is_started)
        return OK;
    (void)FAIL(NO_MEMORY, "no thread to read with");
    pthread_mutex_unlock(&reader->lock);
    end_fetch(fetch, NO_MEMORY);
    fetch_free(fetch);
    pthread_mutex_lock(&reader->lock);
    return FAIL(NO_MEMORY, "no thread to read with");
}

/* ------------------------------------------------------------------ reading */

static result look(const struct slot *slot, struct bytes *out_data) {
    if (slot->state == SLOT_FAILED)
        return FAIL(slot->code, "%s", slot->text);
    return bytes_append(out_data, bytes_view(&slot->data));
}

static result get_cached(struct reader *reader, const struct record *record,
                         struct bytes *out_data) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = find(reader, record->uuid);
    result got = slot != NULL ? OK : start_fetch(reader, record);
    if (slot == NULL)
        slot = find(reader, record->uuid);
    if (got == OK && slot == NULL)
        got = FAIL(NO_MEMORY, "no memory to read with");
    if (got == OK) {
        slot->waiting++;
        while (slot->state == SLOT_COMING)
            pthread_cond_wait(&reader->change, &reader->lock);
        got = look(slot, out_data);
        leave(slot);
    }
    pthread_mutex_unlock(&reader->lock);
    return got;
}

bool reader_use(struct reader *reader, const char *uuid,
                void (*use)(void *context, struct view data), void *context) {
    pthread_mutex_lock(&reader->lock);
    struct slot *slot = find(reader, uuid);
    if (slot != NULL) {
        slot->waiting++; /* keeps it while it is used */
        while (slot->state == SLOT_COMING)
            pthread_cond_wait(&reader->change, &reader->lock);
    }
    bool is_there = slot != NULL && slot->state == SLOT_THERE;
    if (is_there) {
        pthread_mutex_unlock(&reader->lock);
        use(context, bytes_view(&slot->data));
        pthread_mutex_lock(&reader->lock);
    }
    if (slot != NULL)
        leave(slot);
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
    bool is_small = record->size <= reader->limit / 2;
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
    for (size_t i = 0; i < BUCKETS; i++)
        while (reader->slots[i] != NULL)
            drop(reader, reader->slots[i]);
    pthread_mutex_unlock(&reader->lock);
    pthread_cond_destroy(&reader->change);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
