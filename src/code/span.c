#include "code/span.h"

#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

#include "code/code.h"

result code_span_init(unsigned k, struct code_span *out_span) {
    TRY(code_check(k, k));
    *out_span = (struct code_span){.k = k, .rows = malloc((size_t)k * k), .pivots = malloc(k)};
    if (out_span->rows != NULL && out_span->pivots != NULL)
        return OK;
    code_span_clean_up(out_span);
    return FAIL(NO_MEMORY, "no memory for %u rows of a code", k);
}

void code_span_clean_up(struct code_span *span) {
    free(span->rows);
    free(span->pivots);
    *span = (struct code_span){0};
}

static void subtract(uint8_t row[], const uint8_t other[], unsigned k, uint8_t factor) {
    for (unsigned i = 0; i < k; i++)
        row[i] ^= gf_mul(factor, other[i]);
}

bool code_span_add(struct code_span *span, const uint8_t row[]) {
    if (span->rank == span->k)
        return false;
    uint8_t *fresh = span->rows + (size_t)span->rank * span->k;
    memcpy(fresh, row, span->k);
    for (unsigned i = 0; i < span->rank; i++) {
        uint8_t factor = fresh[span->pivots[i]];
        if (factor != 0)
            subtract(fresh, span->rows + (size_t)i * span->k, span->k, factor);
    }
    unsigned pivot = 0;
    while (pivot < span->k && fresh[pivot] == 0)
        pivot++;
    if (pivot == span->k)
        return false;
    uint8_t inverse = gf_inv(fresh[pivot]);
    for (unsigned i = pivot; i < span->k; i++)
        fresh[i] = gf_mul(inverse, fresh[i]);
    span->pivots[span->rank++] = (uint8_t)pivot;
    return true;
}

void code_span_drop(struct code_span *span) {
    if (span->rank > 0)
        span->rank--;
}
