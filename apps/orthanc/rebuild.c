#include "rebuild.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/dicom.h"

struct rebuilding {
    struct gateway *gateway;
    struct rebuild_done done;
    char **ids; /* of the own images */
    size_t count, capacity;
    const char *id; /* the one at hand */
    result failed;
};

static result add_id(struct rebuilding *rebuilding, const char *id) {
    if (rebuilding->count == rebuilding->capacity) {
        size_t capacity = rebuilding->capacity == 0 ? 64 : 2 * rebuilding->capacity;
        char **grown = reallocarray(rebuilding->ids, capacity, sizeof(char *));
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for a list of images");
        rebuilding->ids = grown;
        rebuilding->capacity = capacity;
    }
    char *copy = strdup(id);
    if (copy == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of images");
    rebuilding->ids[rebuilding->count++] = copy;
    return OK;
}

static void take_image(void *context, const struct myelin_image *image) {
    struct rebuilding *rebuilding = context;
    if (rebuilding->failed == OK)
        rebuilding->failed = add_id(rebuilding, image->id);
}

/* The SOP instance, by which Orthanc's index can be asked for it. */
static void read_sop(struct view header, struct record *record) {
    struct codec_source source = codec_source_memory(header, "a header");
    struct dicom_info dicom;
    if (header.len > 0 && dicom_probe(&source, &dicom) == OK)
        snprintf(record->sop, sizeof record->sop, "%s", dicom.sop_instance_uid);
}

static result restore(struct rebuilding *rebuilding, const struct myelin_blob_listed *blob) {
    struct gateway *gateway = rebuilding->gateway;
    struct record record = {.op = RECORD_ADD, .size = blob->size};
    /* As if indexed, though nobody asked: what an index that was lost too does not name must not
     * count as an orphan, whose image may be removed. */
    record.flags = RECORD_IS_STORED | RECORD_IS_INDEXED;
    struct view header = view_of(blob->note, blob->note_size);
    snprintf(record.uuid, sizeof record.uuid, "%.*s", RECORD_UUID_BYTES, blob->name);
    snprintf(record.name, sizeof record.name, "%s", record.uuid);
    snprintf(record.image, sizeof record.image, "%s", rebuilding->id);
    read_sop(header, &record);
    result added = map_add(gateway->map, &record);
    if (added == CONFLICT)
        return OK;
    TRY(added);
    headers_keep(gateway->headers, record.uuid, header);
    rebuilding->done.restored++;
    return OK;
}

static void take_object(void *context, const struct myelin_blob_listed *blob) {
    struct rebuilding *rebuilding = context;
    if (rebuilding->failed != OK || !record_is_uuid(blob->name))
        return;
    rebuilding->done.attachments++;
    rebuilding->failed = restore(rebuilding, blob);
}

static result rebuild(struct rebuilding *rebuilding) {
    struct gateway *gateway = rebuilding->gateway;
    TRY(gateway_result(myelin_list(gateway->session, take_image, rebuilding)));
    TRY(rebuilding->failed);
    for (size_t i = 0; i < rebuilding->count; i++) {
        rebuilding->id = rebuilding->ids[i];
        rebuilding->done.images++;
        result listed = images_list(gateway->images, "", rebuilding->id, take_object, rebuilding);
        if (listed != NOT_FOUND) /* removed meanwhile */
            TRY(listed);
        TRY(rebuilding->failed);
    }
    return map_sync(gateway->map);
}

result rebuild_map(struct gateway *gateway, struct rebuild_done *out_done) {
    struct rebuilding rebuilding = {.gateway = gateway};
    result done = rebuild(&rebuilding);
    for (size_t i = 0; i < rebuilding.count; i++)
        free(rebuilding.ids[i]);
    free(rebuilding.ids);
    TRY(done);
    *out_done = rebuilding.done;
    return OK;
}
