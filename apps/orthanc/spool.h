/*
 * The spool: attachments on the local disk, sealed, until the storage servers have them.
 *
 *   file   FOLDER/<uuid>: "MYELINSP", 32 random bytes, length (4), the sealed record (record.h, op
 *          ADD), then the attachment in sealed segments of 1 MiB (seal/seal.h), under the key of
 *          the spool
 *
 * A file says itself what it is, so it needs no other write to be found after a crash.
 *
 * Threads: safe from many, for different uuids.
 */
#ifndef ORTHANC_SPOOL_H
#define ORTHANC_SPOOL_H

#include "record.h"

struct spool;

/* Makes the folder where missing; the key is copied. IO, NO_MEMORY. */
MUST_CHECK result spool_open(const char *folder, const uint8_t key[32], struct spool **out_spool);
void spool_close(struct spool *spool);

/* On disk, with its name, when this returns. IO (CONFLICT where the uuid is there). */
MUST_CHECK result spool_write(struct spool *spool, const struct record *record, struct view data);

/* NOT_FOUND; INTEGRITY where it is not what was written; IO, NO_MEMORY. */
MUST_CHECK result spool_read(struct spool *spool, const char *uuid, struct bytes *out_data);

bool spool_has(struct spool *spool, const char *uuid);

/* No error where it is not there. What the map says of it is on disk before. IO. */
MUST_CHECK result spool_remove(struct spool *spool, const char *uuid);

/* Tells `found` of every file; `is_whole` says whether it has the length that its record asks for:
 * what a crash cut off is not whole, and was never acknowledged (and of a power cut the length
 * alone may be right: only spool_read tells). A file without a record that opens
 * is told with its uuid alone. IO; what `found` fails with. */
typedef result (*spool_found)(void *context, const struct record *record, bool is_whole);
MUST_CHECK result spool_list(struct spool *spool, spool_found found, void *context);

#endif
