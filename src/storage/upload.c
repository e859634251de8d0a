/* An object's slices on their way into staging. */
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"
#include "storage/put.h"
#include "storage/put_table.h"

enum { SPACE_CHECK_BYTES = 16 << 20 };

struct upload {
    struct storage *storage;
    struct put *put;           /* in use */
    struct put_object *object; /* UPLOADING: this upload's own */
    struct store_writer *writer;
    uint64_t bytes;
    uint64_t space_checked; /* up to this many bytes */
    uint32_t slice_bytes;
    uint32_t slice_filled;
    struct digest slice; /* of the slice that is coming in */
    bool hashing;
    struct bytes table; /* 32 bytes a slice; at most FORMAT_SEGMENTS_MAX of them */
};

static void set_object_state(struct upload *upload, enum put_object_state state) {
    pthread_mutex_lock(&upload->storage->mutex);
    upload->object->state = state;
    pthread_mutex_unlock(&upload->storage->mutex);
}

static void upload_free(struct upload *upload) {
    if (upload->hashing)
        digest_abandon(&upload->slice);
    bytes_free(&upload->table);
    if (upload->put != NULL)
        put_release(upload->storage, upload->put);
    free(upload);
}

void upload_abandon(struct upload *upload) {
    if (upload == NULL)
        return;
    store_writer_abandon(upload->writer);
    set_object_state(upload, OBJECT_AWAITED);
    upload_free(upload);
}

/* Takes the object for this upload alone. */
static result claim(struct upload *upload, const struct upload_options *options) {
    struct put *put = upload->put;
    upload->object = put_find_object(put, &options->object);
    if (upload->object == NULL)
        return FAIL(NOT_FOUND, "put %s did not announce object %s", put->id.hex,
                    options->object.hex);
    pthread_mutex_lock(&upload->storage->mutex);
    bool open = put->state == PUT_OPEN && !put->doomed;
    bool free_ = upload->object->state != OBJECT_UPLOADING;
    if (open && free_)
        upload->object->state = OBJECT_UPLOADING;
    pthread_mutex_unlock(&upload->storage->mutex);
    if (!open)
        return FAIL(CONFLICT, "put %s takes no more objects", put->id.hex);
    if (!free_)
        return FAIL(CONFLICT, "object %s is being uploaded already", options->object.hex);
    upload->object->slot = (uint32_t)options->slot;
    upload->object->slice_bytes = upload->slice_bytes;
    return OK;
}

static result start(struct upload *upload, const struct storage_caller *caller,
                    const struct image_id *image, const struct short_id *put,
                    const struct upload_options *options) {
    TRY(storage_check_space(upload->storage, options->expected_bytes));
    TRY(put_acquire_own(upload->storage, caller, image, put, &upload->put));
    TRY(claim(upload, options));
    struct place place = place_staged_object(put, &options->object, PLACE_SLICES_SUFFIX);
    result opened = store_writer_open(upload->storage->store, place.key, &upload->writer);
    if (opened != OK)
        set_object_state(upload, OBJECT_AWAITED);
    return opened;
}

result upload_open(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, const struct short_id *put,
                   const struct upload_options *options, struct upload **out_upload) {
    if (options->slot >= FORMAT_SERVERS_MAX)
        return FAIL(INVALID, "?slot= is %u at most", FORMAT_SERVERS_MAX - 1);
    if (options->slice_bytes < 1 || options->slice_bytes > FORMAT_SLICE_MAX)
        return FAIL(INVALID, "?slice= is 1 to %u", FORMAT_SLICE_MAX);
    struct upload *upload = calloc(1, sizeof *upload);
    if (upload == NULL)
        return FAIL(NO_MEMORY, "no memory for an upload");
    upload->storage = storage;
    upload->slice_bytes = (uint32_t)options->slice_bytes;
    upload->space_checked = options->expected_bytes;
    result started = start(upload, caller, image, put, options);
    if (started != OK) {
        upload_free(upload);
        return started;
    }
    *out_upload = upload;
    return OK;
}

static result end_slice(struct upload *upload) {
    uint8_t hash[DIGEST_BYTES];
    digest_finish(&upload->slice, hash);
    upload->hashing = false;
    upload->slice_filled = 0;
    if (upload->table.len >= (size_t)FORMAT_SEGMENTS_MAX * DIGEST_BYTES)
        return FAIL(INVALID, "an object has at most %u slices", FORMAT_SEGMENTS_MAX);
    if (upload->table.len == upload->table.capacity)
        TRY(bytes_reserve(&upload->table,
                          upload->table.len == 0 ? 32 * DIGEST_BYTES : 2 * upload->table.len));
    return bytes_append(&upload->table, view_of(hash, sizeof hash));
}

static result hash_part(struct upload *upload, struct view part) {
    while (part.len > 0) {
        size_t room = upload->slice_bytes - upload->slice_filled;
        struct view head = {part.data, part.len < room ? part.len : room};
        if (!upload->hashing)
            digest_start(&upload->slice);
        upload->hashing = true;
        digest_update(&upload->slice, head);
        upload->slice_filled += (uint32_t)head.len;
        part.data += head.len;
        part.len -= head.len;
        if (upload->slice_filled == upload->slice_bytes)
            TRY(end_slice(upload));
    }
    return OK;
}

/* A disk that is full or broken takes the whole put with it: what is staged only fills it more. */
static result give_up_on_io(struct upload *upload, result code) {
    if (code == IO)
        put_give_up(upload->storage, upload->put);
    return code;
}

result upload_append(struct upload *upload, struct view part) {
    if (upload->put->doomed)
        return FAIL(CONFLICT, "put %s was aborted", upload->put->id.hex);
    upload->bytes += part.len;
    if (upload->bytes > FORMAT_SEALED_BYTES_MAX)
        return FAIL(INVALID, "the object is too long");
    if (upload->bytes > upload->space_checked) {
        upload->space_checked = upload->bytes + SPACE_CHECK_BYTES;
        TRY(give_up_on_io(upload, storage_check_space(upload->storage, SPACE_CHECK_BYTES)));
    }
    TRY(hash_part(upload, part));
    return give_up_on_io(upload, store_writer_append(upload->writer, part));
}

size_t upload_memory(const struct upload *upload) {
    return sizeof *upload + upload->table.capacity;
}

/* The slice table follows the slices. */
static result end_value(struct upload *upload) {
    if (upload->slice_filled > 0)
        TRY(end_slice(upload));
    if (upload->bytes == 0)
        return FAIL(INVALID, "an object without a slice");
    TRY(format_slice_table_root(bytes_view(&upload->table), upload->object->root));
    TRY(give_up_on_io(upload, store_writer_append(upload->writer, bytes_view(&upload->table))));
    struct store_writer *writer = upload->writer;
    upload->writer = NULL;
    upload->object->symbol_bytes = upload->bytes;
    upload->object->slices = upload->table.len / DIGEST_BYTES;
    return give_up_on_io(upload, store_writer_close(writer));
}

result upload_receipt(const struct storage *storage, const struct put *put,
                      const struct put_object *object, struct bytes *out_receipt) {
    char server[FORMAT_NAME_MAX + 1];
    memcpy(server, storage->server, sizeof server);
    Myelin__Receipt receipt = MYELIN__RECEIPT__INIT;
    receipt.server = server;
    receipt.put = format_bytes(view_of(put->id.bytes, FORMAT_ID_BYTES));
    receipt.object = format_bytes(view_of(object->id.bytes, FORMAT_ID_BYTES));
    receipt.slot = object->slot;
    receipt.symbol_bytes = object->symbol_bytes;
    receipt.symbol_root = format_bytes(view_of(object->root, DIGEST_BYTES));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(format_sign(storage->key, &receipt, &record));
    return format_pack(record, out_receipt);
}

result upload_finish(struct upload *upload, struct bytes *out_receipt) {
    result ended = end_value(upload);
    if (ended == OK)
        ended = upload_receipt(upload->storage, upload->put, upload->object, out_receipt);
    if (ended != OK) {
        upload_abandon(upload);
        return ended;
    }
    set_object_state(upload, OBJECT_UPLOADED);
    atomic_fetch_add(&upload->storage->counters.uploaded_bytes, upload->bytes);
    upload_free(upload);
    return OK;
}
