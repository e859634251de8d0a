/*
 * Put's third stage, a thread for each storage server: disperse -> receipts. One upload an object,
 * each fed from the window's segments in order; the server's receipt is compared with the root of
 * the hashes that were made here.
 */
#include <stdio.h>
#include <string.h>

#include "flow/put_batch.h"

/* An object's upload to one server: of each segment its slice, or the blocks that it makes it of.
 */
struct upload {
    struct put_batch *batch;
    unsigned slot;
    struct put_held pieces;            /* the numbers of those that it gets */
    const struct put_segment *segment; /* NULL after the object's last one was released */
    unsigned piece;                    /* of pieces: which it is at */
    size_t sent;                       /* of that one */
    uint64_t symbol_bytes;             /* of the object's slices, so far */
};

/* The segment was sent. */
static result pass_segment(struct upload *upload) {
    struct put_window *window = upload->batch->window;
    bool is_last = upload->segment->is_last;
    upload->symbol_bytes += upload->segment->piece_len;
    put_window_release(window, upload->slot);
    upload->segment = NULL;
    upload->piece = 0;
    return is_last ? OK : put_window_next(window, upload->slot, &upload->segment);
}

static result pull_pieces(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    struct upload *upload = context;
    struct put_window *window = upload->batch->window;
    *out_len = 0;
    if (upload->segment == NULL)
        return put_window_check(window);
    const struct put_segment *segment = upload->segment;
    const uint8_t *piece =
        segment->pieces + upload->pieces.block[upload->piece] * segment->piece_capacity;
    size_t left = segment->piece_len - upload->sent;
    *out_len = left < capacity ? left : capacity;
    memcpy(out, piece + upload->sent, *out_len);
    upload->sent += *out_len;
    if (upload->sent < segment->piece_len)
        return OK;
    upload->sent = 0;
    return ++upload->piece < upload->pieces.count ? OK : pass_segment(upload);
}

result put_receipt_check(const struct put_batch *batch, unsigned number,
                         const struct put_object *object, uint64_t symbol_bytes,
                         struct view answer) {
    const struct put_slot *slot = &batch->slots->slot[number];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    result opened = format_parse_signed(answer, &record);
    if (opened == OK)
        opened = format_open_receipt(record, slot->identity, &receipt);
    if (opened != OK)
        return error_at(opened, "%s: its receipt", slot->name);
    if (strcmp(receipt->server, slot->name) != 0 ||
        memcmp(receipt->put.data, batch->put, FORMAT_ID_BYTES) != 0 ||
        memcmp(receipt->object.data, object->id, FORMAT_ID_BYTES) != 0 || receipt->slot != number)
        return FAIL(PROTOCOL, "%s: its receipt is for something else", slot->name);
    if (receipt->symbol_bytes != symbol_bytes ||
        memcmp(receipt->symbol_root.data, object->roots[number], DIGEST_BYTES) != 0)
        return FAIL(INTEGRITY, "%s: what it received is not what was sent", slot->name);
    return OK;
}

size_t put_object_slice_bytes(const struct put_batch *batch, const struct put_object *object) {
    return code_block_len(object->segment_bytes + SEAL_TAG_BYTES, batch->slots->k);
}

void put_object_path(const struct put_batch *batch, unsigned slot, const struct put_object *object,
                     char out[PUT_PATH_BYTES]) {
    char id[OBJECT_HEX], suffix[PUT_PATH_BYTES / 2];
    size_t slice = put_object_slice_bytes(batch, object);
    hex_encode(view_of(object->id, sizeof object->id), id);
    if (batch->assignment == NULL)
        snprintf(suffix, sizeof suffix, "/objects/%s?slot=%u&slice=%zu", id, slot, slice);
    else
        snprintf(suffix, sizeof suffix, "/objects/%s/blocks?draw=%u&row=%u&slice=%zu", id,
                 batch->draws[slot].draw, batch->draws[slot].row, slice);
    put_batch_path(batch, suffix, out);
}

static result send_object(struct put_batch *batch, unsigned slot, const struct put_segment *first) {
    struct put_object *object = &batch->objects[first->object];
    char path[PUT_PATH_BYTES];
    put_object_path(batch, slot, object, path);
    struct upload upload = {
        .batch = batch, .slot = slot, .pieces = {1, {(uint8_t)slot}}, .segment = first};
    if (batch->assignment != NULL)
        upload.pieces = batch->assignment->held[slot];
    uint64_t bytes = object->symbol_bytes == HTTP_LENGTH_UNKNOWN
                         ? HTTP_LENGTH_UNKNOWN
                         : object->symbol_bytes * upload.pieces.count;
    AUTO_BYTES struct bytes answer = {0};
    TRY(http_upload(batch->slots->slot[slot].client, path, bytes, pull_pieces, &upload,
                    FORMAT_LIMIT_SIGNED_SMALL, &answer));
    if (upload.segment != NULL)
        return FAIL(PROTOCOL, "%s: answered before it had the whole object",
                    batch->slots->slot[slot].name);
    return put_receipt_check(batch, slot, object, upload.symbol_bytes, bytes_view(&answer));
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
