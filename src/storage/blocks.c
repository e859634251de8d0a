/* Blocks on their way in: what goes on to the disk are their sums. */
#include <stdlib.h>
#include <string.h>

#include "code/code.h"
#include "storage/draw.h"
#include "storage/put.h"
#include "storage/put_table.h"

/* The blocks of the longest segment, each of k rounded up. */
enum { SEGMENT_BLOCKS_MAX = FORMAT_SEGMENT_BYTES_MAX + FORMAT_TAG_BYTES + FORMAT_SERVERS_MAX };

struct blocks {
    struct upload *upload;
    struct code_map encoder; /* of the blocks that are held to one slice */
    unsigned held;           /* so many */
    size_t slice_bytes;
    uint8_t *segment; /* held x slice_bytes: blocks that have come */
    size_t filled;
    uint8_t *slice;
};

static void blocks_free(struct blocks *blocks) {
    code_map_clean_up(&blocks->encoder);
    free(blocks->segment);
    free(blocks->slice);
    free(blocks);
}

void blocks_abandon(struct blocks *blocks) {
    if (blocks == NULL)
        return;
    upload_abandon(blocks->upload);
    blocks_free(blocks);
}

/* What the upload needs of the draw: its row without the zeros. */
struct drawn_row {
    uint32_t slot;
    unsigned held;
    uint8_t row[FORMAT_SERVERS_MAX];
};

/* Under the mutex. */
static result find_row(const struct put *put, const struct blocks_options *options,
                       struct drawn_row *out_row) {
    const struct put_drawn *drawn = put->drawn;
    if (drawn == NULL || options->draw != drawn->draw)
        return FAIL(CONFLICT, "put %s has no draw of that number that counts", put->id.hex);
    if (options->row >= drawn->row_count)
        return FAIL(INVALID, "?row= is %u at most", drawn->row_count - 1);
    out_row->slot = drawn->slot;
    out_row->held = (unsigned)drawn->held_count;
    for (size_t i = 0; i < drawn->held_count; i++)
        out_row->row[i] = drawn->rows[options->row * drawn->k + drawn->held[i]];
    return OK;
}

static result read_row(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, const struct short_id *put,
                       const struct blocks_options *options, struct drawn_row *out_row) {
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    TRY(put_acquire_own(storage, caller, image, put, &use.put));
    pthread_mutex_lock(&storage->mutex);
    result found = find_row(use.put, options, out_row);
    pthread_mutex_unlock(&storage->mutex);
    return found;
}

static result allocate(struct blocks *blocks, const struct drawn_row *row) {
    TRY(code_row_init(row->held, row->row, &blocks->encoder));
    blocks->segment = malloc(row->held * blocks->slice_bytes);
    blocks->slice = malloc(blocks->slice_bytes);
    if (blocks->segment == NULL || blocks->slice == NULL)
        return FAIL(NO_MEMORY, "no memory for the blocks of a segment");
    return OK;
}

result blocks_open(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, const struct short_id *put,
                   const struct blocks_options *options, struct blocks **out_blocks) {
    struct drawn_row row;
    TRY(read_row(storage, caller, image, put, options, &row));
    if (options->slice_bytes < 1 || options->slice_bytes > SEGMENT_BLOCKS_MAX / row.held)
        return FAIL(INVALID, "?slice= is 1 to %u", SEGMENT_BLOCKS_MAX / row.held);
    struct blocks *blocks = calloc(1, sizeof *blocks);
    if (blocks == NULL)
        return FAIL(NO_MEMORY, "no memory for blocks");
    blocks->held = row.held;
    blocks->slice_bytes = (size_t)options->slice_bytes;
    struct upload_options upload = {
        .object = options->object,
        .slot = row.slot,
        .slice_bytes = options->slice_bytes,
        .expected_bytes = options->expected_bytes / row.held,
    };
    result opened = allocate(blocks, &row);
    if (opened == OK)
        opened = upload_open(storage, caller, image, put, &upload, &blocks->upload);
    if (opened != OK) {
        blocks_free(blocks);
        return opened;
    }
    *out_blocks = blocks;
    return OK;
}

/* The segment's blocks are there, of `len` bytes each. */
static result encode_segment(struct blocks *blocks, size_t len) {
    const uint8_t *inputs[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < blocks->held; i++)
        inputs[i] = blocks->segment + i * len;
    code_apply(&blocks->encoder, inputs, len, &blocks->slice);
    blocks->filled = 0;
    return upload_append(blocks->upload, view_of(blocks->slice, len));
}

result blocks_append(struct blocks *blocks, struct view part) {
    size_t whole = blocks->held * blocks->slice_bytes;
    while (part.len > 0) {
        size_t room = whole - blocks->filled, taken = part.len < room ? part.len : room;
        memcpy(blocks->segment + blocks->filled, part.data, taken);
        blocks->filled += taken;
        part.data += taken;
        part.len -= taken;
        if (blocks->filled == whole)
            TRY(encode_segment(blocks, blocks->slice_bytes));
    }
    return OK;
}

size_t blocks_memory(const struct blocks *blocks) {
    return sizeof *blocks + (blocks->held + 1) * blocks->slice_bytes +
           upload_memory(blocks->upload);
}

static result finish(struct blocks *blocks, struct bytes *out_receipt) {
    if (blocks->filled % blocks->held != 0)
        return FAIL(INVALID, "%zu bytes are no %u blocks of one length", blocks->filled,
                    blocks->held);
    if (blocks->filled > 0)
        TRY(encode_segment(blocks, blocks->filled / blocks->held));
    struct upload *upload = blocks->upload;
    blocks->upload = NULL;
    return upload_finish(upload, out_receipt);
}

result blocks_finish(struct blocks *blocks, struct bytes *out_receipt) {
    result finished = finish(blocks, out_receipt);
    blocks_abandon(blocks);
    return finished;
}
