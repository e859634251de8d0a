/* A put of small objects in one request: begin, uploads, prepare. */
#include <stdlib.h>
#include <string.h>

#include "storage/put.h"
#include "storage/put_table.h"

/* One request under way. */
struct whole {
    struct storage *storage;
    const struct storage_caller *caller;
    const struct image_id *image;
    const struct short_id *put;
    const struct whole_options *options;
    const Myelin__WholePut *message;
    struct bytes *receipts; /* by object of the message */
};

static void receipts_free(struct whole *whole) {
    for (size_t i = 0; whole->receipts != NULL && i < whole->message->n_object; i++)
        bytes_free(&whole->receipts[i]);
    free(whole->receipts);
}

static result upload_one(const struct whole *whole, size_t index) {
    const Myelin__WholeObject *object = whole->message->object[index];
    struct upload_options options = {.slot = whole->options->slot,
                                     .slice_bytes = whole->options->slice_bytes,
                                     .expected_bytes = object->slices.len};
    struct upload *upload = NULL;
    TRY(short_id_from(format_view(object->object), &options.object));
    TRY(upload_open(whole->storage, whole->caller, whole->image, whole->put, &options, &upload));
    result appended = upload_append(upload, format_view(object->slices));
    if (appended != OK) {
        upload_abandon(upload);
        return appended;
    }
    return upload_finish(upload, &whole->receipts[index]);
}

static result take_all(const struct whole *whole) {
    TRY(put_begin(whole->storage, whole->caller, whole->image, whole->put,
                  format_view(whole->message->begin)));
    for (size_t i = 0; i < whole->message->n_object; i++)
        TRY(upload_one(whole, i));
    return OK;
}

/* The put is prepared, and no restart has forgotten what its uploads came to. */
static bool is_prepared(struct storage *storage, const struct put *put) {
    pthread_mutex_lock(&storage->mutex);
    bool prepared = put->state == PUT_PREPARED && !put->doomed;
    pthread_mutex_unlock(&storage->mutex);
    for (size_t i = 0; prepared && i < put->object_count; i++)
        prepared = put->objects[i].symbol_bytes > 0;
    return prepared;
}

/* The receipts of a request that is there again because its answer was lost: whether that is so is
 * for prepare to see, by the contents. */
static result repeat_receipts(const struct whole *whole, const struct put *put) {
    for (size_t i = 0; i < whole->message->n_object; i++) {
        struct short_id id;
        TRY(short_id_from(format_view(whole->message->object[i]->object), &id));
        const struct put_object *object = put_find_object(put, &id);
        if (object == NULL)
            return FAIL(CONFLICT, "put %s is prepared without object %s", put->id.hex, id.hex);
        TRY(upload_receipt(whole->storage, put, object, &whole->receipts[i]));
    }
    return OK;
}

static result take_or_repeat(const struct whole *whole) {
    AUTO_PUT_USE struct put_use use = {.storage = whole->storage};
    result there =
        put_acquire_own(whole->storage, whole->caller, whole->image, whole->put, &use.put);
    if (there == OK && is_prepared(whole->storage, use.put))
        return repeat_receipts(whole, use.put);
    put_use_end(&use);
    return take_all(whole);
}

static result pack_answer(const struct whole *whole, struct bytes *out_answer) {
    size_t count = whole->message->n_object;
    ProtobufCBinaryData *fields = calloc(count, sizeof *fields);
    if (fields == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu receipts", count);
    for (size_t i = 0; i < count; i++)
        fields[i] = format_bytes(bytes_view(&whole->receipts[i]));
    Myelin__WholeAnswer answer = MYELIN__WHOLE_ANSWER__INIT;
    answer.n_receipt = count;
    answer.receipt = fields;
    result packed = format_pack(&answer, out_answer);
    free(fields);
    return packed;
}

result put_whole(struct storage *storage, const struct storage_caller *caller,
                 const struct image_id *image, const struct short_id *put,
                 const struct whole_options *options, struct view body, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__WholePut *message = NULL;
    TRY(format_parse_whole_put(body, &message));
    __attribute__((cleanup(receipts_free))) struct whole whole = {
        .storage = storage,
        .caller = caller,
        .image = image,
        .put = put,
        .options = options,
        .message = message,
        .receipts = calloc(message->n_object, sizeof *whole.receipts),
    };
    if (whole.receipts == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu receipts", message->n_object);
    TRY(take_or_repeat(&whole));
    TRY(put_prepare(storage, caller, image, put, format_view(message->prepare)));
    return pack_answer(&whole, out_answer);
}
