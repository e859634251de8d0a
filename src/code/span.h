/*
 * Rows over GF(2^8), one by one: which are independent of those before. It is how choices of k rows
 * out of many are tried, since the last row can be taken back.
 */
#ifndef MYELIN_CODE_SPAN_H
#define MYELIN_CODE_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

/* Rows met so far, each reduced by those before it. */
struct code_span {
    unsigned k, rank;
    uint8_t *rows;   /* rank rows of k bytes, each with a leading 1 at its pivot */
    uint8_t *pivots; /* where */
};

#define AUTO_CODE_SPAN __attribute__((cleanup(code_span_clean_up)))
MUST_CHECK result code_span_init(unsigned k, struct code_span *out_span); /* INVALID, NO_MEMORY */
void code_span_clean_up(struct code_span *span);

/* Adds `row` (k bytes) where it is independent; whether it was. */
bool code_span_add(struct code_span *span, const uint8_t row[]);

/* Takes the row that was added last back. */
void code_span_drop(struct code_span *span);

#endif
