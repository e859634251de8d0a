/*
 * Where everything of a storage server lies in its store: the one list of its keys
 * (docs/FORMAT.md, "A storage server's folder").
 */
#ifndef MYELIN_STORAGE_PLACE_H
#define MYELIN_STORAGE_PLACE_H

#include "base/digest.h"
#include "format/limits.h"
#include "storage/store.h"

/* Ids with their hexadecimal form, in which they stand in paths and keys. */
struct image_id {
    uint8_t bytes[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
};
struct short_id { /* of a put or an object */
    uint8_t bytes[FORMAT_ID_BYTES];
    char hex[2 * FORMAT_ID_BYTES + 1];
};

/* OBJECT.S, the name of slices without its suffix. False where it is something else. */
bool place_parse_slices(const char *name, struct short_id *out_object, uint32_t *out_slot);

/* Exactly as long as they must be, in lower-case hexadecimal. INVALID, naming `what`. */
MUST_CHECK result image_id_parse(const char *hex, struct image_id *out_id);
MUST_CHECK result short_id_parse(const char *what, const char *hex, struct short_id *out_id);

/* PROTOCOL where it is not 16 bytes. */
MUST_CHECK result short_id_from(struct view bytes, struct short_id *out_id);
void image_id_of_tau(struct view tau, struct image_id *out_id);

bool image_id_equal(const struct image_id *a, const struct image_id *b);
bool short_id_equal(const struct short_id *a, const struct short_id *b);

struct place {
    char key[STORE_KEY_BYTES];
};

/* A published image: images/AB/IMAGE/... */
struct place place_image(const struct image_id *image);
struct place place_of_image(const struct image_id *image, const char *name);
struct place place_of_object(const struct image_id *image, const struct short_id *object,
                             const char *suffix);
/* A slot's slices of an object, and its symbol of the envelope: OBJECT.S.slices, symbol.S. */
struct place place_of_slices(const struct image_id *image, const struct short_id *object,
                             uint32_t slot);
struct place place_of_symbol(const struct image_id *image, uint32_t slot);
struct place place_of_put(const struct image_id *image, const struct short_id *put);
struct place place_of_forward(const struct image_id *image, const char *user);

/* A put on its way: staging/PUT/... */
struct place place_staging(const struct short_id *put);
struct place place_staged(const struct short_id *put, const char *name);
struct place place_staged_object(const struct short_id *put, const struct short_id *object,
                                 const char *suffix);
struct place place_staged_put(const struct short_id *put);

/* Empty values whose names are an index: by-owner/USER/IMAGE, by-recipient/USER/IMAGE. They may
 * name an image that is no longer there, never miss one that is. */
struct place place_owner_marks(const char *user);
struct place place_owner_mark(const char *user, const struct image_id *image);
struct place place_recipient_marks(const char *user);
struct place place_recipient_mark(const char *user, const struct image_id *image);

/* A removal: removed/AB/IMAGE.OWNER */
struct place place_removal(const struct image_id *image, const char *owner);

/* Whose the image was when it was removed here: claims/AB/IMAGE */
struct place place_claim(const struct image_id *image);

/* The certificate of somebody whose removal is here: users/NAME */
struct place place_of_user(const char *name);

/* An image that is on its way out: gone/IMAGE. */
struct place place_gone(const struct image_id *image);

/* Deletions that are being taken, and one of them: deleting/IMAGE/OBJECT */
struct place place_deleting(const struct image_id *image);
struct place place_of_deleting(const struct image_id *image, const struct short_id *object);

/* What is being mended of an image, and one part of it: mending/IMAGE/NAME */
struct place place_mending(const struct image_id *image);
struct place place_of_mending(const struct image_id *image, const char *name);

/* The names of an image's parts, and the suffixes of those that there are many of. A put on its way
 * is for one slot, which its record says: in staging, `symbol` and OBJECT.slices do without. */
#define PLACE_OWNER        "owner"
#define PLACE_ENVELOPE     "envelope"
#define PLACE_COEFFICIENTS "coefficients"
#define PLACE_SYMBOL       "symbol"
#define PLACE_PREPARED     "prepared" /* in a staging folder only */

#define PLACE_SLICES_SUFFIX   ".slices"
#define PLACE_MANIFEST_SUFFIX ".manifest"
#define PLACE_DELETION_SUFFIX ".deletion"
#define PLACE_PUT_SUFFIX      ".put"
#define PLACE_FORWARD_SUFFIX  ".forward"

#endif
