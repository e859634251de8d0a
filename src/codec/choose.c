/* Which kind of codec suits a source. */
#include <stdlib.h>
#include <zstd.h>

#include "codec/dicom.h"
#include "codec/shuffle.h"
#include "codec/stream.h"

enum {
    SAMPLES_MAX = 4,
    SAMPLE_BYTES = 128 << 10,
    WORTH_PERCENT = 97, /* of the plain size: above it, compression is not worth its time */
};

/* Adds one sample's lengths to the sums. */
static result take_sample(const struct codec_source *source, uint64_t offset, size_t len,
                          uint8_t *buffer, size_t *inout_plain, size_t *inout_coded) {
    size_t capacity = ZSTD_compressBound(SAMPLE_BYTES);
    TRY(codec_source_read(source, offset, buffer, len));
    size_t coded = ZSTD_compress(buffer + SAMPLE_BYTES, capacity, buffer, len, 1);
    *inout_plain += len;
    *inout_coded += ZSTD_isError(coded) ? len : coded;
    return OK;
}

/* Samples at even distances, from the first byte to the last. */
static result shrinks(const struct codec_source *source, bool *out_shrinks) {
    uint8_t *buffer = malloc(SAMPLE_BYTES + ZSTD_compressBound(SAMPLE_BYTES));
    if (buffer == NULL)
        return FAIL(NO_MEMORY, "no memory to look at %s", source->name);
    size_t len = source->size < SAMPLE_BYTES ? (size_t)source->size : SAMPLE_BYTES;
    uint64_t samples = source->size / SAMPLE_BYTES + 1; /* they may overlap */
    samples = samples < SAMPLES_MAX ? samples : SAMPLES_MAX;
    uint64_t distance = samples == 1 ? 0 : (source->size - len) / (samples - 1);
    size_t plain = 0, coded = 0;
    result taken = OK;
    for (uint64_t i = 0; i < samples && taken == OK; i++)
        taken = take_sample(source, i * distance, len, buffer, &plain, &coded);
    free(buffer);
    *out_shrinks = coded * 100 < plain * WORTH_PERCENT;
    return taken;
}

static result shuffle_or_zstd(const struct codec_source *source, enum codec_kind *out_kind) {
    bool pays = false;
    TRY(shuffle_pays(source, &pays));
    *out_kind = pays ? CODEC_SHUFFLE : CODEC_ZSTD;
    return OK;
}

result choose_kind(enum codec_kind wanted, const struct codec_source *source,
                   enum codec_kind *out_kind, struct jpegls_pixels *out_pixels) {
    *out_kind = wanted;
    if (wanted == CODEC_NONE || wanted == CODEC_ZSTD)
        return OK;
    if (wanted == CODEC_SHUFFLE)
        return shuffle_or_zstd(source, out_kind);
    struct dicom_info info;
    TRY(dicom_probe(source, &info));
    if (jpegls_pixels_of(&info, source->size, out_pixels)) {
        *out_kind = CODEC_JPEGLS;
        return OK;
    }
    *out_kind = CODEC_ZSTD;
    if (wanted == CODEC_JPEGLS)
        return OK;
    bool worth = false;
    TRY(shrinks(source, &worth));
    *out_kind = CODEC_NONE;
    return worth ? shuffle_or_zstd(source, out_kind) : OK;
}
