/*
 * ShareDec: key server j's partial D_j = beta^f1(j) for an owner's envelope (b = 0), beta^f2(j) for
 * one re-encrypted to a recipient (b = 1). Only key servers link this file.
 *
 * The proof that D_j is right is Chaum and Pedersen's discrete-log equality, made non-interactive:
 * with (B, Y) = (g, g^f1(j)) or (PK2, PK2^f2(j)), Y from the commitments,
 *     T1 = B^w, T2 = beta^w, c = H(b, j, B, Y, beta, D_j, T1, T2), z = w + c s
 * with H = scalar_hash under "MYELIN-V1-PARTIAL"; its bytes are c || z. For b = 0 the two bases are
 * in different groups of the same prime order, which the proof does not mind.
 */
#ifndef MYELIN_SCHEME_SHARE_DEC_H
#define MYELIN_SCHEME_SHARE_DEC_H

#include "scheme/partial.h"
#include "scheme/share_keygen.h"

/* The partial of `share` for an envelope with this b and beta; all codeword symbols of an envelope
 * share them. Constant time. INVALID for a b other than 0 and 1. */
MUST_CHECK result share_dec(const struct key_share *share, uint32_t b, const struct g2 *beta,
                            struct partial *out);

/* Proves `partial`, which share_dec made of the same arguments. `public_key` is the share's
 * owner's: the envelope's owner for b = 0, the recipient for b = 1. INVALID as share_dec. */
MUST_CHECK result share_dec_prove(const struct key_share *share,
                                  const struct public_key *public_key, uint32_t b,
                                  const struct g2 *beta, const struct partial *partial,
                                  uint8_t out_proof[PARTIAL_PROOF_BYTES]);

#endif
