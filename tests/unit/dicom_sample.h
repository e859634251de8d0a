/*
 * Small DICOM files, written byte by byte (PS3.5, PS3.10), for the tests of whatever reads them.
 */
#ifndef MYELIN_TESTS_DICOM_SAMPLE_H
#define MYELIN_TESTS_DICOM_SAMPLE_H

#include <string.h>

#include "base/bytes.h"

enum sample_syntax { IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG };

#define SAMPLE_STUDY    "1.2.826.0.1.3680043.10.1338.1"
#define SAMPLE_INSTANCE "1.2.826.0.1.3680043.10.1338.1.1"

struct dicom_sample {
    enum sample_syntax syntax;
    const char *transfer_syntax; /* NULL: the one of `syntax` */
    const char *study_uid;       /* NULL: none */
    const char *photometric;
    uint16_t rows, columns, samples, bits_allocated, bits_stored;
    const char *frames; /* NULL: none */
    bool is_signed, is_planar, no_preamble;
    unsigned filler;         /* bytes of a private element before the pixels */
    uint32_t said_pixel_len; /* 0: the truth */
    struct view pixels;      /* as they stand in the file */
    struct view after;       /* bytes behind the pixels */
};

static inline void sample_raw(struct bytes *out, const void *data, size_t len) {
    if (bytes_append(out, view_of(data, len)) != OK)
        __builtin_trap();
}

static inline void sample_number(struct bytes *out, enum sample_syntax syntax, uint32_t number,
                                 unsigned len) {
    for (unsigned i = 0; i < len; i++) {
        unsigned shift = syntax == EXPLICIT_BIG ? len - 1 - i : i;
        uint8_t byte = (uint8_t)(number >> 8 * shift);
        sample_raw(out, &byte, 1);
    }
}

static inline void sample_head(struct bytes *out, enum sample_syntax syntax, uint32_t tag,
                               const char *vr, uint32_t len) {
    sample_number(out, syntax, tag >> 16, 2);
    sample_number(out, syntax, tag & 0xffff, 2);
    if (syntax == IMPLICIT_LITTLE) {
        sample_number(out, syntax, len, 4);
        return;
    }
    sample_raw(out, vr, 2);
    if (strstr("OB OW SQ UN", vr) != NULL) {
        sample_raw(out, "\0\0", 2);
        sample_number(out, syntax, len, 4);
    } else {
        sample_number(out, syntax, len, 2);
    }
}

static inline void sample_text(struct bytes *out, enum sample_syntax syntax, uint32_t tag,
                               const char *vr, const char *text) {
    size_t len = strlen(text), padded = len + len % 2;
    sample_head(out, syntax, tag, vr, (uint32_t)padded);
    sample_raw(out, text, len);
    if (padded > len)
        sample_raw(out, strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

static inline void sample_us(struct bytes *out, enum sample_syntax syntax, uint32_t tag,
                             uint16_t number) {
    sample_head(out, syntax, tag, "US", 2);
    sample_number(out, syntax, number, 2);
}

static inline void sample_meta(struct bytes *out, const struct dicom_sample *sample) {
    static const char *const uids[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
                                       "1.2.840.10008.1.2.2"};
    static const uint8_t preamble[128];
    AUTO_BYTES struct bytes group = {0};
    sample_text(&group, EXPLICIT_LITTLE, 0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.7");
    sample_text(&group, EXPLICIT_LITTLE, 0x00020003, "UI", SAMPLE_INSTANCE);
    sample_text(&group, EXPLICIT_LITTLE, 0x00020010, "UI",
                sample->transfer_syntax != NULL ? sample->transfer_syntax : uids[sample->syntax]);
    sample_raw(out, preamble, sizeof preamble);
    sample_raw(out, "DICM", 4);
    sample_head(out, EXPLICIT_LITTLE, 0x00020000, "UL", 4);
    sample_number(out, EXPLICIT_LITTLE, (uint32_t)group.len, 4);
    sample_raw(out, group.data, group.len);
}

/* Gives the offset of the first byte of the pixel data. */
static inline size_t sample_write(const struct dicom_sample *sample, struct bytes *out) {
    enum sample_syntax syntax = sample->syntax;
    if (!sample->no_preamble)
        sample_meta(out, sample);
    sample_text(out, syntax, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
    sample_text(out, syntax, 0x00080018, "UI", SAMPLE_INSTANCE);
    sample_text(out, syntax, 0x00100010, "PN", "Doe^Jane");
    if (sample->study_uid != NULL)
        sample_text(out, syntax, 0x0020000d, "UI", sample->study_uid);
    sample_us(out, syntax, 0x00280002, sample->samples);
    sample_text(out, syntax, 0x00280004, "CS", sample->photometric);
    sample_us(out, syntax, 0x00280006, sample->is_planar);
    if (sample->frames != NULL)
        sample_text(out, syntax, 0x00280008, "IS", sample->frames);
    sample_us(out, syntax, 0x00280010, sample->rows);
    sample_us(out, syntax, 0x00280011, sample->columns);
    sample_us(out, syntax, 0x00280100, sample->bits_allocated);
    sample_us(out, syntax, 0x00280101, sample->bits_stored);
    sample_us(out, syntax, 0x00280103, sample->is_signed);
    if (sample->filler > 0) {
        sample_head(out, syntax, 0x00291010, "OB", sample->filler);
        for (unsigned i = 0; i < sample->filler; i++)
            sample_raw(out, &(uint8_t){(uint8_t)i}, 1);
    }
    sample_head(out, syntax, 0x7fe00010, "OW",
                sample->said_pixel_len != 0 ? sample->said_pixel_len
                                            : (uint32_t)sample->pixels.len);
    size_t offset = out->len;
    sample_raw(out, sample->pixels.data, sample->pixels.len);
    sample_raw(out, sample->after.data, sample->after.len);
    return offset;
}

#endif
