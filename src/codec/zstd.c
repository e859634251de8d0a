/* One zstd frame, compressed and decompressed in streams. */
#include <stdlib.h>
#include <zstd.h>

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
    INPUT_BYTES = 128 << 10,
    OUTPUT_BYTES = 128 << 10,
};

struct zstd_encoder {
    const struct codec_source *source;
    ZSTD_CCtx *context;
    uint64_t position; /* in the source, of what stands behind `input` */
    ZSTD_inBuffer input;
    bool ended;
    uint8_t buffer[INPUT_BYTES];
};

static void encoder_close(void *state) {
    struct zstd_encoder *encoder = state;
    ZSTD_freeCCtx(encoder->context);
    free(encoder);
}

static result refill(struct zstd_encoder *encoder) {
    uint64_t left = encoder->source->size - encoder->position;
    size_t len = left < INPUT_BYTES ? (size_t)left : INPUT_BYTES;
    TRY(codec_source_read(encoder->source, encoder->position, encoder->buffer, len));
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

result zstd_encoder_open(const struct codec_source *source, unsigned threads,
                         struct stream_encoder *out_encoder) {
    struct zstd_encoder *encoder = calloc(1, sizeof *encoder);
    ZSTD_CCtx *context = ZSTD_createCCtx();
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
    if (source->memory != NULL) { /* whole, and not copied */
        encoder->input = (ZSTD_inBuffer){source->memory, (size_t)source->size, 0};
        encoder->position = source->size;
    }
    *out_encoder = (struct stream_encoder){encoder, encoder_produce, encoder_close};
    return OK;
}

struct zstd_decoder {
    struct stream_output *output;
    ZSTD_DCtx *context;
    bool ended;
    uint8_t buffer[OUTPUT_BYTES];
};

static void decoder_restart(void *state) {
    struct zstd_decoder *decoder = state;
    ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_only);
    decoder->ended = false;
}

static void decoder_close(void *state) {
    struct zstd_decoder *decoder = state;
    ZSTD_freeDCtx(decoder->context);
    free(decoder);
}

static result decoder_consume(void *state, struct view compressed) {
    struct zstd_decoder *decoder = state;
    ZSTD_inBuffer input = {compressed.data, compressed.len, 0};
    bool more = compressed.len > 0;
    while (more) {
        if (decoder->ended)
            return FAIL(INTEGRITY, "zstd: bytes follow the end of the stream");
        ZSTD_outBuffer output = {decoder->buffer, OUTPUT_BYTES, 0};
        size_t hint = ZSTD_decompressStream(decoder->context, &output, &input);
        if (ZSTD_isError(hint))
            return FAIL(INTEGRITY, "zstd: %s", ZSTD_getErrorName(hint));
        TRY(stream_emit(decoder->output, view_of(decoder->buffer, output.pos)));
        decoder->ended = hint == 0;
        /* A full output buffer may hide more. */
        more = input.pos < input.size || (output.pos == output.size && !decoder->ended);
    }
    return OK;
}

static result decoder_finish(void *state) {
    struct zstd_decoder *decoder = state;
    if (!decoder->ended)
        return FAIL(INTEGRITY, "zstd: the stream breaks off");
    return OK;
}

result zstd_decoder_open(struct stream_output *output, struct stream_decoder *out_decoder) {
    struct zstd_decoder *decoder = malloc(sizeof *decoder);
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
    *out_decoder = (struct stream_decoder){decoder, decoder_consume, decoder_finish, decoder_close,
                                           decoder_restart};
    return OK;
}
