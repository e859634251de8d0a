/*
 * Put's second stage, on every core: seal -> encode -> hash, a segment at a time.
 */
#include <string.h>

#include "base/file.h"
#include "flow/put_batch.h"

/* What a worker keeps between segments. */
struct coder {
    struct put_batch *batch;
    struct seal_key *key; /* of object `keyed` */
    size_t keyed;
    struct bytes scratch; /* one segment, compressed */
    struct bytes slices;  /* of one segment, where its blocks are what is sent */
};

static result compress_whole(struct coder *coder, struct put_object *object,
                             struct put_segment *segment) {
    struct put_batch *batch = coder->batch;
    struct codec_source source =
        codec_source_memory(view_of(segment->plain, segment->plain_len), object->file->path);
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
    TRY(codec_encoder_open(batch->codec, &source, 1, &encoder));
    enum codec_kind kind = codec_encoder_kind(encoder);
    if (kind == CODEC_NONE)
        return OK;
    TRY(bytes_reserve(&coder->scratch, segment->plain_len));
    size_t len;
    bool is_end;
    TRY(codec_encoder_read(encoder, coder->scratch.data, segment->plain_len, &len, &is_end));
    if (!is_end)
        return OK; /* it grew: the file itself is shorter */
    memcpy(segment->plain, coder->scratch.data, len);
    segment->plain_len = len;
    object->codec = kind;
    return OK;
}

static result read_whole(struct coder *coder, struct put_object *object,
                         struct put_segment *segment) {
    AUTO_FD int fd = -1;
    struct codec_source source;
    TRY(put_file_open(object->file, &fd, &source));
    segment->plain_len = (size_t)object->file->size;
    TRY(codec_source_read(&source, 0, segment->plain, segment->plain_len));
    TRY(put_file_unchanged(object->file, fd));
    digest_sha256(view_of(segment->plain, segment->plain_len), object->sha256);
    object->codec = CODEC_NONE;
    if (coder->batch->codec != CODEC_NONE)
        TRY(compress_whole(coder, object, segment));
    object->segments = 1;
    object->sealed_bytes = segment->plain_len + SEAL_TAG_BYTES;
    object->symbol_bytes = code_block_len((size_t)object->sealed_bytes, coder->batch->slots->k);
    return OK;
}

static result use_key(struct coder *coder, size_t index) {
    if (coder->key != NULL && coder->keyed == index)
        return OK;
    const struct put_object *object = &coder->batch->objects[index];
    if (coder->key == NULL)
        coder->key = session_seal_key_take(coder->batch->session);
    coder->keyed = index;
    return seal_key_renew(coder->batch->content_key->bytes, object->salt,
                          view_of(object->context, sizeof object->context), &coder->key);
}

/* Slices go to the servers, or blocks, of which each makes its slice. The hashes are of the slices
 * in any case. */
static result encode_segment(struct coder *coder, struct put_segment *segment,
                             const uint8_t *const blocks[]) {
    const struct put_batch *batch = coder->batch;
    unsigned n = batch->slots->n, k = batch->slots->k;
    size_t capacity = segment->piece_capacity, len = segment->piece_len;
    bool sends_blocks = batch->assignment != NULL;
    uint8_t *memory = segment->pieces, *slices[FORMAT_SERVERS_MAX];
    if (sends_blocks) {
        TRY(bytes_reserve(&coder->slices, n * capacity));
        memory = coder->slices.data;
    }
    for (unsigned slot = 0; slot < n; slot++)
        slices[slot] = memory + slot * capacity;
    code_apply(&batch->encoder, blocks, len, slices);
    for (unsigned slot = 0; slot < n; slot++)
        digest_sha256(view_of(slices[slot], len), segment->hashes[slot]);
    for (unsigned block = 0; sends_blocks && block < k; block++)
        memcpy(segment->pieces + block * capacity, blocks[block], len);
    return OK;
}

static result code_segment(struct coder *coder, struct put_segment *segment) {
    unsigned k = coder->batch->slots->k;
    TRY(use_key(coder, segment->object));
    TRY(seal_segment(coder->key, segment->number, segment->is_last,
                     view_of(segment->plain, segment->plain_len), segment->plain));
    size_t sealed_len = segment->plain_len + SEAL_TAG_BYTES;
    const uint8_t *blocks[FORMAT_SERVERS_MAX];
    code_cut(segment->plain, sealed_len, k, blocks);
    segment->piece_len = code_block_len(sealed_len, k);
    return encode_segment(coder, segment, blocks);
}

static void coder_clean_up(struct coder *coder) {
    session_seal_key_give(coder->batch->session, coder->key);
    bytes_free(&coder->scratch);
    bytes_free(&coder->slices);
}

static result code_whole(struct coder *coder, struct put_segment *segment) {
    TRY(read_whole(coder, &coder->batch->objects[segment->object], segment));
    return code_segment(coder, segment);
}

result put_code_object(struct put_batch *batch, struct put_segment *segment) {
    __attribute__((cleanup(coder_clean_up))) struct coder coder = {.batch = batch};
    return code_whole(&coder, segment);
}

void put_code(struct put_batch *batch) {
    __attribute__((cleanup(coder_clean_up))) struct coder coder = {.batch = batch};
    for (;;) {
        struct put_segment *segment;
        if (put_window_take(batch->window, &segment) != OK || segment == NULL)
            return;
        result coded =
            segment->is_whole ? code_whole(&coder, segment) : code_segment(&coder, segment);
        if (coded != OK) {
            put_window_fail(batch->window, coded);
            return;
        }
        put_window_coded(batch->window, segment);
    }
}
