/*
 * What Orthanc deleted of studies that stay, deleted at the storage servers: by the keeper some
 * seconds later, and at once where the study is forwarded, so that whoever accepts it finds no
 * object that is about to go, or an instance twice that was deleted and stored again.
 */
#ifndef ORTHANC_DELETIONS_H
#define ORTHANC_DELETIONS_H

#include "gateway.h"

enum { DELETIONS_MAX = 256 }; /* objects at a time */

/* Of an image that is gone there is nothing to delete; names that it does not have are passed over.
 * At most DELETIONS_MAX names. Errors of myelin_delete. */
MUST_CHECK result deletions_make(struct gateway *gateway, const char *image, char *const names[],
                                 size_t count);

/* Those that are due for `age_ms`, of one image: `image`, or NULL for any. `out_count`: how many,
 * 0 where nothing is due. Errors of myelin_delete; they stay due. */
MUST_CHECK result deletions_some(struct gateway *gateway, const char *image, uint64_t age_ms,
                                 size_t *out_count);

/* All that is due of an own image. */
MUST_CHECK result deletions_all(struct gateway *gateway, const char *image);

#endif
