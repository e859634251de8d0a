/*
 * Recode: a lost codeword symbol of an envelope from any k others, in the exponent and without any
 * key. A symbol is prod C_i^c_i, so with x K = c, K's rows being the k symbols' coefficients and c
 * the lost one's, prod (symbol_j)^x_j is the very same group elements that were lost.
 */
#ifndef MYELIN_SCHEME_RECODE_H
#define MYELIN_SCHEME_RECODE_H

#include "scheme/codeword.h"

/* The symbol with `coefficients` (k of them, not all 0) from exactly k original symbols of one
 * envelope, checked by whoever calls. CRYPTO, asking for another symbol, where their coefficients
 * are not independent; INVALID where one is re-encrypted or of another k or tau; NO_MEMORY. */
MUST_CHECK result recode(const struct codeword_symbol *const symbols[], unsigned k,
                         const struct scalar coefficients[], struct codeword_symbol *out);

#endif
