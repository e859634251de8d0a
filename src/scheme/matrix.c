#include "scheme/matrix.h"

#include <stdlib.h>
#include <string.h>

/* row *= factor */
static void scale(struct scalar row[], size_t columns, const struct scalar *factor) {
    for (size_t i = 0; i < columns; i++)
        scalar_mul(&row[i], factor, &row[i]);
}

/* row -= factor * other */
static void subtract(struct scalar row[], const struct scalar other[], size_t columns,
                     const struct scalar *factor) {
    for (size_t i = 0; i < columns; i++) {
        struct scalar product;
        scalar_mul(factor, &other[i], &product);
        scalar_sub(&row[i], &product, &row[i]);
    }
}

static void swap_rows(struct scalar a[], struct scalar b[], size_t columns) {
    for (size_t i = 0; i < columns; i++) {
        struct scalar kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

result matrix_reduce(struct scalar matrix[], size_t k, size_t columns) {
    for (size_t pivot = 0; pivot < k; pivot++) {
        struct scalar *pivot_row = matrix + pivot * columns;
        size_t found = pivot;
        while (found < k && scalar_is_zero(&matrix[found * columns + pivot]))
            found++;
        if (found == k)
            return FAIL(CRYPTO,
                        "the coefficients of the %zu codeword symbols are not independent: "
                        "another symbol is needed",
                        k);
        if (found != pivot)
            swap_rows(pivot_row, matrix + found * columns, columns);
        struct scalar inverse;
        scalar_inverse(&pivot_row[pivot], &inverse);
        scale(pivot_row, columns, &inverse);
        for (size_t row = 0; row < k; row++) {
            struct scalar factor = matrix[row * columns + pivot];
            if (row != pivot && !scalar_is_zero(&factor))
                subtract(matrix + row * columns, pivot_row, columns, &factor);
        }
    }
    return OK;
}

result matrix_span_new(size_t k, struct matrix_span *out) {
    *out = (struct matrix_span){
        .k = k, .rows = calloc(k * k, sizeof *out->rows), .pivots = calloc(k, sizeof *out->pivots)};
    if (out->rows != NULL && out->pivots != NULL)
        return OK;
    matrix_span_free(out);
    return FAIL(NO_MEMORY, "no memory for %zu rows of coefficients", k);
}

void matrix_span_free(struct matrix_span *span) {
    free(span->rows);
    free(span->pivots);
    *span = (struct matrix_span){0};
}

bool matrix_span_add(struct matrix_span *span, const struct scalar row[]) {
    if (span->rank == span->k)
        return false;
    struct scalar *fresh = span->rows + span->rank * span->k;
    memcpy(fresh, row, span->k * sizeof *fresh);
    for (size_t i = 0; i < span->rank; i++) {
        struct scalar factor = fresh[span->pivots[i]];
        if (!scalar_is_zero(&factor))
            subtract(fresh, span->rows + i * span->k, span->k, &factor);
    }
    for (size_t column = 0; column < span->k; column++) {
        if (scalar_is_zero(&fresh[column]))
            continue;
        struct scalar inverse;
        scalar_inverse(&fresh[column], &inverse);
        scale(fresh, span->k, &inverse);
        span->pivots[span->rank++] = column;
        return true;
    }
    return false;
}

void matrix_span_drop(struct matrix_span *span) {
    if (span->rank > 0)
        span->rank--;
}
