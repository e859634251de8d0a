/*
 * Encode: C' = (0, prod alpha_i^c_i, tau, prod gamma_i^c_i), one storage server's codeword symbol,
 * by that server itself (`blocks`) or by the owner (`symbols`).
 */
#ifndef MYELIN_SCHEME_ENCODE_H
#define MYELIN_SCHEME_ENCODE_H

#include "scheme/codeword.h"

/* Random coefficients in [1, r); 0 where `present` says that the block is absent. `present` may be
 * NULL: all are there. */
void encode_coefficients(const bool present[], unsigned k, struct scalar out_coefficients[]);

/* The codeword symbol of `k` ciphertexts under `coefficients`; absent blocks are enc_absent's.
 * INVALID where a ciphertext has b = 1 or another tau, where an absent block's coefficient is not
 * 0, or where all coefficients are 0; NO_MEMORY. */
MUST_CHECK result encode(const struct ciphertext ciphertexts[], const struct scalar coefficients[],
                         unsigned k, struct codeword_symbol *out);

#endif
