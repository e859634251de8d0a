/*
 * The jpegls container, version 1: a DICOM file whose uncompressed pixels are JPEG-LS.
 *
 *   header, 24 bytes (all integers big-endian)
 *      0   8   "MYELJLS1"
 *      8   8   size of the original file
 *     16   2   columns, 1 .. 65535
 *     18   1   components of a pixel that stand side by side: 1 or 3
 *     19   1   bytes of a sample: 1 or 2
 *     20   1   1 where 2-byte samples are big-endian, else 0
 *     21   3   zeros
 *   records, until they make up the original size; nothing follows
 *      0   1   method: 0 raw, 1 zstd, 2 JPEG-LS
 *      1   4   plain length, 1 .. 1 MiB: the next so many bytes of the file
 *      5   4   coded length: equal to the plain length for raw, else shorter
 *      9       the coded bytes
 *
 * A JPEG-LS record holds whole rows of pixels (a row is columns * components * bytes of a sample):
 * 2 bytes, the bias; then a JPEG-LS stream (ISO/IEC 14495-1, NEAR = 0) of these columns, rows and
 * components, 2 .. 16 bits a sample. A sample of the file is the stream's plus the bias, modulo
 * 2^8 or 2^16: so signed samples, and samples that use 12 of 16 bits, cost no more than their
 * range. Colour may carry the HP1 transform, which the stream names itself.
 *
 * Strips rather than frames: memory stays the same for a large radiograph and for a small slice,
 * and one frame keeps several cores busy. Each strip is decoded and compared before it is used;
 * one that differs, or does not shrink, goes as zstd or raw. What is not whole rows (the header
 * before the pixels, padding, all that follows) goes as zstd or raw too: a file that lies about
 * itself costs compression, not correctness.
 */
#ifndef MYELIN_CODEC_JPEGLS_H
#define MYELIN_CODEC_JPEGLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/dicom.h"

enum {
    JPEGLS_HEADER_BYTES = 24,
    JPEGLS_RECORD_BYTES = 9,
    JPEGLS_STRIP_BYTES_MAX = 1 << 20,
};

enum jpegls_method { JPEGLS_RAW = 0, JPEGLS_ZSTD = 1, JPEGLS_LOSSLESS = 2 };

/* How samples stand in the file: what the header says. */
struct jpegls_layout {
    uint32_t columns;
    uint8_t components;
    uint8_t sample_bytes;
    bool is_big_endian;
};

/* Bytes of a row of pixels: at most 384 KiB. */
static inline uint32_t jpegls_row_bytes(const struct jpegls_layout *layout) {
    return layout->columns * layout->components * layout->sample_bytes;
}

/* What the encoder knows beside that. */
struct jpegls_pixels {
    struct jpegls_layout layout;
    uint32_t plane_rows; /* of one frame, or of one colour of a planar frame */
    bool is_signed;
    bool is_rgb;
    uint64_t offset; /* of the first whole row */
    uint64_t len;    /* of all whole rows that the file holds */
};

/* False where the file has no pixels that this container can code. `size` is the file's. */
bool jpegls_pixels_of(const struct dicom_info *info, uint64_t size,
                      struct jpegls_pixels *out_pixels);

/* The length of the strip that starts `position` bytes behind the first pixel: whole rows, never
 * across the end of a plane unless whole planes fit. */
uint32_t jpegls_strip_len(const struct jpegls_pixels *pixels, uint64_t position);

/* One record and its buffers of JPEGLS_STRIP_BYTES_MAX bytes each: what a thread works on. */
struct jpegls_strip {
    const struct jpegls_pixels *pixels;
    bool is_pixels; /* for the encoder: try JPEG-LS */
    bool failed;    /* by the decoder: the coded bytes are not what they should be */
    uint8_t method;
    uint32_t plain_len, coded_len;
    uint8_t *plain, *coded, *samples, *check;
};

/* Allocates the buffers; `check` is for encoders alone. NO_MEMORY. */
MUST_CHECK result jpegls_strip_init(const struct jpegls_pixels *pixels, bool with_check,
                                    struct jpegls_strip *out_strip);
void jpegls_strip_clean_up(struct jpegls_strip *strip);

/* Fills method, coded and coded_len from plain. Cannot fail: raw is left. */
void jpegls_strip_encode(struct jpegls_strip *strip);

/* Fills plain from method, coded and the lengths, which hold their bounds; or sets `failed`. */
void jpegls_strip_decode(struct jpegls_strip *strip);

#endif
