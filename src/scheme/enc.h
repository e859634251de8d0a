/*
 * Enc: C_i = (0, g^r_i, tau, m_i * e(PK1, tau)^r_i), one for each of the image's k messages.
 */
#ifndef MYELIN_SCHEME_ENC_H
#define MYELIN_SCHEME_ENC_H

#include "scheme/codeword.h"
#include "scheme/keygen.h"

/* Message e(g,h)^s. */
void enc_message(const struct scalar *s, struct gt *out_message);

/* `k` random messages: what the content key is made of (secret memory). */
void enc_random_messages(unsigned k, struct gt out_messages[]);

/* Encrypts `k` messages to `public_key`'s owner under the token, with fresh randomness. */
void enc(const struct public_key *public_key, const struct g2 *tau, const struct gt messages[],
         unsigned k, struct ciphertext out[]);

/* Enc without its randomness: r[i] is message i's. Never use an r twice. */
void enc_with_randomness(const struct public_key *public_key, const struct g2 *tau,
                         const struct gt messages[], const struct scalar r[], unsigned k,
                         struct ciphertext out[]);

/* The absent block (0, 1, tau, 1): stands in Encode for a ciphertext that a storage server did not
 * get; its coefficient is 0. It exists in memory only: its bytes do not parse. */
void enc_absent(const struct g2 *tau, struct ciphertext *out);

#endif
