#include "flow/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/list.h"
#include "flow/manifests.h"
#include "flow/object.h"
#include "flow/open.h"

void shown_free(struct shown *shown) {
    for (size_t i = 0; i < shown->object_count; i++)
        free(shown->objects[i].name);
    free(shown->objects);
    for (size_t i = 0; i < shown->recipient_count; i++)
        free(shown->recipients[i]);
    free(shown->recipients);
    *shown = (struct shown){0};
}

static result show_object(const struct content_key_secret *key, const struct manifests *manifests,
                          const struct manifest_entry *entry, struct shown_object *out_object) {
    AUTO_FORMAT Myelin__ObjectMeta *meta = NULL;
    TRY(object_meta_open(key->bytes, entry->manifest, &meta));
    struct shown_object object = {.size = meta->size,
                                  .sealed_bytes = entry->manifest->sealed_bytes,
                                  .created_ms = entry->manifest->created_ms};
    TRY(codec_kind_check(meta->codec, &object.codec));
    for (unsigned i = 0; i < manifests->servers; i++)
        object.servers += entry->is_at[i];
    object.name = strdup(meta->name);
    if (object.name == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    *out_object = object;
    return OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct shown_object *)a)->name, ((const struct shown_object *)b)->name);
}

static result show_objects(struct session *session, const struct image *image,
                           struct shown *shown) {
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(flow_open_envelope(session, image, &key));
    AUTO_MANIFESTS struct manifests manifests = {0};
    TRY(manifests_load(session, image, session->k, &manifests));
    session_warn_failed(session, SESSION_STORAGE, manifests.answers, NOT_FOUND);
    shown->objects = calloc(manifests.count + 1, sizeof *shown->objects);
    if (shown->objects == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (size_t i = 0; i < manifests.count; i++) {
        TRY(show_object(key, &manifests, &manifests.entries[i],
                        &shown->objects[shown->object_count]));
        shown->object_count++;
    }
    qsort(shown->objects, shown->object_count, sizeof *shown->objects, by_name);
    return OK;
}

/* To whom an own image is forwarded: taken out of the list of all. */
static result show_recipients(struct session *session, const char *id, struct shown *shown) {
    AUTO_LIST struct list list = {0};
    TRY(flow_list(session, &list));
    for (size_t i = 0; i < list.count; i++) {
        struct list_item *item = &list.items[i];
        if (strcmp(item->id, id) != 0)
            continue;
        shown->recipients = item->recipients;
        shown->recipient_count = item->recipient_count;
        item->recipients = NULL;
        item->recipient_count = 0;
    }
    return OK;
}

result flow_show(struct session *session, const char *id, const char *from,
                 struct shown *out_shown) {
    AUTO_IMAGE struct image image = {0};
    TRY(image_find(session, id, from, &image));
    TRY(image_load(session, id, &image));
    AUTO_SHOWN struct shown shown = {.created_ms = image.envelope->created_ms,
                                     .k = image.envelope->k,
                                     .n = (unsigned)image.envelope->n_servers};
    snprintf(shown.owner, sizeof shown.owner, "%s", image.owner_name);
    TRY(show_objects(session, &image, &shown));
    if (image.is_own)
        TRY(show_recipients(session, id, &shown));
    *out_shown = shown;
    shown = (struct shown){0};
    return OK;
}
