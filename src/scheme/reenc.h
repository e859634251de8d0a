/*
 * ReEnc: C'' = (1, alpha, rk1, gamma * e(alpha, rk2)), at a storage server. One pairing, with the
 * part that depends on rk2 alone done once for the forward.
 */
#ifndef MYELIN_SCHEME_REENC_H
#define MYELIN_SCHEME_REENC_H

#include "group/pairing.h"
#include "scheme/codeword.h"
#include "scheme/rekeygen.h"

/* A re-encryption key made ready; about 20 KiB, for the stack or the heap, shared between threads.
 */
struct reenc_key {
    struct g2 rk1;
    struct pairing_lines rk2;
};

/* rk1 as it is, and the lines of rk2. */
void reenc_prepare(const struct rekey *rekey, struct reenc_key *out);

/* Re-encrypts one ciphertext or codeword symbol's value; coefficients stay as they are. INVALID
 * where it is re-encrypted already (b = 1). */
MUST_CHECK result reenc(const struct reenc_key *key, const struct ciphertext *value,
                        struct ciphertext *out);

#endif
