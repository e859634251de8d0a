/*
 * What the kinds of codec have in common behind codec.h: each is a few functions over a state of
 * its own.
 */
#ifndef MYELIN_CODEC_STREAM_H
#define MYELIN_CODEC_STREAM_H

#include "codec/codec.h"
#include "codec/jpegls.h"
#include "codec/source.h"

/* Produces some of the next compressed bytes, at least 1 and at most `capacity`; 0 says that the
 * stream has ended, and then nothing is asked any more. */
typedef result (*stream_produce)(void *state, uint8_t *buffer, size_t capacity, size_t *out_len);

struct stream_encoder {
    void *state;
    stream_produce produce;
    void (*close)(void *state);
};

/* Where a decoder's bytes go: the sink, and how many it may still be given. */
struct stream_output {
    codec_sink sink;
    void *context;
    uint64_t left;
};

/* Hands bytes to the sink. INTEGRITY where they are more than were left; the sink's errors. */
MUST_CHECK result stream_emit(struct stream_output *output, struct view bytes);

struct stream_decoder {
    void *state;
    result (*consume)(void *state, struct view compressed);
    /* INTEGRITY where the stream is not at an end. */
    result (*finish)(void *state);
    void (*close)(void *state);
    /* As if it had just been opened; NULL: it cannot be. */
    void (*restart)(void *state);
};

/* The source must outlive the encoder, the output the decoder. `shuffled`: what is compressed is
 * the source in shuffled blocks. */
MUST_CHECK result zstd_encoder_open(const struct codec_source *source, bool shuffled,
                                    unsigned threads, struct stream_encoder *out_encoder);
MUST_CHECK result zstd_decoder_open(struct stream_output *output, bool shuffled,
                                    struct stream_decoder *out_decoder);
MUST_CHECK result jpegls_encoder_open(const struct codec_source *source,
                                      const struct jpegls_pixels *pixels, unsigned threads,
                                      struct stream_encoder *out_encoder);
MUST_CHECK result jpegls_decoder_open(struct stream_output *output, unsigned threads,
                                      struct stream_decoder *out_decoder);

/* What a kind comes to for this source: CODEC_AUTO is decided, CODEC_JPEGLS stays only where
 * `out_pixels` could be filled, and CODEC_SHUFFLE where it pays. Errors are the source's alone. */
MUST_CHECK result choose_kind(enum codec_kind wanted, const struct codec_source *source,
                              enum codec_kind *out_kind, struct jpegls_pixels *out_pixels);

#endif
