/*
 * Check: a server reads its own disk and compares every byte of an image with what the owner
 * signed. It takes no key.
 */
#ifndef MYELIN_STORAGE_CHECK_H
#define MYELIN_STORAGE_CHECK_H

#include "storage/storage.h"

/* POST /v1/images/{image}/check[?slot=S]: a CheckAnswer, one entry an object, of that slot, or by
 * SLOT_ANY of the one that this server holds. Other requests on the image go
 * on meanwhile. Common errors as in image.h, but damage is an answer and no error. */
MUST_CHECK result image_check(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, uint32_t slot,
                              struct bytes *out_answer);

#endif
