/*
 * Pages: what a user owns, what is forwarded to him, and an image's objects. Each goes on after the
 * id given, "" for the first page, in the order of ids, and says whether there is more. An image
 * whose records are damaged here is left out and logged: other servers still list it.
 *
 * Common errors as in image.h.
 */
#ifndef MYELIN_STORAGE_LISTING_H
#define MYELIN_STORAGE_LISTING_H

#include "storage/storage.h"

/* GET /v1/images: an ImagePage. INVALID where `after` is neither empty nor an id; here and below.
 */
MUST_CHECK result listing_images(struct storage *storage, const struct storage_caller *caller,
                                 const char *after, struct bytes *out_page);

/* GET /v1/inbox: an InboxPage. */
MUST_CHECK result listing_inbox(struct storage *storage, const struct storage_caller *caller,
                                const char *after, struct bytes *out_page);

/* GET /v1/images/{image}/objects: a ManifestPage. */
MUST_CHECK result listing_objects(struct storage *storage, const struct storage_caller *caller,
                                  const struct image_id *image, const char *after,
                                  struct bytes *out_page);

/* GET /v1/images/{image}/forwards: a ForwardPage, by recipient, revocations too; for the owner and
 * other storage servers. */
MUST_CHECK result listing_forwards(struct storage *storage, const struct storage_caller *caller,
                                   const struct image_id *image, const char *after,
                                   struct bytes *out_page);

#endif
