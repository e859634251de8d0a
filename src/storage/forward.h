/*
 * Forwards: re-encryption keys at rest, one for each image and recipient, and what comes of them.
 * A forward is taken once: verified, the envelope's symbol re-encrypted (ReEnc), both kept. A
 * revocation takes their place, so that an older forward is known when it comes again.
 *
 * Common errors as in image.h.
 */
#ifndef MYELIN_STORAGE_FORWARD_H
#define MYELIN_STORAGE_FORWARD_H

#include "format/format.h"
#include "storage/storage.h"

/* PUT .../forwards/{user}: a Forward in Signed. CONFLICT where a forward or revocation of the same
 * or a higher serial is there; the very same forward again is OK. PROTOCOL where it does not parse
 * or its points are not in their groups; INVALID where it is for another image or recipient. */
MUST_CHECK result forward_put(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, const char *recipient,
                              struct view body);

/* DELETE .../forwards/{user}: a Revocation in Signed. CONFLICT as above. */
MUST_CHECK result forward_revoke(struct storage *storage, const struct storage_caller *caller,
                                 const struct image_id *image, const char *recipient,
                                 struct view body);

/* GET .../symbol?for={user}[&slot=S]: a SymbolAnswer. Another storage server asks for no user, and
 * gets the original. NOT_FOUND where the slot is not here. */
MUST_CHECK result forward_symbol(struct storage *storage, const struct storage_caller *caller,
                                 const struct image_id *image, const char *user, uint32_t slot,
                                 struct bytes *out_answer);

/* GET .../symbol?for={user}&signed=1: the same, signed by this server (format/statement.h). */
MUST_CHECK result forward_symbol_signed(struct storage *storage,
                                        const struct storage_caller *caller,
                                        const struct image_id *image, const char *user,
                                        uint32_t slot, struct bytes *out_answer);

/* ------------------------------------------------------------------ for src/storage */

/* Under the image's lock. */
MUST_CHECK result forward_is_active(struct storage *storage, const struct image_id *image,
                                    const char *user, bool *out_active);

/* What is here of a forward to `user`: the record, and which of the two it is. INTEGRITY where it
 * is damaged, NOT_FOUND. To be freed with AUTO_FORMAT. */
MUST_CHECK result forward_record(struct storage *storage, const struct image_id *image,
                                 const char *user, Myelin__Signed **out_record,
                                 bool *out_is_revocation);

/* Takes a forward or revocation of `owner`'s that another server had, where it is newer than what
 * is here, or that is damaged; whether it was. Of an image that is here. Under the image's write
 * lock. INTEGRITY, PROTOCOL, INVALID where it is not the owner's word on this image. */
struct image_owner;
MUST_CHECK result forward_adopt(struct storage *storage, const struct image_id *image,
                                const struct image_owner *owner, Myelin__Signed *record,
                                bool is_revocation, bool *out_taken);

/* The active forward to `user`; NOT_FOUND where there is none. To be freed with AUTO_FORMAT. */
MUST_CHECK result forward_get(struct storage *storage, const struct image_id *image,
                              const char *user, Myelin__Signed **out_forward);

#endif
