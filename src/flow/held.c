#include "flow/held.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "flow/contents.h"
#include "flow/get_objects.h"
#include "flow/patience.h"
#include "flow/session.h"

/* The image as it was at one time; shared by who reads it, and replaced whole. */
struct sight {
    unsigned users;          /* under the hold's lock */
    struct session *session; /* by whose numbers of servers the contents go */
    struct contents contents;
    size_t *by_name; /* indices of objects */
};

struct held {
    struct session *_Atomic session;
    char *id, *from;
    pthread_mutex_t put_lock;  /* one put at a time */
    pthread_mutex_t look_lock; /* one look at the servers at a time */
    pthread_mutex_t lock;      /* of what follows */
    struct put_known known;
    struct sight *sight; /* NULL: none yet */
};

static void sight_free(struct sight *sight) {
    contents_free(&sight->contents);
    free(sight->by_name);
    free(sight);
}

/* ------------------------------------------------------------------ the hold */

result held_new(struct session *session, const char *id, const char *from, struct held **out_held) {
    if (id[0] == '\0' || strlen(id) > FORMAT_IMAGE_ID_MAX)
        return FAIL(INVALID, "an image's ID has 1 to %d bytes", FORMAT_IMAGE_ID_MAX);
    if (from != NULL && strcmp(from, session->user) == 0)
        from = NULL;
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return FAIL(NO_MEMORY, "no memory to hold an image");
    held->session = session;
    held->id = strdup(id);
    held->from = from == NULL ? NULL : strdup(from);
    pthread_mutex_init(&held->put_lock, NULL);
    pthread_mutex_init(&held->look_lock, NULL);
    pthread_mutex_init(&held->lock, NULL);
    if (held->id == NULL || (from != NULL && held->from == NULL)) {
        held_free(held);
        return FAIL(NO_MEMORY, "no memory to hold an image");
    }
    *out_held = held;
    return OK;
}

void held_free(struct held *held) {
    if (held == NULL)
        return;
    held_forget(held);
    pthread_mutex_destroy(&held->put_lock);
    pthread_mutex_destroy(&held->look_lock);
    pthread_mutex_destroy(&held->lock);
    free(held->id);
    free(held->from);
    free(held);
}

static void sight_give(struct held *held, struct sight *sight) {
    if (sight == NULL)
        return;
    pthread_mutex_lock(&held->lock);
    bool is_last = --sight->users == 0;
    pthread_mutex_unlock(&held->lock);
    if (is_last)
        sight_free(sight);
}

static struct sight *sight_take(struct held *held) {
    pthread_mutex_lock(&held->lock);
    struct sight *sight = held->sight;
    if (sight != NULL)
        sight->users++;
    pthread_mutex_unlock(&held->lock);
    return sight;
}

/* `sight` may be NULL: none. */
static void sight_replace(struct held *held, struct sight *sight) {
    pthread_mutex_lock(&held->lock);
    struct sight *old = held->sight;
    held->sight = sight;
    pthread_mutex_unlock(&held->lock);
    sight_give(held, old);
}

static result known_take(struct held *held, struct put_known *out_known) {
    pthread_mutex_lock(&held->lock);
    result copied = put_known_copy(&held->known, out_known);
    pthread_mutex_unlock(&held->lock);
    return copied;
}

static void known_replace(struct held *held, struct put_known *known) {
    pthread_mutex_lock(&held->lock);
    struct put_known old = held->known;
    held->known = *known;
    pthread_mutex_unlock(&held->lock);
    put_known_forget(&old);
    *known = (struct put_known){0};
}

void held_forget(struct held *held) {
    struct put_known nothing = {0};
    known_replace(held, &nothing);
    sight_replace(held, NULL);
}

void held_set_session(struct held *held, struct session *session) {
    held->session = session;
    held_forget(held);
}

/* ------------------------------------------------------------------ adding */

result held_put(struct held *held, enum codec_kind codec, const struct put_blob blobs[],
                size_t count) {
    if (held->from != NULL)
        return FAIL(INVALID, "nothing can be added to an image that was forwarded by %s",
                    held->from);
    pthread_mutex_lock(&held->put_lock);
    struct put_known known = {0};
    result done = known_take(held, &known);
    if (done == OK) {
        done = flow_put_blobs(held->session, held->id, codec, blobs, count, &known);
        known_replace(held, &known);
    }
    pthread_mutex_unlock(&held->put_lock);
    return done;
}

/* ------------------------------------------------------------------ looking */

static int by_name(const void *a, const void *b, void *context) {
    Myelin__ObjectMeta *const *metas = context;
    return strcmp(metas[*(const size_t *)a]->name, metas[*(const size_t *)b]->name);
}

/* From here on neither a put nor another look need ask for the key. */
static void remember(struct held *held, const struct contents *contents) {
    struct put_known known = {0};
    if (put_known_keep(&contents->image, contents->image.record, contents->key, &known) == OK)
        known_replace(held, &known);
}

static result sight_load(struct held *held, struct sight *sight) {
    AUTO_PUT_KNOWN struct put_known known = {0};
    TRY(known_take(held, &known));
    struct contents *contents = &sight->contents;
    struct contents_options options = {.from = held->from, .known = &known};
    sight->session = held->session;
    TRY(contents_load(sight->session, held->id, &options, contents));
    sight->by_name = malloc((contents->count + 1) * sizeof *sight->by_name);
    if (sight->by_name == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", contents->count);
    for (size_t i = 0; i < contents->count; i++)
        sight->by_name[i] = i;
    qsort_r(sight->by_name, contents->count, sizeof *sight->by_name, by_name, contents->metas);
    remember(held, contents);
    return OK;
}

/* The servers' word of now, unless another thread got it since `seen` (NULL: nothing was seen).
 * `out_sight` is given back with sight_give. */
static result look(struct held *held, const struct sight *seen, struct sight **out_sight) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    pthread_mutex_lock(&held->look_lock);
    struct sight *sight = sight_take(held);
    result looked = OK;
    if (sight == NULL || sight == seen) {
        sight_give(held, sight);
        sight = calloc(1, sizeof *sight);
        looked =
            sight == NULL ? FAIL(NO_MEMORY, "no memory to open an image") : sight_load(held, sight);
        if (looked == OK) {
            sight->users = 2; /* the hold and the caller */
            sight_replace(held, sight);
        } else if (sight != NULL)
            sight_free(sight);
    }
    pthread_mutex_unlock(&held->look_lock);
    if (looked == OK)
        *out_sight = sight;
    return looked;
}

result held_list(struct held *held, void (*found)(void *context, const struct held_object *object),
                 void *context) {
    struct sight *seen = sight_take(held), *sight;
    result looked = look(held, seen, &sight);
    sight_give(held, seen);
    TRY(looked);
    for (size_t i = 0; i < sight->contents.count; i++) {
        const Myelin__ObjectMeta *meta = sight->contents.metas[i];
        struct held_object object = {
            .name = meta->name, .size = meta->size, .note = format_view(meta->note)};
        found(context, &object);
    }
    sight_give(held, sight);
    return OK;
}

/* ------------------------------------------------------------------ reading */

/* Some objects of a sight, in the order in which they were asked for. */
struct reading {
    struct sight *sight;
    struct manifests manifests; /* the entries are the sight's */
    Myelin__ObjectMeta **metas;
    struct bytes *buffers; /* by object */
    held_take take;
    void *context;
};

static void reading_free(struct reading *reading) {
    for (size_t i = 0; reading->buffers != NULL && i < reading->manifests.count; i++)
        bytes_free(&reading->buffers[i]);
    free(reading->buffers);
    free(reading->metas);
    free(reading->manifests.entries);
}
#define AUTO_READING __attribute__((cleanup(reading_free)))

static bool find_object(const struct sight *sight, const char *name, size_t *out_index) {
    size_t low = 0, high = sight->contents.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2, index = sight->by_name[middle];
        int order = strcmp(name, sight->contents.metas[index]->name);
        if (order == 0) {
            *out_index = index;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool has_all(const struct sight *sight, const char *const names[], size_t count) {
    size_t index;
    bool has = sight != NULL;
    for (size_t i = 0; has && i < count; i++)
        has = find_object(sight, names[i], &index);
    return has;
}

static result choose_objects(const char *const names[], size_t count, struct reading *reading) {
    const struct contents *contents = &reading->sight->contents;
    reading->manifests = (struct manifests){.servers = contents->manifests.servers,
                                            .answers = contents->manifests.answers};
    reading->manifests.entries = calloc(count + 1, sizeof *reading->manifests.entries);
    reading->metas = calloc(count + 1, sizeof(Myelin__ObjectMeta *));
    reading->buffers = calloc(count + 1, sizeof *reading->buffers);
    if (reading->manifests.entries == NULL || reading->metas == NULL || reading->buffers == NULL)
        return FAIL(NO_MEMORY, "no memory to read %zu objects", count);
    for (size_t i = 0; i < count; i++) {
        size_t index;
        if (!find_object(reading->sight, names[i], &index))
            return FAIL(NOT_FOUND, "the image has no object %s", names[i]);
        reading->manifests.entries[i] = contents->manifests.entries[index];
        reading->metas[i] = contents->metas[index];
        reading->manifests.count++;
    }
    return OK;
}

static result start_object(void *context, size_t index) {
    struct reading *reading = context;
    uint64_t size = reading->metas[index]->size;
    if (size > SIZE_MAX / 2)
        return FAIL(NO_MEMORY, "an object of %llu bytes", (unsigned long long)size);
    return bytes_reserve(&reading->buffers[index], (size_t)size);
}

static result write_object(void *context, size_t index, struct view bytes) {
    struct reading *reading = context;
    return bytes_append(&reading->buffers[index], bytes);
}

static result finish_object(void *context, size_t index) {
    struct reading *reading = context;
    struct bytes *buffer = &reading->buffers[index];
    result taken = reading->take(reading->context, index, bytes_view(buffer));
    bytes_free(buffer);
    *buffer = (struct bytes){0};
    return taken;
}

static result read_from(struct sight *sight, const char *const names[], size_t count,
                        held_take take, void *context) {
    AUTO_READING struct reading reading = {.sight = sight, .take = take, .context = context};
    TRY(choose_objects(names, count, &reading));
    struct get_target target = {&reading, start_object, write_object, finish_object};
    return get_objects_fetch(sight->session, &sight->contents, &reading.manifests, reading.metas,
                             &target);
}

result held_read(struct held *held, const char *const names[], size_t count, held_take take,
                 void *context) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    struct sight *sight = sight_take(held);
    if (!has_all(sight, names, count)) {
        struct sight *newer;
        result looked = look(held, sight, &newer);
        sight_give(held, sight);
        TRY(looked);
        sight = newer;
    }
    result done = read_from(sight, names, count, take, context);
    sight_give(held, sight);
    return done;
}
