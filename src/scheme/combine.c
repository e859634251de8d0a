#include "scheme/combine.h"

#include <stdlib.h>

#include "base/secret.h"
#include "scheme/lagrange.h"
#include "scheme/matrix.h"
#include "scheme/product.h"
#include "scheme/setup.h"

static void scalars_free(struct scalar **scalars) {
    free(*scalars);
}
#define AUTO_SCALARS __attribute__((cleanup(scalars_free)))

static result scalars_new(size_t count, struct scalar **out) {
    *out = calloc(count, sizeof **out);
    return *out != NULL ? OK : FAIL(NO_MEMORY, "no memory for %zu scalars", count);
}

static result check_k(unsigned k) {
    if (k < 1 || k > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "k = %u: between 1 and %d are possible", k, SCHEME_MAX_SERVERS);
    return OK;
}

result combine_partials(const struct partial partials[], size_t count, unsigned t,
                        struct g2 *out_d) {
    if (t < 1 || t > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "t = %u: between 1 and %d are possible", t, SCHEME_MAX_SERVERS);
    if (count < t)
        return FAIL(QUORUM, "%zu partials, %u are needed", count, t);
    uint32_t indices[SCHEME_MAX_SERVERS];
    struct scalar lambda[SCHEME_MAX_SERVERS];
    struct g2 d[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < t; i++) {
        indices[i] = partials[i].j;
        d[i] = partials[i].d;
    }
    result combined = lagrange_at_zero(indices, t, lambda);
    if (combined == OK)
        combined = g2_multi_exp_public(d, lambda, t, out_d);
    secret_wipe(d, sizeof d);
    return combined;
}

/* Whether all symbols are of one envelope. */
static result check_symbols(const struct codeword_symbol *const symbols[], size_t count,
                            unsigned k) {
    for (size_t i = 0; i < count; i++) {
        if (symbols[i]->k != k)
            return FAIL(INVALID, "codeword symbol %zu: %u coefficients, expected k = %u", i,
                        symbols[i]->k, k);
        if (symbols[i]->value.b != symbols[0]->value.b ||
            !g2_equal(&symbols[i]->value.beta, &symbols[0]->value.beta))
            return FAIL(INVALID, "codeword symbol %zu: of another envelope than the first", i);
    }
    return OK;
}

result combine_choose(const struct codeword_symbol *const symbols[], size_t count, unsigned k,
                      size_t out_chosen[]) {
    TRY(check_k(k));
    if (count < k)
        return FAIL(QUORUM, "%zu codeword symbols, %u are needed", count, k);
    TRY(check_symbols(symbols, count, k));
    AUTO_SPAN struct matrix_span span = {0};
    TRY(matrix_span_new(k, &span));
    for (size_t i = 0; i < count && span.rank < k; i++)
        if (matrix_span_add(&span, symbols[i]->coefficients))
            out_chosen[span.rank - 1] = i;
    if (span.rank < k)
        return FAIL(CRYPTO,
                    "only %zu of %zu codeword symbols are independent, %u are needed: "
                    "another symbol is needed",
                    span.rank, count, k);
    return OK;
}

/* prod gamma_j^x_j / e(prod alpha_j^x_j, D). */
static result combine_row(const struct codeword_symbol *const symbols[], const struct scalar x[],
                          unsigned k, const struct pairing_lines *d, struct gt *out) {
    const struct ciphertext *values[SCHEME_MAX_SERVERS];
    for (unsigned j = 0; j < k; j++)
        values[j] = &symbols[j]->value;
    struct g1 alpha;
    AUTO_GT struct gt mask;
    TRY(product_of_powers(values, x, k, &alpha, out));
    pairing_prepared(&alpha, d, &mask);
    gt_inverse(&mask, &mask);
    gt_mul(out, &mask, out);
    return OK;
}

result combine_messages(const struct codeword_symbol *const symbols[], unsigned k,
                        const struct g2 *d, struct gt out_messages[]) {
    TRY(check_k(k));
    TRY(check_symbols(symbols, k, k));
    size_t columns = 2 * (size_t)k;
    AUTO_SCALARS struct scalar *matrix = NULL; /* K and the identity, side by side */
    TRY(scalars_new(k * columns, &matrix));
    for (size_t row = 0; row < k; row++) {
        for (size_t column = 0; column < k; column++)
            matrix[row * columns + column] = symbols[row]->coefficients[column];
        scalar_from_u64(1, &matrix[row * columns + k + row]);
    }
    TRY(matrix_reduce(matrix, k, columns));
    AUTO_LINES struct pairing_lines lines;
    pairing_prepare(d, &lines);
    for (size_t i = 0; i < k; i++)
        TRY(combine_row(symbols, matrix + i * columns + k, k, &lines, &out_messages[i]));
    return OK;
}

result combine_product(const struct codeword_symbol *const symbols[], unsigned k,
                       const struct g2 *d, struct gt *out_product) {
    TRY(check_k(k));
    TRY(check_symbols(symbols, k, k));
    size_t columns = (size_t)k + 1;
    AUTO_SCALARS struct scalar *matrix = NULL; /* K transposed, and a column of ones */
    TRY(scalars_new(k * columns, &matrix));
    for (size_t row = 0; row < k; row++) {
        for (size_t column = 0; column < k; column++)
            matrix[row * columns + column] = symbols[column]->coefficients[row];
        scalar_from_u64(1, &matrix[row * columns + k]);
    }
    TRY(matrix_reduce(matrix, k, columns));
    struct scalar x[SCHEME_MAX_SERVERS];
    for (size_t j = 0; j < k; j++)
        x[j] = matrix[j * columns + k];
    AUTO_LINES struct pairing_lines lines;
    pairing_prepare(d, &lines);
    return combine_row(symbols, x, k, &lines, out_product);
}
