/*
 * Put's short way, for small objects: all of them are coded first, then each storage server gets
 * begin, its slices and prepare in one request. A server that does not know such requests is
 * brought the same step by step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/put_batch.h"

static const char PROTOBUF[] = "application/protobuf";

/* ------------------------------------------------------------------ coding */

void put_whole_free(struct put_batch *batch) {
    for (size_t i = 0; batch->coded != NULL && i < batch->count; i++) {
        free(batch->coded[i].pieces);
        free(batch->coded[i].hashes);
    }
    free(batch->coded);
    batch->coded = NULL;
}

static result code_one(struct put_batch *batch, size_t index, struct bytes *plain) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    struct put_segment *segment = &batch->coded[index];
    size_t capacity = code_block_len((size_t)batch->objects[index].file->size + SEAL_TAG_BYTES, k);
    TRY(bytes_reserve(plain, capacity * k));
    *segment = (struct put_segment){.object = index,
                                    .is_last = true,
                                    .is_whole = true,
                                    .plain = plain->data,
                                    .piece_capacity = capacity,
                                    .pieces = malloc(n * capacity),
                                    .hashes = calloc(n, sizeof *segment->hashes)};
    if (segment->pieces == NULL || segment->hashes == NULL)
        return FAIL(NO_MEMORY, "no memory for an object's slices");
    TRY(put_code_object(batch, segment));
    put_batch_pass(batch, segment);
    return OK;
}

result put_batch_code(struct put_batch *batch) {
    AUTO_BYTES struct bytes plain = {0};
    batch->coded = calloc(batch->count, sizeof *batch->coded);
    if (batch->coded == NULL)
        return FAIL(NO_MEMORY, "no memory for the slices of %zu objects", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        TRY(session_check_cancel(batch->session));
        TRY(code_one(batch, i, &plain));
    }
    session_step(batch->session, "disperse", atomic_load(batch->bytes_done), batch->bytes_total);
    return OK;
}

static struct view slice_of(const struct put_batch *batch, unsigned slot, size_t index) {
    const struct put_segment *segment = &batch->coded[index];
    return view_of(segment->pieces + slot * segment->piece_capacity, segment->piece_len);
}

/* ------------------------------------------------------------------ in one request */

static result pack_whole(const struct put_batch *batch, unsigned slot, struct view prepare,
                         struct bytes *out_wire) {
    AUTO_BYTES struct bytes begin = {0};
    TRY(put_batch_pack_begin(batch, &begin));
    Myelin__WholeObject objects[FORMAT_WHOLE_OBJECTS_MAX], *pointers[FORMAT_WHOLE_OBJECTS_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        objects[i] = (Myelin__WholeObject)MYELIN__WHOLE_OBJECT__INIT;
        objects[i].object = format_bytes(view_of(batch->objects[i].id, FORMAT_ID_BYTES));
        objects[i].slices = format_bytes(slice_of(batch, slot, i));
        pointers[i] = &objects[i];
    }
    Myelin__WholePut message = MYELIN__WHOLE_PUT__INIT;
    message.begin = format_bytes(bytes_view(&begin));
    message.prepare = format_bytes(prepare);
    message.n_object = batch->count;
    message.object = pointers;
    return format_pack(&message, out_wire);
}

result put_whole_check(const struct put_batch *batch, unsigned slot, struct view wire) {
    const char *name = batch->slots->slot[slot].name;
    AUTO_FORMAT Myelin__WholeAnswer *answer = NULL;
    result parsed = format_parse_whole_answer(wire, &answer);
    if (parsed != OK)
        return error_at(parsed, "%s: its receipts", name);
    if (answer->n_receipt != batch->count)
        return FAIL(PROTOCOL, "%s: %zu receipts for %zu objects", name, answer->n_receipt,
                    batch->count);
    for (size_t i = 0; i < batch->count; i++)
        TRY(put_receipt_check(batch, slot, &batch->objects[i], batch->coded[i].piece_len,
                              format_view(answer->receipt[i])));
    return OK;
}

result put_whole_request(const struct put_batch *batch, unsigned slot, struct view prepare,
                         struct put_request *out_request) {
    char suffix[64];
    snprintf(suffix, sizeof suffix, "/whole?slot=%u&slice=%zu", slot,
             put_object_slice_bytes(batch, &batch->objects[0]));
    put_batch_path(batch, suffix, out_request->path);
    out_request->answer_limit = FORMAT_LIMIT_WHOLE_ANSWER;
    return pack_whole(batch, slot, prepare, &out_request->own);
}

/* ------------------------------------------------------------------ step by step */

static result upload_one(struct put_batch *batch, unsigned slot, struct http_client *client,
                         size_t index) {
    char path[PUT_PATH_BYTES];
    AUTO_BYTES struct bytes receipt = {0};
    put_object_path(batch, slot, &batch->objects[index], path);
    TRY(http_call(client, "PUT", path, slice_of(batch, slot, index), "application/octet-stream",
                  FORMAT_LIMIT_SIGNED_SMALL, &receipt));
    return put_receipt_check(batch, slot, &batch->objects[index], batch->coded[index].piece_len,
                             bytes_view(&receipt));
}

result put_whole_by_steps(struct put_batch *batch, unsigned slot, struct http_client *client,
                          struct view prepare) {
    char path[PUT_PATH_BYTES];
    AUTO_BYTES struct bytes begin = {0};
    TRY(put_batch_pack_begin(batch, &begin));
    put_batch_path(batch, "", path);
    TRY(http_call(client, "POST", path, bytes_view(&begin), PROTOBUF, 0, NULL));
    for (size_t i = 0; i < batch->count; i++)
        TRY(upload_one(batch, slot, client, i));
    put_batch_path(batch, "/prepare", path);
    return http_call(client, "POST", path, prepare, PROTOBUF, 0, NULL);
}
