/*
 * Opening an envelope: the first half of get.
 *
 *     t key servers each ask u storage servers for envelope symbols and share_decrypt -> combine ->
 *     content key
 *
 * A key server that lies about its partial, or anyone who alters a symbol on the way, is found by
 * the proofs and by the hashes that the owner signed, named in a warning, and done without.
 */
#ifndef MYELIN_FLOW_OPEN_H
#define MYELIN_FLOW_OPEN_H

#include "flow/image.h"
#include "scheme/content_key.h"

/* In secret memory: AUTO_SECRET struct content_key_secret *key = NULL; */
struct content_key_secret {
    uint8_t bytes[CONTENT_KEY_BYTES];
};

/* The content key of an image whose envelope image_load has brought; it is the one that the owner
 * committed to.
 *
 * NOT_FOUND  the storage servers have no such image, or no forward of it for the user
 * DENIED     the forward was revoked
 * QUORUM     fewer than t key servers or k storage servers are good; each named with its reason
 * INTEGRITY  nothing that the servers gave opens what the owner signed */
MUST_CHECK result flow_open_envelope(struct session *session, const struct image *image,
                                     struct content_key_secret **out_key);

/* The same with a u of the caller's: how many storage servers each key server asks at first; 0 for
 * fan_out_default's. Where these give too little, all are asked. INVALID for a u above n, or so
 * small that t key servers never see k. */
MUST_CHECK result flow_open_envelope_asking(struct session *session, const struct image *image,
                                            unsigned u, struct content_key_secret **out_key);

#endif
