#include "flow/put_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Segments of 1 MiB unless that takes too much memory: a segment in flight takes n / k times its
 * size, and some must be in flight for the stages to run at once. Very large objects get longer
 * segments, so that their slice tables stay short.
 */
enum {
    SEGMENT_BYTES = 1 << 20,
    SEGMENT_BYTES_LARGE = 4 << 20,
    SEGMENTS_MANY = 1 << 15,
    WINDOW_BYTES = 24 << 20, /* of slices in flight */
    WINDOW_ENTRIES_MIN = 4,
    WINDOW_ENTRIES_MAX = 64,
    WINDOW_ENTRIES_WANTED = 8,
    THREADS_MAX = 16,
};

/* What goes to each server in one request is bounded so that all servers have it at about the same
 * time, whatever the line: who prepared waits for the others. */
enum {
    SMALL_SYMBOL_BYTES = 256 << 10,
    ENTRY_BYTES = 256, /* of an object's ids and the lengths around it, or of the put's */
};

/* A batch's manifests go to each server in one PreparePut. */
enum {
    BATCH_FILES_MAX = 1000,
    BATCH_MANIFEST_BYTES = FORMAT_LIMIT_PREPARE_PUT / 2,
    META_BYTES = 256, /* of a sealed description without name and note */
};

/* At most, of an object whose name and note have so many bytes. */
static size_t manifest_bytes(unsigned n, unsigned k, size_t text_bytes) {
    size_t slot_bytes = FORMAT_NAME_MAX + FORMAT_HASH_BYTES + k + 16;
    return text_bytes + META_BYTES + n * slot_bytes + 512;
}

size_t put_batch_files_max(unsigned n, unsigned k) {
    size_t most = BATCH_MANIFEST_BYTES / manifest_bytes(n, k, FORMAT_SEALED_META_MAX - META_BYTES);
    return most > BATCH_FILES_MAX ? BATCH_FILES_MAX : most;
}

static size_t window_bytes(unsigned n, unsigned k, uint32_t segment_bytes, unsigned entries) {
    return (size_t)n * code_block_len(segment_bytes + SEAL_TAG_BYTES, k) * entries;
}

static uint32_t choose_segment_bytes(unsigned n, unsigned k, uint64_t size) {
    uint32_t bytes = SEGMENT_BYTES;
    while (bytes > SEAL_SEGMENT_BYTES_MIN &&
           window_bytes(n, k, bytes, WINDOW_ENTRIES_WANTED) > WINDOW_BYTES)
        bytes /= 2;
    while (bytes < SEGMENT_BYTES_LARGE && size / bytes > SEGMENTS_MANY &&
           window_bytes(n, k, 2 * bytes, WINDOW_ENTRIES_MIN) <= 2 * (size_t)WINDOW_BYTES)
        bytes *= 2;
    while (bytes < SEAL_SEGMENT_BYTES_MAX && size / bytes >= FORMAT_SEGMENTS_MAX)
        bytes *= 2;
    return bytes;
}

void put_batch_path(const struct put_batch *batch, const char *suffix, char out[PUT_PATH_BYTES]) {
    snprintf(out, PUT_PATH_BYTES, "/v1/images/%s/puts/%s%s", batch->image->hex, batch->hex, suffix);
}

void put_batch_clean_up(struct put_batch *batch) {
    code_map_clean_up(&batch->encoder);
    free(batch->rows);
    free(batch->assignment);
    free(batch->draws);
    free(batch->objects);
    free(batch->root_memory);
    put_window_free(batch->window);
    put_whole_free(batch);
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++)
        format_slice_table_abandon(&batch->tables[i]);
}

static result init_assignment(struct put_batch *batch, unsigned copies) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    if (copies == 0)
        return OK;
    batch->assignment = malloc(sizeof *batch->assignment);
    batch->draws = calloc(n, sizeof *batch->draws);
    if (batch->assignment == NULL || batch->draws == NULL)
        return FAIL(NO_MEMORY, "no memory to assign %u blocks", k);
    return put_assign(n, k, copies, batch->assignment);
}

static result init_objects(struct put_batch *batch, const struct put_plan *plan) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    batch->objects = calloc(plan->count, sizeof *batch->objects);
    batch->root_memory = calloc(plan->count * n, sizeof *batch->root_memory);
    if (batch->objects == NULL || batch->root_memory == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        struct put_object *object = &batch->objects[batch->count++];
        object->file = &plan->files[i];
        TRY(object_id(batch->session, batch->image->tau_bytes, object->file->name, object->id));
        object_context(batch->image->tau_bytes, object->id, object->context);
        secret_random(object->salt, sizeof object->salt);
        object->segment_bytes = choose_segment_bytes(n, k, object->file->size);
        object->is_whole = object->file->size <= object->segment_bytes;
        object->roots = batch->root_memory + i * n;
        if (object->segment_bytes > batch->segment_bytes)
            batch->segment_bytes = object->segment_bytes;
    }
    return OK;
}

void put_batch_pass(struct put_batch *batch, const struct put_segment *segment) {
    struct put_object *object = &batch->objects[segment->object];
    for (unsigned slot = 0; slot < batch->slots->n; slot++) {
        if (segment->number == 0)
            format_slice_table_start(&batch->tables[slot]);
        format_slice_table_add(&batch->tables[slot], segment->hashes[slot]);
        if (segment->is_last)
            format_slice_table_finish(&batch->tables[slot], object->roots[slot]);
    }
    atomic_fetch_add(batch->bytes_done,
                     segment->is_whole ? object->file->size : segment->plain_len);
}

static void pass_in_order(void *context, const struct put_segment *segment) {
    put_batch_pass(context, segment);
}

static result init_window(struct put_batch *batch) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    long cores = sysconf(_SC_NPROCESSORS_ONLN); /* reads a file: a small put does not ask */
    batch->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores;
    size_t block_len = code_block_len(batch->segment_bytes + SEAL_TAG_BYTES, k);
    size_t piece_capacity = (block_len + 63) / 64 * 64;
    size_t entries = WINDOW_BYTES / (piece_capacity * n);
    if (entries < WINDOW_ENTRIES_MIN)
        entries = WINDOW_ENTRIES_MIN;
    if (entries > WINDOW_ENTRIES_MAX)
        entries = WINDOW_ENTRIES_MAX;
    struct put_window_options options = {
        .slots = n,
        .pieces = batch->assignment != NULL ? k : n,
        .entries = entries,
        .plain_buffers = batch->threads + 1,
        .plain_capacity = block_len * k,
        .piece_capacity = piece_capacity,
        .in_order = pass_in_order,
        .context = batch,
    };
    return put_window_new(&options, &batch->window);
}

/* Whether all that a server gets fits in a WholePut. */
static bool is_small(const struct put_batch *batch) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    size_t symbol_bytes = 0, other_bytes = 0;
    if (batch->assignment != NULL || batch->count > FORMAT_WHOLE_OBJECTS_MAX)
        return false;
    if (batch->envelope != NULL)
        other_bytes =
            FORMAT_LIMIT_ENVELOPE + FORMAT_LIMIT_SYMBOL + (size_t)n * k * FORMAT_SCALAR_BYTES;
    for (size_t i = 0; i < batch->count && symbol_bytes <= SMALL_SYMBOL_BYTES; i++) {
        const struct put_file *file = batch->objects[i].file;
        if (!batch->objects[i].is_whole)
            return false;
        symbol_bytes += code_block_len((size_t)file->size + SEAL_TAG_BYTES, k);
        other_bytes += manifest_bytes(n, k, strlen(file->name) + file->note.len) + ENTRY_BYTES;
    }
    return symbol_bytes <= SMALL_SYMBOL_BYTES &&
           symbol_bytes + other_bytes + ENTRY_BYTES <= FORMAT_LIMIT_WHOLE_PUT;
}

result put_batch_init(const struct put_plan *plan, struct put_batch *out_batch) {
    *out_batch = (struct put_batch){
        .session = plan->session,
        .image = plan->image,
        .slots = plan->slots,
        .servers = plan->servers,
        .envelope = plan->envelope,
        .parts = plan->parts,
        .content_key = plan->content_key,
        .codec = plan->codec,
        .created_ms = plan->image->signing_ms,
        .bytes_done = plan->bytes_done,
        .bytes_total = plan->bytes_total,
    };
    memcpy(out_batch->put, plan->put, FORMAT_ID_BYTES);
    hex_encode(view_of(plan->put, FORMAT_ID_BYTES), out_batch->hex);
    TRY(init_assignment(out_batch, plan->copies));
    TRY(init_objects(out_batch, plan));
    out_batch->is_small = is_small(out_batch);
    return out_batch->is_small ? OK : init_window(out_batch);
}
