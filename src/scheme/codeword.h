/*
 * The shape (b, alpha, beta, gamma) that Enc, Encode and ReEnc pass on, and codeword symbols.
 *
 *     b  beta         gamma
 *     0  tau          W * e(PK1_A, tau)^r'            sealed to its owner
 *     1  rk1          ... * e(alpha, rk2)             re-encrypted to a recipient
 * with alpha = g^r'.
 */
#ifndef MYELIN_SCHEME_CODEWORD_H
#define MYELIN_SCHEME_CODEWORD_H

#include "group/g1.h"
#include "group/g2.h"
#include "group/gt.h"

struct ciphertext {
    uint32_t b; /* 0 or 1 */
    struct g1 alpha;
    struct g2 beta;
    struct gt gamma;
};

/* What one storage server holds of an envelope: the product of the image's k ciphertexts, each to
 * the power of its coefficient. Freed with codeword_symbol_free. */
struct codeword_symbol {
    struct ciphertext value;
    unsigned k;
    struct scalar *coefficients; /* k of them, not all 0; public */
};

#define AUTO_SYMBOL __attribute__((cleanup(codeword_symbol_free)))
void codeword_symbol_free(struct codeword_symbol *symbol);

/* Room for k coefficients, all zero, and an unset value. INVALID for a k outside 1 to 255;
 * NO_MEMORY. */
MUST_CHECK result codeword_symbol_new(unsigned k, struct codeword_symbol *out);

/* From outside: b is 0 or 1; alpha 48, beta 96 and gamma 576 bytes, each validated as g1_parse,
 * g2_parse and gt_parse do, so none is the identity. PROTOCOL, naming "<field>: alpha" and so on.
 */
MUST_CHECK result ciphertext_parse(const char *field, uint32_t b, struct view alpha,
                                   struct view beta, struct view gamma, struct ciphertext *out);

/* As ciphertext_parse, with exactly k coefficients of 32 bytes that are not all zero. */
MUST_CHECK result codeword_symbol_parse(const char *field, uint32_t b, struct view alpha,
                                        struct view beta, struct view gamma,
                                        const struct view coefficients[], size_t coefficient_count,
                                        unsigned k, struct codeword_symbol *out);

/* The same values as fixed-length byte strings, for messages and records. */
struct ciphertext_bytes {
    uint8_t alpha[G1_BYTES];
    uint8_t beta[G2_BYTES];
    uint8_t gamma[GT_BYTES];
};
void ciphertext_to_bytes(const struct ciphertext *value, struct ciphertext_bytes *out);

#endif
