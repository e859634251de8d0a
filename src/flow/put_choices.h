/*
 * Whether any k of n storage servers decode.
 *
 * Servers are added one by one, in the order of their slots, so that one whose coefficients do not
 * fit to those before can be given others. Every choice of k of them is tried where that is
 * possible: where at most CHOICES_OF_ONE of them hold a certain server, for random rows over
 * GF(2^8) fail one in 256 of these, and a server would have to draw forever; and where C(n, k) k^2
 * is at most CHOICES_WORK. Else it is a random sample of choices: CHOICES_SAMPLE, or CHOICES_MEMORY
 * / k^2 where that is less, but at least CHOICES_SAMPLE_LEAST.
 */
#ifndef MYELIN_FLOW_PUT_CHOICES_H
#define MYELIN_FLOW_PUT_CHOICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "code/span.h"
#include "scheme/matrix.h"

enum {
    CHOICES_OF_ONE = 6 * 256,
    CHOICES_WORK = 1 << 19,
    CHOICES_SAMPLE = 1024,
    CHOICES_MEMORY = 1 << 19,
    CHOICES_SAMPLE_LEAST = 4,
};

struct put_choices {
    unsigned n, k;
    bool is_all;
    size_t count;                 /* of choices in the sample */
    uint8_t *samples;             /* count x k slots, each choice ascending */
    struct code_span *bulk;       /* of each choice: its slots' rows so far; one for all choices */
    struct matrix_span *envelope; /* likewise */
};

#define AUTO_PUT_CHOICES __attribute__((cleanup(put_choices_clean_up)))
/* 1 <= k <= n <= 255. NO_MEMORY. */
MUST_CHECK result put_choices_init(unsigned n, unsigned k, struct put_choices *out_choices);
void put_choices_clean_up(struct put_choices *choices);

/* Adds slot's row, after those of all lower slots. OK where every choice of them still can decode;
 * CRYPTO, and nothing is added, where one cannot. Bulk: `rows` is n x k over GF(2^8). Envelope:
 * `rows[slot]` are k scalars. */
MUST_CHECK result put_choices_add_bulk(struct put_choices *choices, unsigned slot,
                                       const uint8_t rows[]);
MUST_CHECK result put_choices_add_envelope(struct put_choices *choices, unsigned slot,
                                           const struct scalar *const rows[]);

/* All slots' rows over GF(2^8) are to be added anew. */
void put_choices_forget_bulk(struct put_choices *choices);

#endif
