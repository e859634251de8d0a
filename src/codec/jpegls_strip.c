/* One strip: samples to a JPEG-LS stream and back, by CharLS. */
#include <charls/charls.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "codec/jpegls.h"

enum { BIAS_BYTES = 2, ZSTD_LEVEL = 3 };

/* The samples of a strip as CharLS takes them: unsigned, least significant bits first used, one
 * byte each where `bits` <= 8, else two in native order. */
struct packing {
    uint32_t columns, rows;
    uint8_t components;
    int32_t bits;
    uint16_t bias;
};

static uint32_t sample_count(const struct jpegls_strip *strip) {
    return strip->plain_len / strip->pixels->layout.sample_bytes;
}

static inline uint16_t sample_at(const struct jpegls_layout *layout, const uint8_t *plain,
                                 uint32_t i) {
    if (layout->sample_bytes == 1)
        return plain[i];
    const uint8_t *at = plain + 2 * (size_t)i;
    unsigned high = at[!layout->is_big_endian], low = at[layout->is_big_endian];
    return (uint16_t)(high << 8 | low);
}

/* The lowest sample and the bits that the range above it needs. */
static void measure(const struct jpegls_strip *strip, struct packing *out) {
    const struct jpegls_layout *layout = &strip->pixels->layout;
    uint16_t sign = strip->pixels->is_signed ? (layout->sample_bytes == 1 ? 0x80 : 0x8000) : 0;
    uint16_t lowest = UINT16_MAX, highest = 0;
    for (uint32_t i = 0; i < sample_count(strip); i++) {
        uint16_t sample = sample_at(layout, strip->plain, i) ^ sign; /* signed order kept */
        lowest = sample < lowest ? sample : lowest;
        highest = sample > highest ? sample : highest;
    }
    out->bias = lowest ^ sign;
    out->bits = 2; /* JPEG-LS's least */
    while (highest - lowest >= 1 << out->bits)
        out->bits++;
}

static void pack(const struct jpegls_strip *strip, const struct packing *packing) {
    const struct jpegls_layout *layout = &strip->pixels->layout;
    for (uint32_t i = 0; i < sample_count(strip); i++) {
        uint16_t sample = (uint16_t)(sample_at(layout, strip->plain, i) - packing->bias);
        if (packing->bits <= 8)
            strip->samples[i] = (uint8_t)sample;
        else
            memcpy(strip->samples + 2 * (size_t)i, &sample, 2);
    }
}

static void unpack(const struct jpegls_strip *strip, const struct packing *packing,
                   uint8_t *out_plain) {
    const struct jpegls_layout *layout = &strip->pixels->layout;
    for (uint32_t i = 0; i < sample_count(strip); i++) {
        uint16_t sample;
        if (packing->bits <= 8)
            sample = strip->samples[i];
        else
            memcpy(&sample, strip->samples + 2 * (size_t)i, 2);
        sample = (uint16_t)(sample + packing->bias);
        if (layout->sample_bytes == 1) {
            out_plain[i] = (uint8_t)sample;
            continue;
        }
        uint8_t *at = out_plain + 2 * (size_t)i;
        at[layout->is_big_endian] = (uint8_t)sample;
        at[!layout->is_big_endian] = (uint8_t)(sample >> 8);
    }
}

static size_t packed_len(const struct packing *packing) {
    return (size_t)packing->columns * packing->rows * packing->components *
           (packing->bits <= 8 ? 1 : 2);
}

/* CharLS's calls in turn, each done where all before it went well. */
#define DO(error, call)                                                                            \
    do {                                                                                           \
        if ((error) == CHARLS_JPEGLS_ERRC_SUCCESS)                                                 \
            (error) = (call);                                                                      \
    } while (0)

/* Whether the pixels are red, green and blue side by side, to be told apart from what they have in
 * common. */
static bool has_colours(const struct jpegls_strip *strip) {
    return strip->pixels->layout.components == 3 && strip->pixels->is_rgb;
}

/* The stream of the packed samples; false where it does not fit `capacity`. */
static bool compress(const struct jpegls_strip *strip, const struct packing *packing, uint8_t *out,
                     size_t capacity, size_t *out_len) {
    charls_jpegls_encoder *encoder = charls_jpegls_encoder_create();
    if (encoder == NULL)
        return false;
    const charls_frame_info frame = {packing->columns, packing->rows, packing->bits,
                                     packing->components};
    charls_jpegls_errc error = charls_jpegls_encoder_set_frame_info(encoder, &frame);
    if (packing->components > 1)
        DO(error, charls_jpegls_encoder_set_interleave_mode(encoder, CHARLS_INTERLEAVE_MODE_LINE));
    if (has_colours(strip))
        DO(error, charls_jpegls_encoder_set_color_transformation(encoder,
                                                                 CHARLS_COLOR_TRANSFORMATION_HP1));
    DO(error, charls_jpegls_encoder_set_destination_buffer(encoder, out, capacity));
    DO(error,
       charls_jpegls_encoder_encode_from_buffer(encoder, strip->samples, packed_len(packing), 0));
    DO(error, charls_jpegls_encoder_get_bytes_written(encoder, out_len));
    charls_jpegls_encoder_destroy(encoder);
    return error == CHARLS_JPEGLS_ERRC_SUCCESS;
}

/* Whether a stream is of the strip's shape, so that its samples fit the strip's buffers. */
static bool shape_fits(const struct jpegls_strip *strip, const charls_frame_info *frame,
                       int32_t near, charls_interleave_mode mode) {
    const struct jpegls_layout *layout = &strip->pixels->layout;
    return frame->width == layout->columns &&
           frame->height == strip->plain_len / jpegls_row_bytes(layout) &&
           frame->component_count == layout->components && frame->bits_per_sample >= 2 &&
           frame->bits_per_sample <= 8 * layout->sample_bytes && near == 0 &&
           (layout->components == 1 || mode != CHARLS_INTERLEAVE_MODE_NONE);
}

static bool decompress(const struct jpegls_strip *strip, charls_jpegls_decoder *decoder,
                       struct packing *out_packing) {
    charls_frame_info frame = {0};
    int32_t near = 0;
    charls_interleave_mode mode = CHARLS_INTERLEAVE_MODE_NONE;
    charls_jpegls_errc error = charls_jpegls_decoder_set_source_buffer(
        decoder, strip->coded + BIAS_BYTES, strip->coded_len - BIAS_BYTES);
    DO(error, charls_jpegls_decoder_read_header(decoder));
    DO(error, charls_jpegls_decoder_get_frame_info(decoder, &frame));
    DO(error, charls_jpegls_decoder_get_near_lossless(decoder, 0, &near));
    DO(error, charls_jpegls_decoder_get_interleave_mode(decoder, &mode));
    if (error != CHARLS_JPEGLS_ERRC_SUCCESS || !shape_fits(strip, &frame, near, mode))
        return false;
    *out_packing =
        (struct packing){frame.width, frame.height, strip->pixels->layout.components,
                         frame.bits_per_sample, (uint16_t)(strip->coded[0] << 8 | strip->coded[1])};
    error =
        charls_jpegls_decoder_decode_to_buffer(decoder, strip->samples, packed_len(out_packing), 0);
    return error == CHARLS_JPEGLS_ERRC_SUCCESS;
}

/* The plain bytes of a JPEG-LS record. */
static bool restore(const struct jpegls_strip *strip, uint8_t *out_plain) {
    if (strip->coded_len <= BIAS_BYTES ||
        strip->plain_len % jpegls_row_bytes(&strip->pixels->layout) != 0)
        return false;
    charls_jpegls_decoder *decoder = charls_jpegls_decoder_create();
    if (decoder == NULL)
        return false;
    struct packing packing;
    bool restored = decompress(strip, decoder, &packing);
    charls_jpegls_decoder_destroy(decoder);
    if (restored)
        unpack(strip, &packing, out_plain);
    return restored;
}

static bool try_lossless(struct jpegls_strip *strip) {
    const struct jpegls_layout *layout = &strip->pixels->layout;
    struct packing packing = {.columns = layout->columns,
                              .rows = strip->plain_len / jpegls_row_bytes(layout),
                              .components = layout->components};
    if (strip->plain_len <= BIAS_BYTES + 1)
        return false;
    if (has_colours(strip))
        packing.bits = 8 * layout->sample_bytes; /* what the colour transform needs */
    else
        measure(strip, &packing);
    pack(strip, &packing);
    strip->coded[0] = (uint8_t)(packing.bias >> 8);
    strip->coded[1] = (uint8_t)packing.bias;
    size_t len;
    if (!compress(strip, &packing, strip->coded + BIAS_BYTES, strip->plain_len - 1 - BIAS_BYTES,
                  &len))
        return false;
    strip->coded_len = (uint32_t)len + BIAS_BYTES;
    return restore(strip, strip->check) &&
           memcmp(strip->check, strip->plain, strip->plain_len) == 0;
}

static bool try_zstd(struct jpegls_strip *strip) {
    size_t len = ZSTD_compress(strip->coded, strip->plain_len - 1, strip->plain, strip->plain_len,
                               ZSTD_LEVEL);
    strip->coded_len = (uint32_t)len;
    return !ZSTD_isError(len);
}

void jpegls_strip_encode(struct jpegls_strip *strip) {
    if (strip->is_pixels && try_lossless(strip)) {
        strip->method = JPEGLS_LOSSLESS;
    } else if (try_zstd(strip)) {
        strip->method = JPEGLS_ZSTD;
    } else {
        strip->method = JPEGLS_RAW;
        strip->coded_len = strip->plain_len;
        memcpy(strip->coded, strip->plain, strip->plain_len);
    }
}

void jpegls_strip_decode(struct jpegls_strip *strip) {
    strip->failed = false;
    if (strip->method == JPEGLS_LOSSLESS) {
        strip->failed = !restore(strip, strip->plain);
    } else if (strip->method == JPEGLS_ZSTD) {
        size_t len =
            ZSTD_decompress(strip->plain, strip->plain_len, strip->coded, strip->coded_len);
        strip->failed = ZSTD_isError(len) || len != strip->plain_len;
    } else {
        memcpy(strip->plain, strip->coded, strip->plain_len);
    }
}

result jpegls_strip_init(const struct jpegls_pixels *pixels, bool with_check,
                         struct jpegls_strip *out_strip) {
    *out_strip = (struct jpegls_strip){.pixels = pixels};
    out_strip->plain = malloc(JPEGLS_STRIP_BYTES_MAX);
    out_strip->coded = malloc(JPEGLS_STRIP_BYTES_MAX);
    out_strip->samples = malloc(JPEGLS_STRIP_BYTES_MAX);
    out_strip->check = with_check ? malloc(JPEGLS_STRIP_BYTES_MAX) : NULL;
    if (out_strip->plain == NULL || out_strip->coded == NULL || out_strip->samples == NULL ||
        (with_check && out_strip->check == NULL)) {
        jpegls_strip_clean_up(out_strip);
        return FAIL(NO_MEMORY, "no memory for a strip of pixels");
    }
    return OK;
}

void jpegls_strip_clean_up(struct jpegls_strip *strip) {
    free(strip->plain);
    free(strip->coded);
    free(strip->samples);
    free(strip->check);
    *strip = (struct jpegls_strip){0};
}
