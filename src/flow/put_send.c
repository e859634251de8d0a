/*
 * Put's third stage, a thread for each storage server: disperse -> receipts. One upload an object,
 * each fed from the window's segments in order; the server's receipt is compared with the root of
 * the hashes that were made here.
 */
#include <stdio.h>
#include <string.h>

#include "flow/put_batch.h"

/* An object's upload to one server. */
struct upload {
    struct put_batch *batch;
    unsigned slot;
    const struct put_segment *segment; /* NULL after the object's last one was released */
    size_t sent;                       /* of its slice */
    uint64_t symbol_bytes;             /* of the object, so far */
};

static result pull_slices(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    struct upload *upload = context;
    struct put_window *window = upload->batch->window;
    *out_len = 0;
    if (upload->segment == NULL)
        return put_window_check(window);
    const struct put_segment *segment = upload->segment;
    const uint8_t *slice =
        segment->slices + upload->slot * put_window_slice_capacity(window) + upload->sent;
    size_t left = segment->slice_len - upload->sent;
    *out_len = left < capacity ? left : capacity;
    memcpy(out, slice, *out_len);
    upload->sent += *out_len;
    upload->symbol_bytes += *out_len;
    if (upload->sent < segment->slice_len)
        return OK;
    bool is_last = segment->is_last;
    put_window_release(window, upload->slot);
    upload->segment = NULL;
    upload->sent = 0;
    return is_last ? OK : put_window_next(window, upload->slot, &upload->segment);
}

static result check_receipt(const struct upload *upload, const struct put_object *object,
                            struct view answer) {
    const struct put_batch *batch = upload->batch;
    const struct put_slot *slot = &batch->slots->slot[upload->slot];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    result opened = format_parse_signed(answer, &record);
    if (opened == OK)
        opened = format_open_receipt(record, slot->identity, &receipt);
    if (opened != OK)
        return error_at(opened, "%s: its receipt", slot->name);
    if (strcmp(receipt->server, slot->name) != 0 ||
        memcmp(receipt->put.data, batch->put, FORMAT_ID_BYTES) != 0 ||
        memcmp(receipt->object.data, object->id, FORMAT_ID_BYTES) != 0 ||
        receipt->slot != upload->slot)
        return FAIL(PROTOCOL, "%s: its receipt is for something else", slot->name);
    if (receipt->symbol_bytes != upload->symbol_bytes ||
        memcmp(receipt->symbol_root.data, object->roots[upload->slot], DIGEST_BYTES) != 0)
        return FAIL(INTEGRITY, "%s: what it received is not what was sent", slot->name);
    return OK;
}

static result send_object(struct put_batch *batch, unsigned slot, const struct put_segment *first) {
    struct put_object *object = &batch->objects[first->object];
    char id[OBJECT_HEX], suffix[PUT_PATH_BYTES / 2], path[PUT_PATH_BYTES];
    hex_encode(view_of(object->id, sizeof object->id), id);
    snprintf(suffix, sizeof suffix, "/objects/%s?slot=%u&slice=%zu", id, slot,
             code_block_len(object->segment_bytes + SEAL_TAG_BYTES, batch->slots->k));
    put_batch_path(batch, suffix, path);
    struct upload upload = {.batch = batch, .slot = slot, .segment = first};
    AUTO_BYTES struct bytes answer = {0};
    TRY(http_upload(batch->slots->slot[slot].client, path, object->symbol_bytes, pull_slices,
                    &upload, FORMAT_LIMIT_SIGNED_SMALL, &answer));
    if (upload.segment != NULL)
        return FAIL(PROTOCOL, "%s: answered before it had the whole object",
                    batch->slots->slot[slot].name);
    return check_receipt(&upload, object, bytes_view(&answer));
}

result put_send(struct put_batch *batch, unsigned slot) {
    for (;;) {
        const struct put_segment *segment;
        TRY(put_window_next(batch->window, slot, &segment));
        if (segment == NULL)
            return OK;
        TRY(send_object(batch, slot, segment));
    }
}
