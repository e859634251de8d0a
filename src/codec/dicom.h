/*
 * What Myelin needs to know of a DICOM file: which study it belongs to, and where its uncompressed
 * pixels lie. A thin face over DCMTK's dcmdata; no DCMTK type or exception comes out of it, and
 * DCMTK's own logger is silenced.
 */
#ifndef MYELIN_CODEC_DICOM_H
#define MYELIN_CODEC_DICOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "codec/source.h"

enum { DICOM_UID_MAX = 64, DICOM_PHOTOMETRIC_MAX = 16 };

/* A UID that is missing or is not [0-9.]{1,64} is "". Numbers that are missing are 0, `frames` 1.
 */
struct dicom_info {
    bool is_dicom; /* false: nothing else in here means anything */
    char study_uid[DICOM_UID_MAX + 1];
    char sop_instance_uid[DICOM_UID_MAX + 1];
    char transfer_syntax[DICOM_UID_MAX + 1];
    char photometric[DICOM_PHOTOMETRIC_MAX + 1];

    /* Bytes from the file's start up to and with the tag, VR and length of the pixel data element,
     * compressed or not; 0 where there is none, or in a deflated file. */
    uint64_t header_len;
    bool is_encapsulated; /* the pixels are compressed: fragments follow the header */

    /* Uncompressed pixel data whose value starts at `pixel_offset` of the file and is said to be
     * `pixel_len` bytes long; the file may be shorter. Never set for encapsulated (compressed)
     * pixels or in a deflated file. */
    bool has_native_pixels;
    uint64_t pixel_offset;
    uint64_t pixel_len;
    bool is_big_endian; /* of the values in the file */

    uint32_t rows, columns, frames;
    uint16_t samples;        /* per pixel */
    uint16_t bits_allocated; /* per sample */
    uint16_t bits_stored;
    bool is_signed;
    bool is_planar; /* RR..GG..BB.. in place of RGBRGB.. */
};

/*
 * A file that is not DICOM, or breaks off, or lies about itself, is no error: `is_dicom` is false,
 * or the fields that could not be read are empty. A file counts as DICOM where "DICM" stands at
 * byte 128, or where it starts like a data set without a preamble and holds a SOP instance UID.
 *
 * Reads the header alone, never pixel data, and within bounds that no honest header of some hundred
 * thousand elements meets: 8 MiB (64 KiB in a deflated file), a depth of sequences that fits 256
 * KiB of stack, a second of processor time; what lies beyond is as if it were not there. Errors: IO
 * and NO_MEMORY only.
 */
MUST_CHECK result dicom_probe(const struct codec_source *source, struct dicom_info *out_info);

/* The same of a path. IO, NOT_FOUND; INVALID where it is no regular file. */
MUST_CHECK result dicom_probe_path(const char *path, struct dicom_info *out_info);

#endif
