/*
 * The header cache: of each DICOM attachment the bytes before its pixels, sealed, on the local
 * disk, so that what Orthanc asks for tags and queries costs no network. A cache: nothing is
 * synced, and what is missing or damaged is fetched again.
 *
 *   file   FOLDER/<first two digits of the uuid>/<uuid>: a sealed text (seal/seal.h), associated
 *          data: the uuid
 *
 * Threads: safe from many.
 */
#ifndef ORTHANC_HEADERS_H
#define ORTHANC_HEADERS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "seal/seal.h"

struct headers;

enum { HEADERS_BYTES_MAX = SEAL_TEXT_MAX }; /* longer ones are not kept */

/* Makes the folders where missing; the key is copied. IO, NO_MEMORY. */
MUST_CHECK result headers_open(const char *folder, const uint8_t key[32],
                               struct headers **out_headers);
void headers_close(struct headers *headers);

/* Keeps a header; what cannot be kept is not. */
void headers_keep(struct headers *headers, const char *uuid, struct view header);

/* False where it is not there or not good. */
bool headers_find(struct headers *headers, const char *uuid, struct bytes *out_header);

void headers_remove(struct headers *headers, const char *uuid);

#endif
