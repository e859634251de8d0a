/*
 * A new image's envelope: what makes its content key, and each storage server's codeword symbol of
 * it, which the owner computes (`symbols` dispersal) or the servers themselves (`blocks`).
 */
#ifndef MYELIN_FLOW_PUT_ENVELOPE_H
#define MYELIN_FLOW_PUT_ENVELOPE_H

#include "flow/image.h"
#include "flow/open.h"
#include "scheme/codeword.h"

/* Ready to be sent. */
struct put_envelope {
    Myelin__Signed *record; /* the Envelope */
    unsigned n;
    struct bytes *symbols; /* by slot: a packed Symbol */
    struct bytes
        coefficients; /* of all slots, back to back: from them a lost symbol is made anew */
};

#define AUTO_PUT_ENVELOPE __attribute__((cleanup(put_envelope_free)))
void put_envelope_free(struct put_envelope *envelope);

/* What becomes an envelope: the originals, and the symbols once each server has coefficients. */
struct envelope_draft {
    unsigned n, k;
    struct ciphertext *ciphertexts;  /* k */
    struct codeword_symbol *symbols; /* n, by slot */
};

#define AUTO_ENVELOPE_DRAFT __attribute__((cleanup(envelope_draft_free)))
void envelope_draft_free(struct envelope_draft *draft);

/* Makes k random messages and encrypts them to the user himself under the image's tau. The content
 * key is the caller's to free. NO_MEMORY. */
MUST_CHECK result envelope_draft_new(struct session *session, const struct image *image, unsigned n,
                                     unsigned k, struct envelope_draft *out_draft,
                                     struct content_key_secret **out_key);

/* Signs the envelope of a draft whose symbols are all there, for the servers `names` by slot. `put`
 * is the put that brings it. */
MUST_CHECK result put_envelope_sign(struct session *session, const struct image *image,
                                    const char *id, char *const names[],
                                    const struct envelope_draft *draft,
                                    const uint8_t put[FORMAT_ID_BYTES],
                                    const struct content_key_secret *key,
                                    struct put_envelope *out_envelope);

/* All of it by the owner alone (`symbols` dispersal): encodes the draft for each server with random
 * coefficients, checks that any k servers decode (put_choices.h), and signs. */
MUST_CHECK result put_envelope_new(struct session *session, const struct image *image,
                                   const char *id, char *const names[], unsigned n, unsigned k,
                                   const uint8_t put[FORMAT_ID_BYTES],
                                   struct put_envelope *out_envelope,
                                   struct content_key_secret **out_key);

#endif
