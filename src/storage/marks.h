/*
 * The two indexes of images, by owner and by recipient (place.h): an empty value for each image and
 * each active forward, which a listing needs to find it. They are made with what they name, and
 * made again from it where a disk lost some of them: at the start, for all images, and when an
 * image is mended.
 */
#ifndef MYELIN_STORAGE_MARKS_H
#define MYELIN_STORAGE_MARKS_H

#include "storage/image.h"

/* All under the image's lock, or before anything is served. */

/* Makes a mark that is not there, and counts it in `missing`. IO, NO_MEMORY. */
MUST_CHECK result marks_owner(struct storage *storage, const struct image_id *image,
                              const char *owner, unsigned *missing);
MUST_CHECK result marks_recipient(struct storage *storage, const struct image_id *image,
                                  const char *recipient, unsigned *missing);

/* All marks of an image that is there: its owner's, and one for each forward that was not revoked.
 * Only forwards without a mark are read; a damaged one gets none. `out_missing`: how many were
 * made. IO, NO_MEMORY. */
MUST_CHECK result marks_mend(struct storage *storage, const struct image_id *image,
                             const char *owner, unsigned *out_missing);

#endif
