/*
 * Whether any k of n storage servers decode: every choice of k is tried where there are no more
 * than CHOICES_ALL of them, else a random sample of CHOICES_SAMPLE choices, or fewer for a k above
 * 40: 2^26 / k^3, at least CHOICES_SAMPLE_LEAST.
 *
 * Servers are added one by one, in the order of their slots, so that one whose coefficients do not
 * fit to those before can be given others.
 */
#ifndef MYELIN_FLOW_PUT_CHOICES_H
#define MYELIN_FLOW_PUT_CHOICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "group/scalar.h"

enum { CHOICES_ALL = 2048, CHOICES_SAMPLE = 1024, CHOICES_SAMPLE_LEAST = 4 };

struct put_choices {
    unsigned n, k;
    bool is_all;
    size_t count;     /* of choices */
    uint8_t *samples; /* unless all: count x k slots, each choice ascending */
};

#define AUTO_PUT_CHOICES __attribute__((cleanup(put_choices_clean_up)))
/* 1 <= k <= n <= 255. NO_MEMORY. */
MUST_CHECK result put_choices_init(unsigned n, unsigned k, struct put_choices *out_choices);
void put_choices_clean_up(struct put_choices *choices);

/* OK where every choice in which `slot` is the highest decodes, CRYPTO where one does not;
 * NO_MEMORY. Bulk: `rows` is n x k over GF(2^8). Envelope: `rows[slot]` are k scalars. Slots above
 * `slot` are not looked at. */
MUST_CHECK result put_choices_check_bulk(const struct put_choices *choices, unsigned slot,
                                         const uint8_t rows[]);
MUST_CHECK result put_choices_check_envelope(const struct put_choices *choices, unsigned slot,
                                             const struct scalar *const rows[]);

#endif
