/*
 * Room for one multi-exponentiation, for g1.c and g2.c: blst wants affine points and little-endian
 * exponents, and room to work in.
 */
#ifndef MYELIN_GROUP_TERMS_H
#define MYELIN_GROUP_TERMS_H

#include "group/blst_access.h"

struct terms {
    void *points;           /* blst_p1_affine or blst_p2_affine */
    blst_scalar *exponents; /* behind them, in the same block */
    limb_t *scratch;        /* likewise */
    size_t block_bytes;
    size_t count; /* terms there are so far */
};

#define AUTO_TERMS __attribute__((cleanup(terms_free)))

/* For up to `room` points of `point_bytes` each. NO_MEMORY. */
MUST_CHECK result terms_new(size_t room, size_t point_bytes, size_t scratch_bytes,
                            struct terms *out);

/* Wiped: the exponents are public, but what is raised may be key servers' partials. */
void terms_free(struct terms *terms);

#endif
