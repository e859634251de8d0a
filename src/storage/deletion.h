/*
 * Deletions: one object of an image goes, and its owner's signed word stays in its place for as
 * long as the image is there. The object's slices are removed; its manifest stays, because the
 * commit of its put is about all manifests of that put, and so everything that mends an image works
 * as before. An id that was deleted is not used again.
 */
#ifndef MYELIN_STORAGE_DELETION_H
#define MYELIN_STORAGE_DELETION_H

#include "format/format.h"
#include "storage/image.h"

/* DELETE /v1/images/{image}/objects: a DeleteObjects, by the owner. Taken whether the objects are
 * known here or not: this server may have missed their put. All of them are durable when it answers
 * OK; the same again is OK. CONFLICT where the image was removed and put again since a deletion was
 * signed; INVALID where one is of another image or owner, or of more objects than an image can
 * have. Common errors as in image.h. */
MUST_CHECK result deletion_take(struct storage *storage, const struct storage_caller *caller,
                                const struct image_id *image, struct view body);

/* ------------------------------------------------------------------ for src/storage */

/* What follows is under the image's lock; for writing where it changes anything. */

/* Whether the object was deleted: its record is here, and whole. One that is damaged deletes
 * nothing: other servers have it. */
bool deletion_is_here(struct storage *storage, const struct image_id *image,
                      const struct short_id *object);

/* Whether there is such a record, good or damaged. */
bool deletion_was_here(struct storage *storage, const struct image_id *image,
                       const struct short_id *object);

/* CONFLICT where it was. */
MUST_CHECK result deletion_check_none(struct storage *storage, const struct image_id *image,
                                      const struct short_id *object);

/* The record, to be freed with AUTO_FORMAT. NOT_FOUND, INTEGRITY. */
MUST_CHECK result deletion_get(struct storage *storage, const struct image_id *image,
                               const struct short_id *object, Myelin__Signed **out_record);

/* The ids of all objects of the image that were deleted, in ascending order. */
MUST_CHECK result deletion_list(struct storage *storage, const struct image_id *image,
                                struct store_names *out_objects);
bool deletion_list_has(const struct store_names *objects, const struct short_id *object);

/* Whether the record is `owner`'s word on an object of this image, as it was made by the put `made`
 * (empty: by any). INTEGRITY, PROTOCOL; INVALID where it is of another image or owner, CONFLICT
 * where it is of one of the same ID that was removed before this one was put. */
MUST_CHECK result deletion_open(const struct image_owner *owner, const struct image_id *image,
                                struct view made, const Myelin__Signed *record,
                                struct short_id *out_object);

/* Removes the slices that are here of objects that were deleted. IO. */
MUST_CHECK result deletion_sweep(struct storage *storage, const struct image_id *image);

/* What those of `objects` that `deleted` names have by their manifests, where these are readable:
 * an image's totals are less by it. */
MUST_CHECK result deletion_totals(struct storage *storage, const struct image_id *image,
                                  const struct store_names *deleted,
                                  const struct short_id objects[], size_t count,
                                  struct image_totals *out_totals);

/* What of a put's symbol_bytes is left, without its objects that were deleted. */
struct put_record;
uint64_t deletion_bytes_left(struct storage *storage, const struct put_record *record);

/* The bytes of a slot's slices of an object by its manifest, where its put is counted here; else 0.
 */
uint64_t deletion_counted_bytes(struct storage *storage, const struct image_id *image,
                                const struct short_id *object);

#endif
