#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accept.h"

/* One accepted image. */
struct accepted {
    char owner[RECORD_OWNER_MAX + 1];
    char id[RECORD_IMAGE_MAX + 1];
    uint64_t living;
    bool is_forwarded;
    bool has_lost; /* the servers list fewer objects than Orthanc has instances of it ... */
    bool is_empty; /* ... namely none */
};

struct check {
    struct accepted *images;
    size_t count, capacity;
    bool has_memory;
    unsigned storage_well;
};

static void add_image(void *context, const struct map_image_info *info) {
    struct check *check = context;
    if (check->count == check->capacity) {
        size_t capacity = check->capacity == 0 ? 16 : 2 * check->capacity;
        struct accepted *grown = reallocarray(check->images, capacity, sizeof *grown);
        check->has_memory = check->has_memory && grown != NULL;
        if (grown == NULL)
            return;
        check->images = grown;
        check->capacity = capacity;
    }
    struct accepted *image = &check->images[check->count++];
    *image = (struct accepted){.living = info->living};
    snprintf(image->owner, sizeof image->owner, "%s", info->owner);
    snprintf(image->id, sizeof image->id, "%s", info->id);
}

static void mark_forwarded(void *context, const struct myelin_image *image) {
    struct check *check = context;
    for (size_t i = 0; i < check->count; i++)
        if (strcmp(check->images[i].owner, image->owner) == 0 &&
            strcmp(check->images[i].id, image->id) == 0) {
            check->images[i].is_forwarded = true;
            check->images[i].has_lost = image->objects < check->images[i].living;
            check->images[i].is_empty = image->objects == 0;
        }
}

static void count_well(void *context, const struct myelin_server *server) {
    struct check *check = context;
    check->storage_well += !server->is_key_server && server->is_well;
}

/* A forward lies at as many storage servers as it takes to read, or more. */
static result may_conclude(struct gateway *gateway, struct check *check, bool *out_may) {
    struct myelin_shape shape;
    myelin_get_shape(gateway->session, &shape);
    check->storage_well = 0;
    result status = gateway_result(myelin_status(gateway->session, count_well, check));
    if (status != OK && status != QUORUM)
        return status;
    *out_may = shape.storage - check->storage_well < shape.storage_needed;
    return OK;
}

static result undo_one(struct gateway *gateway, const struct accepted *image) {
    TRY(accept_undo(gateway, image->owner, image->id));
    gateway_notice(gateway, "%s no longer forwards study %s: it is not among your studies any more",
                   image->owner, image->id);
    return OK;
}

static result undo_gone(struct gateway *gateway, struct check *check) {
    bool may = false;
    size_t gone = 0;
    for (size_t i = 0; i < check->count; i++)
        gone += !check->images[i].is_forwarded;
    if (gone > 0)
        TRY(may_conclude(gateway, check, &may));
    for (size_t i = 0; i < check->count && may; i++)
        if (!check->images[i].is_forwarded)
            TRY(undo_one(gateway, &check->images[i]));
    return OK;
}

/* An image of which nothing is left is listed as not found. */
static result undo_objects(struct gateway *gateway, const struct accepted *image,
                           uint64_t *out_undone) {
    result compared = accept_compare(gateway, image->owner, image->id, out_undone);
    if (compared != NOT_FOUND || !image->is_empty)
        return compared;
    TRY(accept_undo(gateway, image->owner, image->id));
    *out_undone = image->living;
    return OK;
}

/* What fails for one image is said, and tried again with the next look. */
static void undo_deleted(struct gateway *gateway, const struct check *check) {
    for (size_t i = 0; i < check->count; i++) {
        const struct accepted *image = &check->images[i];
        uint64_t undone = 0;
        if (!image->has_lost)
            continue;
        result compared = undo_objects(gateway, image, &undone);
        if (compared != OK)
            gateway_warn(gateway, "what %s deleted of a study could not be looked at: %s",
                         image->owner, error_text());
        if (undone > 0)
            gateway_notice(gateway,
                           "%s deleted %llu instances of study %s: they are not among yours any "
                           "more",
                           image->owner, (unsigned long long)undone, image->id);
    }
}

static result run(struct gateway *gateway, struct check *check) {
    map_images(gateway->map, NULL, add_image, check);
    if (!check->has_memory)
        return FAIL(NO_MEMORY, "no memory to look at the inbox");
    if (check->count == 0)
        return OK;
    TRY(gateway_result(myelin_inbox(gateway->session, mark_forwarded, check)));
    undo_deleted(gateway, check);
    return undo_gone(gateway, check);
}

result inbox_check(struct gateway *gateway) {
    struct check check = {.has_memory = true};
    result done = run(gateway, &check);
    free(check.images);
    return done;
}
