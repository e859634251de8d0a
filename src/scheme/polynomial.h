/*
 * Polynomials modulo r with secret coefficients: what shares are values of.
 */
#ifndef MYELIN_SCHEME_POLYNOMIAL_H
#define MYELIN_SCHEME_POLYNOMIAL_H

#include "group/scalar.h"

/* constant + higher[0] x + higher[1] x^2 + ... of degree t - 1, at a public x. Constant time. */
void polynomial_evaluate(const struct scalar *constant, const struct scalar higher[], unsigned t,
                         uint32_t x, struct scalar *out);

#endif
