/*
 * Combine: the messages of an envelope from t partials and k codeword symbols.
 *
 *     D = prod D_j^lambda_j,  W_j = gamma_j / e(alpha_j, D),  m_i = prod_j W_j^(K^-1)_ij
 * where the rows of K are the symbols' coefficients. The product of all m_i, which is all that the
 * content key needs, takes one pairing: with x K = (1 .. 1),
 *     prod m_i = prod gamma_j^x_j / e(prod alpha_j^x_j, D).
 */
#ifndef MYELIN_SCHEME_COMBINE_H
#define MYELIN_SCHEME_COMBINE_H

#include "group/pairing.h"
#include "scheme/codeword.h"
#include "scheme/partial.h"

/* D from the first t of `count` partials: it opens the envelope, so keep it in an AUTO_G2. QUORUM
 * where there are fewer; INVALID for a zero or repeated index; NO_MEMORY. A wrong partial gives a
 * wrong D: the content key's commitment shows it, and partial_verify tells who lied. */
MUST_CHECK result combine_partials(const struct partial partials[], size_t count, unsigned t,
                                   struct g2 *out_d);

/* Picks k symbols with independent coefficients, first come first taken, out of `count` symbols of
 * one envelope: their positions into out_chosen[0..k-1]. QUORUM where count < k; INVALID where a
 * symbol has another k, b or beta than the first; CRYPTO, asking for another symbol, where fewer
 * than k are independent; NO_MEMORY. */
MUST_CHECK result combine_choose(const struct codeword_symbol *const symbols[], size_t count,
                                 unsigned k, size_t out_chosen[]);

/* All k messages from exactly k symbols (secret memory for `out_messages`). CRYPTO, asking for
 * another symbol, where their coefficient matrix is singular; INVALID as combine_choose;
 * NO_MEMORY. */
MUST_CHECK result combine_messages(const struct codeword_symbol *const symbols[], unsigned k,
                                   const struct g2 *d, struct gt out_messages[]);

/* The product of all k messages from exactly k symbols. Errors as combine_messages. */
MUST_CHECK result combine_product(const struct codeword_symbol *const symbols[], unsigned k,
                                  const struct g2 *d, struct gt *out_product);

#endif
