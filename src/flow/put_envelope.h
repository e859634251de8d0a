/*
 * A new image's envelope: what makes its content key, and each storage server's codeword symbol of
 * it (`symbols` dispersal: the owner computes them).
 */
#ifndef MYELIN_FLOW_PUT_ENVELOPE_H
#define MYELIN_FLOW_PUT_ENVELOPE_H

#include "flow/image.h"
#include "flow/open.h"

/* Ready to be sent. */
struct put_envelope {
    Myelin__Signed *record; /* the Envelope */
    unsigned n;
    struct bytes *symbols; /* by slot: a packed Symbol */
};

#define AUTO_PUT_ENVELOPE __attribute__((cleanup(put_envelope_free)))
void put_envelope_free(struct put_envelope *envelope);

/* Makes k random messages, encrypts them to the user himself under the image's tau, and encodes
 * them for the servers `names` by slot with random coefficients: each choice of k servers (of a
 * sample, where there are too many) has been checked to decode. `put` is the put that brings it. */
MUST_CHECK result put_envelope_new(struct session *session, const struct image *image,
                                   const char *id, char *const names[], unsigned n, unsigned k,
                                   const uint8_t put[FORMAT_ID_BYTES],
                                   struct put_envelope *out_envelope,
                                   struct content_key_secret **out_key);

#endif
