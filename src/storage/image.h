/*
 * Published images: who owns one, who may do what with it, and what a reader gets.
 *
 * Common errors: NOT_FOUND where this server has no such image, DENIED for a stranger, INTEGRITY
 * where the disk no longer holds what was stored, IO, NO_MEMORY.
 */
#ifndef MYELIN_STORAGE_IMAGE_H
#define MYELIN_STORAGE_IMAGE_H

#include "format/format.h"
#include "format/layout.h"
#include "storage/slots.h"
#include "storage/storage.h"

/* ------------------------------------------------------------------ requests */

/* GET /v1/images/{image}: an ImageAnswer, appended to `out_answer`. */
MUST_CHECK result image_answer(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, struct bytes *out_answer);

/* Bytes of an object for a reader: `length` from `offset` on in `fd`, which is the caller's to
 * close. */
struct image_range {
    int fd;
    uint64_t offset;
    uint64_t length;
};

/* GET .../objects/{object}/symbol[?slot=S]: a slot's slices, back to back; by SLOT_ANY those that
 * this server holds. Their number is as signed; what they are is the reader's to verify. NOT_FOUND
 * where they are not here. */
MUST_CHECK result image_open_symbol(struct storage *storage, const struct storage_caller *caller,
                                    const struct image_id *image, const struct short_id *object,
                                    uint32_t slot, struct image_range *out_range);

/* GET .../symbols?of=OBJECT.SLOT,...: the slices of several objects, one object's behind the
 * other's, as image_open_symbol has each; in the place of what `out_slices` held. INVALID where
 * they are more than IMAGE_SYMBOLS_BYTES; errors of image_open_symbol for any of them, and then
 * there is none. */
enum { IMAGE_WANTED_MAX = 32, IMAGE_SYMBOLS_BYTES = 1 << 20 };
struct image_wanted {
    struct short_id object;
    uint32_t slot;
};
MUST_CHECK result image_symbols(struct storage *storage, const struct storage_caller *caller,
                                const struct image_id *image, const struct image_wanted wanted[],
                                size_t count, struct bytes *out_slices);

/* Such a list from outside. INVALID. */
MUST_CHECK result image_wanted_parse(const char *text,
                                     struct image_wanted out_wanted[IMAGE_WANTED_MAX],
                                     size_t *out_count);

/* GET .../objects/{object}/hashes[?slot=S]: the slice table, compared with the signed root; in the
 * place of what `out_hashes` held. */
MUST_CHECK result image_hashes(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, const struct short_id *object,
                               uint32_t slot, struct bytes *out_hashes);

/* ------------------------------------------------------------------ for src/storage */

struct image_owner {
    char name[FORMAT_NAME_MAX + 1];
    bool verifies; /* `identity` is known: false where the record of the owner is damaged */
    uint8_t identity[SIGN_PUBLIC_BYTES];
};

/* Under the image's lock. Where the record of the owner is damaged the envelope still names him. */
MUST_CHECK result image_owner(struct storage *storage, const struct image_id *image,
                              struct image_owner *out_owner);

/* Writes the record of an owner at `key`, as record_put and record_replace: identity (32), length
 * of the name (1), name, certificate (DER). */
MUST_CHECK result image_owner_put(struct store *store, const char *key,
                                  const struct storage_caller *owner);
MUST_CHECK result image_owner_replace(struct store *store, const char *key,
                                      const struct storage_caller *owner);
MUST_CHECK result image_owner_get(struct store *store, const char *key,
                                  struct image_owner *out_owner);
/* The certificate in such a record, appended. */
MUST_CHECK result image_owner_certificate(struct store *store, const char *key,
                                          struct bytes *out_certificate);

enum image_right {
    IMAGE_OWNER = 1,
    IMAGE_RECIPIENT = 2,
    IMAGE_KEY_SERVER = 4,
    IMAGE_PEER = 8,    /* a storage server with a slot of the image: to mend its own store */
    IMAGE_SERVER = 16, /* any storage server of the system */
};

/* Whether `caller` has one of `rights`, by the image's owner as image_owner gave him. Under the
 * image's lock. */
MUST_CHECK result image_authorise_by(struct storage *storage, const struct storage_caller *caller,
                                     const struct image_id *image, unsigned rights,
                                     const struct image_owner *owner);
/* The same, which gives the owner. */
MUST_CHECK result image_authorise(struct storage *storage, const struct storage_caller *caller,
                                  const struct image_id *image, unsigned rights,
                                  struct image_owner *out_owner);

/* Signed records as stored: of the envelope, and of an object's manifest. Parsed where `out_` for
 * it is not NULL; both to be freed with AUTO_FORMAT. Under the image's lock. */
MUST_CHECK result image_envelope(struct storage *storage, const struct image_id *image,
                                 Myelin__Signed **out_signed, Myelin__Envelope **out_envelope);
MUST_CHECK result image_manifest(struct storage *storage, const struct image_id *image,
                                 const struct short_id *object, Myelin__Signed **out_signed,
                                 Myelin__Manifest **out_manifest);
/* As image_manifest, of any key. */
MUST_CHECK result manifest_get(struct store *store, const char *key, Myelin__Signed **out_signed,
                               Myelin__Manifest **out_manifest);

/* The envelope's symbol of a slot; by SLOT_ANY of one that this server holds. NOT_FOUND. */
MUST_CHECK result image_symbol(struct storage *storage, const struct image_id *image, uint32_t slot,
                               Myelin__Symbol **out_symbol);

/* The slots of which there is a symbol here, good or not, at most FORMAT_SERVERS_MAX. */
MUST_CHECK result image_symbol_slots(struct storage *storage, const struct image_id *image,
                                     uint32_t out_slots[FORMAT_SERVERS_MAX], size_t *out_count);

/* The coefficients of all slots of the envelope, n x k x 32 bytes, compared with the hash that it
 * has of them. NOT_FOUND where it has none, or they are not here. */
MUST_CHECK result image_coefficients(struct storage *storage, const struct image_id *image,
                                     const Myelin__Envelope *envelope,
                                     struct bytes *out_coefficients);

/* This server's slot among `servers`. INTEGRITY where it has none. */
MUST_CHECK result image_slot(struct storage *storage, char *const servers[], size_t count,
                             uint32_t *out_slot);

/* Sums over the puts of an image, without what was deleted. */
struct image_totals {
    uint64_t objects;
    uint64_t sealed_bytes;
    uint64_t symbol_bytes;
};
MUST_CHECK result image_totals(struct storage *storage, const struct image_id *image,
                               struct image_totals *out_totals);

/* The wire form of a stored Signed record, parsed. */
MUST_CHECK result signed_get(struct store *store, const char *key, const char *kind, size_t limit,
                             Myelin__Signed **out_signed);
/* A Signed record, encoded, as a record at `key`. */
MUST_CHECK result signed_put(struct store *store, const char *key, const char *kind,
                             const Myelin__Signed *record);

#endif
