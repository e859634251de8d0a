/*
 * Linear algebra modulo r on public coefficients.
 */
#ifndef MYELIN_SCHEME_MATRIX_H
#define MYELIN_SCHEME_MATRIX_H

#include "group/scalar.h"

/* Gauss-Jordan on `k` rows of `columns` >= k scalars, row after row, in place: the left k x k part
 * becomes the identity. CRYPTO where it is singular. */
MUST_CHECK result matrix_reduce(struct scalar matrix[], size_t k, size_t columns);

/* Rows met so far, reduced: which of further ones are independent of them. */
struct matrix_span {
    size_t k, rank;
    struct scalar *rows; /* rank rows of k, each with a leading 1 */
    size_t *pivots;      /* where each row's leading 1 stands */
};

#define AUTO_SPAN __attribute__((cleanup(matrix_span_free)))
/* For rows of `k` scalars, none yet. NO_MEMORY. */
MUST_CHECK result matrix_span_new(size_t k, struct matrix_span *out);
void matrix_span_free(struct matrix_span *span);

/* Adds `row` (k scalars) where it is independent; whether it was. */
bool matrix_span_add(struct matrix_span *span, const struct scalar row[]);

/* Takes the row that was added last back. */
void matrix_span_drop(struct matrix_span *span);

#endif
