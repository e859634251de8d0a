/*
 * An image as a user names it: his own by its ID, or one that was forwarded to him by its ID and
 * its owner. Servers know it by tau only.
 */
#ifndef MYELIN_FLOW_IMAGE_H
#define MYELIN_FLOW_IMAGE_H

#include "flow/session.h"
#include "format/hash.h"
#include "group/g2.h"

enum { IMAGE_HEX = 2 * DIGEST_BYTES + 1 }; /* characters, with the terminating zero */

struct image {
    const struct session_user *owner; /* the session's; NULL until needed where it is the user */
    char owner_name[FORMAT_NAME_MAX + 1];
    bool is_own;
    struct g2 tau;
    uint8_t tau_bytes[FORMAT_TAU_BYTES];
    char hex[IMAGE_HEX]; /* {image} in paths */

    /* Set by image_load; the owner's signature is checked. */
    Myelin__Signed *record;
    Myelin__Envelope *envelope;
    uint64_t objects;      /* most that a server has */
    uint64_t symbol_bytes; /* of one server, likewise */
    uint64_t removed_ms;   /* the newest removal's serial, also where nothing is there; 0: none */

    /* The time of creation, or serial, of what the owner signs about the image in this flow: his
     * machine's time, but after the envelope and the removal that were loaded. His clock may have
     * gone back since, or have been another machine's. */
    uint64_t signing_ms;
};

#define AUTO_IMAGE __attribute__((cleanup(image_free)))
void image_free(struct image *image);

/* tau of one of the user's own images, whether it exists or not. INVALID for an empty ID or one
 * longer than FORMAT_IMAGE_ID_MAX. */
MUST_CHECK result image_own(struct session *session, const char *id, struct image *out_image);
/* The same where tau is known. */
void image_own_again(const struct session *session, const struct g2 *tau,
                     const uint8_t tau_bytes[FORMAT_TAU_BYTES], struct image *out_image);

/* The image `id` that `from` has forwarded to the user (NULL, or the user himself: image_own).
 * NOT_FOUND where no inbox has it, or there is no such owner; QUORUM where too few storage servers
 * are reachable to know. */
MUST_CHECK result image_find(struct session *session, const char *id, const char *from,
                             struct image *out_image);

/* Fetches the envelope's record: the newest one that verifies. NOT_FOUND where no reachable server
 * has it or it was removed, DENIED where the servers refuse, QUORUM where fewer than k answer and
 * none of them has it. */
MUST_CHECK result image_load(struct session *session, const char *id, struct image *image);

/* Sets signing_ms by what is known now. */
void image_date(struct image *image);

/* Whether the owner signed a manifest, of this put and time, for the image as it was before it was
 * removed and put again: a server that missed the removal may still have it. */
bool image_is_outdated(const struct image *image, const Myelin__Manifest *manifest);

/* Envelope.owner_label: the ID sealed for its owner alone, under
 * HKDF-SHA256(a3, salt = tau, "MYELIN-V1-LABEL-KEY"). Opening: INTEGRITY. */
MUST_CHECK result image_label_seal(const struct session *session,
                                   const uint8_t tau[FORMAT_TAU_BYTES], const char *id,
                                   struct bytes *out_label);
/* `out_id` gets the ID and a terminating zero, which is not counted in its length. */
MUST_CHECK result image_label_open(const struct session *session,
                                   const uint8_t tau[FORMAT_TAU_BYTES], struct view label,
                                   struct bytes *out_id);

#endif
