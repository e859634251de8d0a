/* Dead objects of images that live on: to be deleted from the storage servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "map_state.h"

/* Not while it may be put: the servers would say that they have no such object. */
static bool has_deletions(const struct map_image *image, uint64_t now_ms, uint64_t age_ms) {
    return image->corpses != NULL && image->living > 0 && image->in_batch == 0 &&
           !image->is_removing && !image->is_deleting && now_ms - image->idle_since_ms >= age_ms;
}

/* With the lock held. */
static struct map_image *find_any(struct map *map, uint64_t age_ms) {
    uint64_t now_ms = clock_ms();
    struct map_image *image = map->images;
    while (image != NULL && !has_deletions(image, now_ms, age_ms))
        image = image->next;
    return image;
}

/* With the lock held, but for the time that others take. */
static struct map_image *find_of(struct map *map, const char *id, uint64_t age_ms) {
    struct map_image *image;
    while ((image = map_image_find(map, "", id)) != NULL && image->is_deleting)
        pthread_cond_wait(&map->removal_ended, &map->lock);
    return image != NULL && has_deletions(image, clock_ms(), age_ms) ? image : NULL;
}

size_t map_next_deletions(struct map *map, const char *id, uint64_t age_ms, size_t count,
                          struct map_image_info *out_image, char *out_names[]) {
    size_t taken = 0;
    pthread_mutex_lock(&map->lock);
    struct map_image *image = id == NULL ? find_any(map, age_ms) : find_of(map, id, age_ms);
    const struct map_corpse *corpse = image == NULL ? NULL : image->corpses;
    for (; corpse != NULL && taken < count; corpse = corpse->next) {
        out_names[taken] = strdup(corpse->name);
        taken += out_names[taken] != NULL; /* else later */
    }
    if (taken > 0) {
        image->is_deleting = true;
        *out_image = (struct map_image_info){
            .living = image->living, .dead = image->dead, .deletions = image->corpse_count};
        snprintf(out_image->id, sizeof out_image->id, "%s", image->id);
    }
    pthread_mutex_unlock(&map->lock);
    return taken;
}

result map_deleted(struct map *map, const char *id, char *const names[], size_t count,
                   bool is_deleted) {
    struct record record = {.op = RECORD_DELETED};
    snprintf(record.image, sizeof record.image, "%s", id);
    result done = OK;
    pthread_mutex_lock(&map->lock);
    struct map_image *image = map_image_find(map, "", id);
    for (size_t i = 0; image != NULL && is_deleted && done == OK && i < count; i++) {
        snprintf(record.name, sizeof record.name, "%s", names[i]);
        done = map_write(map, &record);
    }
    if (image != NULL) {
        image->is_deleting = false;
        image->idle_since_ms = is_deleted ? image->idle_since_ms : clock_ms();
        map_image_tidy(map, image);
    }
    pthread_cond_broadcast(&map->removal_ended);
    pthread_mutex_unlock(&map->lock);
    return done;
}
