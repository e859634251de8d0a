/*
 * Lagrange interpolation, in the field and in the exponent.
 */
#ifndef MYELIN_SCHEME_LAGRANGE_H
#define MYELIN_SCHEME_LAGRANGE_H

#include "group/scalar.h"

/* lambda_i = prod j / (j - i) over the other indices j. INVALID where an index is 0, above 255 or
 * there twice. */
MUST_CHECK result lagrange_at_zero(const uint32_t indices[], size_t count,
                                   struct scalar out_lambda[]);

/* The same for the value at `point`, which may be 0: lambda_i = prod (j - point) / (j - i). */
MUST_CHECK result lagrange_at(uint32_t point, const uint32_t indices[], size_t count,
                              struct scalar out_lambda[]);

#endif
