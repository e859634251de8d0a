/*
 * A DICOM file without its pixels: as long as the real one, zeros where the pixels are, so that
 * Orthanc indexes a forwarded instance as what it is while only its header has been fetched.
 */
#ifndef ORTHANC_SKELETON_H
#define ORTHANC_SKELETON_H

#include <stdbool.h>

#include "base/bytes.h"

/* Makes a file of `size` bytes that begins with `header`, which ends with the pixel data element's
 * tag, VR and length, or is the whole file. INVALID where none can be made: the header ends
 * elsewhere, or what follows the pixels does not fit an element. NO_MEMORY. */
MUST_CHECK result skeleton_make(struct view header, uint64_t size, struct bytes *out_file);

/* The shortest file for reading tags: the pixels' length is none. The header ends with that length,
 * as one does that skeleton_make took with a larger size. INVALID, NO_MEMORY. */
MUST_CHECK result skeleton_make_tags(struct view header, struct bytes *out_file);

#endif
