/*
 * What storage servers tell each other of an image, so that each can mend its own store: everything
 * that is signed and the same at every server, and a digest of it.
 *
 * Common errors as in image.h; DENIED for everybody but another storage server.
 */
#ifndef MYELIN_STORAGE_STATE_H
#define MYELIN_STORAGE_STATE_H

#include "base/digest.h"
#include "storage/storage.h"

/* GET /v1/images/{image}/state: an ImageState; also where this server has no such image. */
MUST_CHECK result state_answer(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, struct bytes *out_answer);

/* GET /v1/images/{image}/coefficients: of all slots of the envelope. */
MUST_CHECK result state_coefficients(struct storage *storage, const struct storage_caller *caller,
                                     const struct image_id *image, struct bytes *out_coefficients);

/* GET /v1/index: an IndexPage of the images that are, or were, here and of which the caller has a
 * slot by the system description. INVALID where `after` is neither empty nor an id. */
MUST_CHECK result state_index(struct storage *storage, const struct storage_caller *caller,
                              const char *after, struct bytes *out_page);

/* ------------------------------------------------------------------ for src/storage */

/* SHA-256 over what is signed and the same at every server that lacks nothing: envelope, manifests,
 * deletions, puts, forwards, revocations, removals. What is damaged here counts as lacking. */
MUST_CHECK result state_digest(struct storage *storage, const struct image_id *image,
                               uint8_t out_digest[DIGEST_BYTES]);

/* The same as it was when it was made last, if the image has not changed since: damage that came to
 * the disk meanwhile does not show. */
MUST_CHECK result state_digest_known(struct storage *storage, const struct image_id *image,
                                     uint8_t out_digest[DIGEST_BYTES]);

#endif
