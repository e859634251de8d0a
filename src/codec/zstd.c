/* One zstd frame in streams, of a file as it is or of its shuffled blocks. */
#include <stdatomic.h>
#include <stdlib.h>
#include <zstd.h>

#include "codec/shuffle.h"
#include "codec/stream.h"

enum {
    LEVEL = 3,
    /* Somebody waits for a small object, and on one core: half the time for a twentieth more bytes
     * (a CT's slices). */
    LEVEL_SMALL = 1,
    SMALL_BYTES = 1 << 20,
    WINDOW_LOG = 21,
    JOB_BYTES = 1 << 20, /* of one thread: keeps the memory of several threads bounded */
    THREADS_MAX = 4,
    BUFFER_BYTES = SHUFFLE_BLOCK_BYTES,
};

struct zstd_encoder {
    const struct codec_source *source;
    ZSTD_CCtx *context;
    uint64_t position; /* in the source, of what stands behind `input` */
    ZSTD_inBuffer input;
    bool ended;
    bool shuffled;
    bool is_small; /* and one thread: its context is worth keeping */
    uint8_t buffer[BUFFER_BYTES];
    uint8_t plain[]; /* of what is shuffled: a block, or the whole that is compressed in one go */
};

/* The tables of a small file's encoder, for the next one: a study's objects come one by one. */
static ZSTD_CCtx *_Atomic idle_context;

static ZSTD_CCtx *take_context(void) {
    ZSTD_CCtx *context = atomic_exchange(&idle_context, NULL);
    return context != NULL ? context : ZSTD_createCCtx();
}

static void give_context(ZSTD_CCtx *context, bool is_small) {
    if (is_small && !ZSTD_isError(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)))
        context = atomic_exchange(&idle_context, context);
    ZSTD_freeCCtx(context);
}

static void encoder_close(void *state) {
    struct zstd_encoder *encoder = state;
    give_context(encoder->context, encoder->is_small);
    free(encoder);
}

/* The next block of the source, shuffled, in the buffer. */
static result read_shuffled(struct zstd_encoder *encoder, size_t len) {
    TRY(codec_source_read(encoder->source, encoder->position, encoder->plain, len));
    shuffle_block(encoder->plain, len, encoder->buffer);
    return OK;
}

static result refill(struct zstd_encoder *encoder) {
    uint64_t left = encoder->source->size - encoder->position;
    size_t len = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
    TRY(encoder->shuffled
            ? read_shuffled(encoder, len)
            : codec_source_read(encoder->source, encoder->position, encoder->buffer, len));
    encoder->position += len;
    encoder->input = (ZSTD_inBuffer){encoder->buffer, len, 0};
    return OK;
}

static result encoder_produce(void *state, uint8_t *buffer, size_t capacity, size_t *out_len) {
    struct zstd_encoder *encoder = state;
    ZSTD_outBuffer output = {buffer, capacity, 0};
    while (output.pos == 0 && !encoder->ended) {
        bool is_last = encoder->position == encoder->source->size;
        if (encoder->input.pos == encoder->input.size && !is_last) {
            TRY(refill(encoder));
            is_last = encoder->position == encoder->source->size;
        }
        size_t left = ZSTD_compressStream2(encoder->context, &output, &encoder->input,
                                           is_last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return FAIL(INTERNAL, "compressing %s: %s", encoder->source->name,
                        ZSTD_getErrorName(left));
        encoder->ended = is_last && left == 0;
    }
    *out_len = output.pos;
    return OK;
}

/* All input at once, for which zstd needs no buffers of its own. */
static void take_whole(struct zstd_encoder *encoder) {
    const struct codec_source *source = encoder->source;
    size_t size = (size_t)source->size, len;
    const uint8_t *whole = source->memory;
    for (size_t done = 0; encoder->shuffled && done < size; done += len) {
        len = size - done < BUFFER_BYTES ? size - done : BUFFER_BYTES;
        shuffle_block(source->memory + done, len, encoder->plain + done);
        whole = encoder->plain;
    }
    encoder->input = (ZSTD_inBuffer){whole, size, 0};
    encoder->position = source->size;
}

/* Bytes for the shuffling: none where the source is compressed as it lies in memory. */
static size_t plain_bytes(const struct codec_source *source, bool shuffled, bool whole) {
    size_t bytes = whole ? (size_t)source->size : BUFFER_BYTES;
    return shuffled ? bytes : 0;
}

result zstd_encoder_open(const struct codec_source *source, bool shuffled, unsigned threads,
                         struct stream_encoder *out_encoder) {
    bool whole = source->memory != NULL && (!shuffled || source->size <= SMALL_BYTES);
    struct zstd_encoder *encoder = malloc(sizeof *encoder + plain_bytes(source, shuffled, whole));
    ZSTD_CCtx *context = take_context();
    if (encoder == NULL || context == NULL) {
        free(encoder);
        ZSTD_freeCCtx(context);
        return FAIL(NO_MEMORY, "no memory to compress %s", source->name);
    }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel,
                           source->size <= SMALL_BYTES ? LEVEL_SMALL : LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG);
    if (threads > 1) { /* refused by a libzstd built without threads: then there is one */
        ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers,
                               (int)(threads < THREADS_MAX ? threads : THREADS_MAX));
        ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, JOB_BYTES);
    }
    ZSTD_CCtx_setPledgedSrcSize(context, source->size);
    encoder->source = source;
    encoder->context = context;
    encoder->position = 0;
    encoder->input = (ZSTD_inBuffer){0};
    encoder->ended = false;
    encoder->shuffled = shuffled;
    encoder->is_small = threads <= 1 && source->size <= SMALL_BYTES;
    if (whole)
        take_whole(encoder);
    *out_encoder = (struct stream_encoder){encoder, encoder_produce, encoder_close};
    return OK;
}

struct zstd_decoder {
    struct stream_output *output;
    ZSTD_DCtx *context;
    bool ended;
    bool shuffled;
    size_t filled; /* of the buffer, with a block that has not come whole */
    uint8_t buffer[BUFFER_BYTES];
    uint8_t block[]; /* BUFFER_BYTES, of a file that was shuffled */
};

static void decoder_restart(void *state) {
    struct zstd_decoder *decoder = state;
    ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_only);
    decoder->ended = false;
    decoder->filled = 0;
}

static void decoder_close(void *state) {
    struct zstd_decoder *decoder = state;
    ZSTD_freeDCtx(decoder->context);
    free(decoder);
}

static result emit(struct zstd_decoder *decoder) {
    size_t len = decoder->filled;
    decoder->filled = 0;
    if (!decoder->shuffled)
        return stream_emit(decoder->output, view_of(decoder->buffer, len));
    shuffle_undo(decoder->buffer, len, decoder->block);
    return stream_emit(decoder->output, view_of(decoder->block, len));
}

/* One step into the rest of the buffer. `out_more`: there is input left, or output that found no
 * room. */
static result decode_step(struct zstd_decoder *decoder, ZSTD_inBuffer *input, bool *out_more) {
    if (decoder->ended)
        return FAIL(INTEGRITY, "zstd: bytes follow the end of the stream");
    ZSTD_outBuffer output = {decoder->buffer, BUFFER_BYTES, decoder->filled};
    size_t hint = ZSTD_decompressStream(decoder->context, &output, input);
    if (ZSTD_isError(hint))
        return FAIL(INTEGRITY, "zstd: %s", ZSTD_getErrorName(hint));
    decoder->filled = output.pos;
    decoder->ended = hint == 0;
    bool full = output.pos == output.size;
    *out_more = input->pos < input->size || (full && !decoder->ended);
    return full || decoder->ended || !decoder->shuffled ? emit(decoder) : OK;
}

static result decoder_consume(void *state, struct view compressed) {
    struct zstd_decoder *decoder = state;
    ZSTD_inBuffer input = {compressed.data, compressed.len, 0};
    bool more = compressed.len > 0;
    while (more)
        TRY(decode_step(decoder, &input, &more));
    return OK;
}

static result decoder_finish(void *state) {
    struct zstd_decoder *decoder = state;
    if (!decoder->ended)
        return FAIL(INTEGRITY, "zstd: the stream breaks off");
    return OK;
}

result zstd_decoder_open(struct stream_output *output, bool shuffled,
                         struct stream_decoder *out_decoder) {
    struct zstd_decoder *decoder = malloc(sizeof *decoder + (shuffled ? BUFFER_BYTES : 0));
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (decoder == NULL || context == NULL) {
        free(decoder);
        ZSTD_freeDCtx(context);
        return FAIL(NO_MEMORY, "no memory to decompress");
    }
    /* A frame that asks for a larger window, and so for more memory, is refused. */
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG);
    decoder->output = output;
    decoder->context = context;
    decoder->ended = false;
    decoder->shuffled = shuffled;
    decoder->filled = 0;
    *out_decoder = (struct stream_decoder){decoder, decoder_consume, decoder_finish, decoder_close,
                                           decoder_restart};
    return OK;
}
