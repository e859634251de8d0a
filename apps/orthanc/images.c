#include "images.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { GROUP_OBJECTS = 128 };
#define GROUP_BYTES ((size_t)64 << 20)

/* A thread's object on its way; on that thread's stack. */
struct waiting {
    const struct myelin_blob *blob;
    bool is_done;
    result code;
    char text[ERROR_TEXT_BYTES];
    struct waiting *next;
};

struct open_image {
    char *owner, *id;
    struct myelin_held *held;
    unsigned users;
    uint64_t used_ms;
    struct waiting *first, *last; /* to be put */
    bool has_leader;
    struct open_image *next;
};

struct images {
    struct myelin_session *session;
    const char *codec;
    uint64_t keep_ms;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct open_image *open;
};

result images_new(struct myelin_session *session, const char *codec, unsigned key_s,
                  struct images **out_images) {
    struct images *images = calloc(1, sizeof *images);
    if (images == NULL)
        return FAIL(NO_MEMORY, "no memory for open images");
    images->session = session;
    images->codec = codec;
    images->keep_ms = (uint64_t)key_s * 1000;
    pthread_mutex_init(&images->lock, NULL);
    pthread_cond_init(&images->change, NULL);
    *out_images = images;
    return OK;
}

static void image_close(struct open_image *image) {
    myelin_release(image->held);
    free(image->owner);
    free(image->id);
    free(image);
}

void images_free(struct images *images) {
    if (images == NULL)
        return;
    while (images->open != NULL) {
        struct open_image *image = images->open;
        images->open = image->next;
        image_close(image);
    }
    pthread_cond_destroy(&images->change);
    pthread_mutex_destroy(&images->lock);
    free(images);
}

/* ------------------------------------------------------------------ open images */

static struct open_image *find(struct images *images, const char *owner, const char *id) {
    struct open_image *image = images->open;
    while (image != NULL && (strcmp(image->id, id) != 0 || strcmp(image->owner, owner) != 0))
        image = image->next;
    return image;
}

static result open_image(struct images *images, const char *owner, const char *id,
                         struct open_image **out_image) {
    struct open_image *image = calloc(1, sizeof *image);
    if (image == NULL)
        return FAIL(NO_MEMORY, "no memory for an open image");
    image->owner = strdup(owner);
    image->id = strdup(id);
    result held = image->owner == NULL || image->id == NULL
                      ? FAIL(NO_MEMORY, "no memory for an open image")
                      : (result)myelin_hold(images->session, id, owner[0] == '\0' ? NULL : owner,
                                            &image->held);
    if (held != OK) {
        image_close(image);
        return held;
    }
    image->next = images->open;
    images->open = image;
    *out_image = image;
    return OK;
}

static result take(struct images *images, const char *owner, const char *id,
                   struct open_image **out_image) {
    result taken = OK;
    pthread_mutex_lock(&images->lock);
    struct open_image *image = find(images, owner, id);
    if (image == NULL)
        taken = open_image(images, owner, id, &image);
    if (taken == OK)
        image->users++;
    pthread_mutex_unlock(&images->lock);
    TRY(taken);
    *out_image = image;
    return OK;
}

static void give(struct images *images, struct open_image *image) {
    pthread_mutex_lock(&images->lock);
    image->users--;
    image->used_ms = clock_ms();
    pthread_mutex_unlock(&images->lock);
}

void images_tidy(struct images *images) {
    uint64_t now_ms = clock_ms();
    pthread_mutex_lock(&images->lock);
    for (struct open_image **link = &images->open; *link != NULL;) {
        struct open_image *image = *link;
        if (image->users > 0 || now_ms - image->used_ms < images->keep_ms) {
            link = &image->next;
            continue;
        }
        *link = image->next;
        image_close(image);
    }
    pthread_mutex_unlock(&images->lock);
}

void images_forget(struct images *images, const char *owner, const char *id) {
    pthread_mutex_lock(&images->lock);
    struct open_image *image = find(images, owner, id);
    if (image != NULL)
        myelin_hold_forget(image->held);
    pthread_mutex_unlock(&images->lock);
}

/* ------------------------------------------------------------------ putting */

/* Takes the waiting ones of the next put, with the lock held. */
static size_t gather(struct open_image *image, struct waiting *group[GROUP_OBJECTS]) {
    size_t count = 0, bytes = 0;
    while (image->first != NULL && count < GROUP_OBJECTS &&
           (count == 0 || image->first->blob->size <= GROUP_BYTES - bytes)) {
        group[count] = image->first;
        image->first = image->first->next;
        bytes += group[count]->blob->size;
        bytes = bytes < GROUP_BYTES ? bytes : GROUP_BYTES;
        count++;
    }
    if (image->first == NULL)
        image->last = NULL;
    return count;
}

/* One put for all that wait. With the lock held; gives it up during the put. */
static void lead(struct images *images, struct open_image *image) {
    struct waiting *group[GROUP_OBJECTS];
    struct myelin_blob blobs[GROUP_OBJECTS];
    size_t count = gather(image, group);
    for (size_t i = 0; i < count; i++)
        blobs[i] = *group[i]->blob;
    pthread_mutex_unlock(&images->lock);
    result put = (result)myelin_hold_put(image->held, images->codec, blobs, count);
    pthread_mutex_lock(&images->lock);
    for (size_t i = 0; i < count; i++) {
        group[i]->code = put;
        group[i]->is_done = true;
        if (put != OK)
            snprintf(group[i]->text, sizeof group[i]->text, "%s", error_text());
    }
}

static void wait_or_lead(struct images *images, struct open_image *image, struct waiting *waiting) {
    pthread_mutex_lock(&images->lock);
    if (image->last != NULL)
        image->last->next = waiting;
    else
        image->first = waiting;
    image->last = waiting;
    while (!waiting->is_done) {
        if (image->has_leader) {
            pthread_cond_wait(&images->change, &images->lock);
            continue;
        }
        image->has_leader = true;
        lead(images, image);
        image->has_leader = false;
        pthread_cond_broadcast(&images->change);
    }
    pthread_mutex_unlock(&images->lock);
}

result images_put(struct images *images, const char *id, const struct myelin_blob *blob) {
    struct open_image *image = NULL;
    struct waiting waiting = {.blob = blob};
    TRY(take(images, "", id, &image));
    wait_or_lead(images, image, &waiting);
    give(images, image);
    return waiting.code == OK ? OK : FAIL(waiting.code, "%s", waiting.text);
}

result images_put_all(struct images *images, const char *id, const struct myelin_blob blobs[],
                      size_t count) {
    struct open_image *image = NULL;
    TRY(take(images, "", id, &image));
    result put = (result)myelin_hold_put(image->held, images->codec, blobs, count);
    give(images, image);
    return put;
}

/* ------------------------------------------------------------------ reading */

result images_read(struct images *images, const char *owner, const char *id,
                   const char *const names[], size_t count, myelin_blob_take taker, void *context) {
    struct open_image *image = NULL;
    TRY(take(images, owner, id, &image));
    result read = (result)myelin_hold_read(image->held, names, count, taker, context);
    give(images, image);
    return read;
}

result images_list(struct images *images, const char *owner, const char *id,
                   myelin_blob_found found, void *context) {
    struct open_image *image = NULL;
    TRY(take(images, owner, id, &image));
    result listed = (result)myelin_hold_list(image->held, found, context);
    give(images, image);
    return listed;
}
