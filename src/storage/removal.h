/*
 * Removals: the whole image goes, and its owner's signed removal stays, so that what is older than
 * it does not come back.
 */
#ifndef MYELIN_STORAGE_REMOVAL_H
#define MYELIN_STORAGE_REMOVAL_H

#include "format/format.h"
#include "storage/storage.h"

/* DELETE /v1/images/{image}: a Removal in Signed, by the owner. Also where this server has no such
 * image: it may have missed it. Puts of it under way are removed too. CONFLICT where the image is
 * newer than the removal. Common errors as in image.h. */
MUST_CHECK result removal_take(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, struct view body);

/* ------------------------------------------------------------------ for src/storage */

/* CONFLICT where `owner` removed the image at `ms` or later. */
MUST_CHECK result removal_check_newer(struct storage *storage, const struct image_id *image,
                                      const char *owner, uint64_t ms);

/* The removal that `caller` is shown: a user his own, a key server any. NOT_FOUND. To be freed with
 * AUTO_FORMAT. */
MUST_CHECK result removal_for(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, Myelin__Signed **out_removal);

/* At the start: what a crash left of removals is finished. */
MUST_CHECK result removal_recover(struct storage *storage);

#endif
