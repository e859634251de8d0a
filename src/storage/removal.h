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

/* CONFLICT where `owner` removed the image at `ms` or later; by his key, where it is known
 * (`verifies`): a namesake's removal is none of his. */
struct image_owner;
MUST_CHECK result removal_check_newer(struct storage *storage, const struct image_id *image,
                                      const struct image_owner *owner, uint64_t ms);

/* A removal that another server had, with its signer's certificate. The image goes where it is the
 * signer's and no newer; of another owner's image nothing changes. `out_taken` where it is newer
 * than what was here. INTEGRITY, PROTOCOL, INVALID where it is not the signer's word on this image.
 */
MUST_CHECK result removal_adopt(struct storage *storage, const struct image_owner *signer,
                                struct view certificate, const struct image_id *image,
                                const Myelin__Signed *record, bool *out_taken);

/* All removals of the image that are here, by name: at most FORMAT_REMOVALS_MAX. */
struct removals {
    char owners[FORMAT_REMOVALS_MAX][FORMAT_NAME_MAX + 1];
    Myelin__Signed *records[FORMAT_REMOVALS_MAX];
    size_t count;
};
void removals_free(struct removals *removals);
#define AUTO_REMOVALS __attribute__((cleanup(removals_free)))
MUST_CHECK result removals_get(struct storage *storage, const struct image_id *image,
                               struct removals *out_removals);

/* Whose the image was when it was removed here: nobody else may put it again. Empty where it never
 * was here, or nobody removed it. */
MUST_CHECK result removal_claim(struct storage *storage, const struct image_id *image,
                                char out_owner[FORMAT_NAME_MAX + 1]);
MUST_CHECK result removal_set_claim(struct storage *storage, const struct image_id *image,
                                    const char *owner);

/* DENIED where somebody other than `owner` had the image when it was removed. */
MUST_CHECK result removal_check_claim(struct storage *storage, const struct image_id *image,
                                      const char *owner);

/* Out of sight in one step, then piece by piece, without a trace: for a removal, and where
 * another's claim on the image stands. Under the image's write lock. */
MUST_CHECK result removal_drop_image(struct storage *storage, const struct image_id *image,
                                     const char *owner);

/* The removal that `caller` is shown: a user his own, a key server any. NOT_FOUND. To be freed with
 * AUTO_FORMAT. */
MUST_CHECK result removal_for(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, Myelin__Signed **out_removal);

/* At the start: what a crash left of removals is finished. */
MUST_CHECK result removal_recover(struct storage *storage);

#endif
