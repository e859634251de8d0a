/*
 * Samples with one thing broken. Include after cmocka.h.
 */
#ifndef MYELIN_TESTS_FORMAT_BREACHES_H
#define MYELIN_TESTS_FORMAT_BREACHES_H

#include "format_checks.h"

/* A fresh sample, broken by a statement on `m`, is refused with that text. */
#define REFUSES(type, sample, breach, text)                                                        \
    do {                                                                                           \
        type m = sample;                                                                           \
        breach;                                                                                    \
        expect_refused(&m, text);                                                                  \
    } while (0)
#define ACCEPTS(type, sample, change)                                                              \
    do {                                                                                           \
        type m = sample;                                                                           \
        change;                                                                                    \
        expect_accepted(&m);                                                                       \
    } while (0)

static char bad_name[] = "Alice", no_name[] = "";
static const uint64_t year_10000 = 253402300800000;

#endif
