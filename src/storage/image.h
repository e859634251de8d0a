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

/* GET .../objects/{object}/symbol: this server's slices, back to back. Their number is as signed;
 * what they are is the reader's to verify. */
MUST_CHECK result image_open_symbol(struct storage *storage, const struct storage_caller *caller,
                                    const struct image_id *image, const struct short_id *object,
                                    struct image_range *out_range);

/* GET .../objects/{object}/hashes: the slice table, compared with the signed root; in the place of
 * what `out_hashes` held. */
MUST_CHECK result image_hashes(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, const struct short_id *object,
                               struct bytes *out_hashes);

/* ------------------------------------------------------------------ for src/storage */

struct image_owner {
    char name[FORMAT_NAME_MAX + 1];
    bool verifies; /* `identity` is known: false where the record of the owner is damaged */
    uint8_t identity[SIGN_PUBLIC_BYTES];
};

/* Under the image's lock. Where the record of the owner is damaged the envelope still names him. */
MUST_CHECK result image_owner(struct storage *storage, const struct image_id *image,
                              struct image_owner *out_owner);

/* Writes the record of an owner at `key`: identity (32), length of the name (1), name,
 * certificate (DER). */
MUST_CHECK result image_owner_put(struct store *store, const char *key,
                                  const struct storage_caller *owner);
MUST_CHECK result image_owner_get(struct store *store, const char *key,
                                  struct image_owner *out_owner);

enum image_right { IMAGE_OWNER = 1, IMAGE_RECIPIENT = 2, IMAGE_KEY_SERVER = 4 };

/* Whether `caller` has one of `rights`. Under the image's lock. */
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

/* The envelope's symbol of this server. */
MUST_CHECK result image_symbol(struct storage *storage, const struct image_id *image,
                               Myelin__Symbol **out_symbol);

/* This server's slot among `servers`. INTEGRITY where it has none. */
MUST_CHECK result image_slot(struct storage *storage, char *const servers[], size_t count,
                             uint32_t *out_slot);

/* Sums over the puts of an image. */
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
