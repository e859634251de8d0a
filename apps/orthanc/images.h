/*
 * The images that are held open: a content key stays in locked memory for a while after its last
 * use. Adding to an image is a group commit: what several threads bring while a put is under way
 * goes into the next one together.
 *
 * Threads: safe from many.
 */
#ifndef ORTHANC_IMAGES_H
#define ORTHANC_IMAGES_H

#include "base/bytes.h"
#include "myelin.h"

struct images;

/* Images not used for `key_s` seconds are let go of. */
MUST_CHECK result images_new(struct myelin_session *session, const char *codec, unsigned key_s,
                             struct images **out_images);
void images_free(struct images *images);

/* Puts one object and returns when enough servers have it. `owner` of others is "" throughout. */
MUST_CHECK result images_put(struct images *images, const char *image,
                             const struct myelin_blob *blob);

/* Several at once, as one put. */
MUST_CHECK result images_put_all(struct images *images, const char *image,
                                 const struct myelin_blob blobs[], size_t count);

MUST_CHECK result images_read(struct images *images, const char *owner, const char *image,
                              const char *const names[], size_t count, myelin_blob_take take,
                              void *context);

MUST_CHECK result images_list(struct images *images, const char *owner, const char *image,
                              myelin_blob_found found, void *context);

/* After a removal or a revocation. */
void images_forget(struct images *images, const char *owner, const char *image);

/* Lets go of what has not been used for long; called now and then. */
void images_tidy(struct images *images);

#endif
