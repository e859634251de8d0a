/*
 * Lagrange interpolation at zero, in the field and in the exponent.
 */
#ifndef MYELIN_SCHEME_LAGRANGE_H
#define MYELIN_SCHEME_LAGRANGE_H

#include "group/scalar.h"

/* lambda_i = prod j / (j - i) over the other indices j. INVALID where an index is 0, above 255 or
 * there twice. */
MUST_CHECK result lagrange_at_zero(const uint32_t indices[], size_t count,
                                   struct scalar out_lambda[]);

#endif
