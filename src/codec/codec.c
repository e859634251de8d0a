#include "codec/codec.h"

#include <stdlib.h>
#include <string.h>

#include "codec/stream.h"

static const char *const KIND_NAMES[] = {"none", "zstd", "jpegls", "auto", "shuffle"};

const char *codec_kind_name(enum codec_kind kind) {
    return KIND_NAMES[kind];
}

result codec_kind_parse(const char *name, enum codec_kind *out_kind) {
    for (unsigned i = 0; i <= CODEC_SHUFFLE; i++)
        if (strcmp(name, KIND_NAMES[i]) == 0) {
            *out_kind = (enum codec_kind)i;
            return OK;
        }
    return FAIL(INVALID, "compression '%s': there are auto, none, zstd, shuffle and jpegls", name);
}

result codec_kind_check(uint64_t number, enum codec_kind *out_kind) {
    if (number > CODEC_SHUFFLE || number == CODEC_AUTO)
        return FAIL(INTEGRITY, "compression number %llu is unknown", (unsigned long long)number);
    *out_kind = (enum codec_kind)number;
    return OK;
}

static unsigned clamp_threads(unsigned threads) {
    if (threads < 1)
        return 1;
    return threads < CODEC_THREADS_MAX ? threads : CODEC_THREADS_MAX;
}

struct codec_encoder {
    enum codec_kind kind;
    struct codec_source source;
    struct stream_encoder stream;
    uint64_t position; /* of kind none */
    bool ended;
    bool has_ahead;
    uint8_t ahead; /* one byte, read to learn whether there is one */
};

/* Kind none: the source itself. */
static result none_produce(void *state, uint8_t *buffer, size_t capacity, size_t *out_len) {
    struct codec_encoder *encoder = state;
    uint64_t left = encoder->source.size - encoder->position;
    size_t len = left < capacity ? (size_t)left : capacity;
    TRY(codec_source_read(&encoder->source, encoder->position, buffer, len));
    encoder->position += len;
    *out_len = len;
    return OK;
}

static void none_close(void *state) {
    (void)state;
}

void codec_encoder_close(struct codec_encoder *encoder) {
    if (encoder == NULL)
        return;
    if (encoder->stream.close != NULL)
        encoder->stream.close(encoder->stream.state);
    free(encoder);
}

void codec_encoder_close_at(struct codec_encoder **encoder) {
    codec_encoder_close(*encoder);
    *encoder = NULL;
}

result codec_encoder_open(enum codec_kind kind, const struct codec_source *source, unsigned threads,
                          struct codec_encoder **out_encoder) {
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL)
        return FAIL(NO_MEMORY, "no memory to compress %s", source->name);
    encoder->source = *source;
    struct jpegls_pixels pixels;
    TRY(choose_kind(kind, source, &encoder->kind, &pixels));
    threads = clamp_threads(threads);
    if (encoder->kind == CODEC_NONE)
        encoder->stream = (struct stream_encoder){encoder, none_produce, none_close};
    else if (encoder->kind == CODEC_JPEGLS)
        TRY(jpegls_encoder_open(&encoder->source, &pixels, threads, &encoder->stream));
    else
        TRY(zstd_encoder_open(&encoder->source, encoder->kind == CODEC_SHUFFLE, threads,
                              &encoder->stream));
    *out_encoder = encoder;
    encoder = NULL;
    return OK;
}

enum codec_kind codec_encoder_kind(const struct codec_encoder *encoder) {
    return encoder->kind;
}

static result produce(struct codec_encoder *encoder, uint8_t *buffer, size_t capacity,
                      size_t *out_len) {
    TRY(encoder->stream.produce(encoder->stream.state, buffer, capacity, out_len));
    encoder->ended = *out_len == 0;
    return OK;
}

result codec_encoder_read(struct codec_encoder *encoder, uint8_t *buffer, size_t capacity,
                          size_t *out_len, bool *out_is_end) {
    size_t len = 0, got;
    if (encoder->has_ahead && capacity > 0)
        buffer[len++] = encoder->ahead;
    encoder->has_ahead = false;
    while (len < capacity && !encoder->ended) {
        TRY(produce(encoder, buffer + len, capacity - len, &got));
        len += got;
    }
    if (!encoder->ended) {
        TRY(produce(encoder, &encoder->ahead, 1, &got));
        encoder->has_ahead = !encoder->ended;
    }
    *out_len = len;
    *out_is_end = encoder->ended;
    return OK;
}

result stream_emit(struct stream_output *output, struct view bytes) {
    if (bytes.len > output->left)
        return FAIL(INTEGRITY, "the object decompresses to more bytes than its manifest says");
    if (bytes.len == 0)
        return OK;
    output->left -= bytes.len;
    return output->sink(output->context, bytes);
}

struct codec_decoder {
    enum codec_kind kind;
    struct stream_output output;
    struct stream_decoder stream;
};

static result none_consume(void *state, struct view compressed) {
    struct codec_decoder *decoder = state;
    return stream_emit(&decoder->output, compressed);
}

static result none_finish(void *state) {
    (void)state;
    return OK;
}

void codec_decoder_close(struct codec_decoder *decoder) {
    if (decoder == NULL)
        return;
    if (decoder->stream.close != NULL)
        decoder->stream.close(decoder->stream.state);
    free(decoder);
}

void codec_decoder_close_at(struct codec_decoder **decoder) {
    codec_decoder_close(*decoder);
    *decoder = NULL;
}

result codec_decoder_open(enum codec_kind kind, uint64_t size, unsigned threads, codec_sink sink,
                          void *sink_context, struct codec_decoder **out_decoder) {
    AUTO_CODEC_DECODER struct codec_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return FAIL(NO_MEMORY, "no memory to decompress");
    decoder->kind = kind;
    decoder->output = (struct stream_output){sink, sink_context, size};
    switch (kind) {
    case CODEC_NONE:
        decoder->stream =
            (struct stream_decoder){decoder, none_consume, none_finish, none_close, NULL};
        break;
    case CODEC_ZSTD:
    case CODEC_SHUFFLE:
        TRY(zstd_decoder_open(&decoder->output, kind == CODEC_SHUFFLE, &decoder->stream));
        break;
    case CODEC_JPEGLS:
        TRY(jpegls_decoder_open(&decoder->output, clamp_threads(threads), &decoder->stream));
        break;
    case CODEC_AUTO:
        return FAIL(INVALID, "a decoder needs to be told the kind of compression");
    }
    *out_decoder = decoder;
    decoder = NULL;
    return OK;
}

bool codec_decoder_restart(struct codec_decoder *decoder, enum codec_kind kind, uint64_t size,
                           codec_sink sink, void *sink_context) {
    if (decoder == NULL || decoder->kind != kind || decoder->stream.restart == NULL)
        return false;
    decoder->output = (struct stream_output){sink, sink_context, size};
    decoder->stream.restart(decoder->stream.state);
    return true;
}

result codec_decoder_write(struct codec_decoder *decoder, struct view compressed) {
    return decoder->stream.consume(decoder->stream.state, compressed);
}

result codec_decoder_finish(struct codec_decoder *decoder) {
    TRY(decoder->stream.finish(decoder->stream.state));
    if (decoder->output.left > 0)
        return FAIL(INTEGRITY, "the object decompresses to %llu bytes fewer than its manifest says",
                    (unsigned long long)decoder->output.left);
    return OK;
}
