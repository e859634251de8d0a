/*
 * prod alpha_j^x_j and prod gamma_j^x_j: what Encode and Combine both are at heart.
 */
#ifndef MYELIN_SCHEME_PRODUCT_H
#define MYELIN_SCHEME_PRODUCT_H

#include "scheme/codeword.h"

/* Over values[0..count-1] with public exponents x. NO_MEMORY. */
MUST_CHECK result product_of_powers(const struct ciphertext *const values[],
                                    const struct scalar x[], size_t count, struct g1 *out_alpha,
                                    struct gt *out_gamma);

#endif
