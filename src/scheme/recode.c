#include "scheme/recode.h"

#include <stdlib.h>

#include "scheme/matrix.h"
#include "scheme/product.h"
#include "scheme/setup.h"

static result check_inputs(const struct codeword_symbol *const symbols[], unsigned k) {
    for (unsigned j = 0; j < k; j++) {
        if (symbols[j]->k != k)
            return FAIL(INVALID, "symbol %u: %u coefficients, expected %u", j, symbols[j]->k, k);
        if (symbols[j]->value.b != 0)
            return FAIL(INVALID, "symbol %u: re-encrypted, nothing can be rebuilt from it", j);
        if (!g2_equal(&symbols[j]->value.beta, &symbols[0]->value.beta))
            return FAIL(INVALID, "symbol %u: its token is another image's", j);
    }
    return OK;
}

/* x with x K = c: K transposed, beside c, reduced. */
static result solve(const struct codeword_symbol *const symbols[], unsigned k,
                    const struct scalar coefficients[], struct scalar out_x[]) {
    if (k < 1 || k > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "%u symbols", k);
    const size_t columns = (size_t)k + 1;
    struct scalar *matrix = calloc(k * columns, sizeof *matrix);
    if (matrix == NULL)
        return FAIL(NO_MEMORY, "no memory for %u rows of coefficients", k);
    for (unsigned i = 0; i < k; i++) {
        for (unsigned j = 0; j < k; j++)
            matrix[i * columns + j] = symbols[j]->coefficients[i];
        matrix[i * columns + k] = coefficients[i];
    }
    result reduced = matrix_reduce(matrix, k, columns);
    for (unsigned j = 0; reduced == OK && j < k; j++)
        out_x[j] = matrix[j * columns + k];
    free(matrix);
    return reduced;
}

result recode(const struct codeword_symbol *const symbols[], unsigned k,
              const struct scalar coefficients[], struct codeword_symbol *out) {
    *out = (struct codeword_symbol){0};
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    struct scalar x[SCHEME_MAX_SERVERS];
    const struct ciphertext *values[SCHEME_MAX_SERVERS];
    TRY(codeword_symbol_new(k, &symbol));
    TRY(check_inputs(symbols, k));
    TRY(solve(symbols, k, coefficients, x));
    for (unsigned i = 0; i < k; i++) {
        values[i] = &symbols[i]->value;
        symbol.coefficients[i] = coefficients[i];
    }
    symbol.value.beta = symbols[0]->value.beta;
    TRY(product_of_powers(values, x, k, &symbol.value.alpha, &symbol.value.gamma));
    *out = symbol;
    symbol = (struct codeword_symbol){0};
    return OK;
}
