#include "count.h"

#include <blst.h>

#include "group/pairing.h"

const char *const count_names[COUNT_KINDS] = {
    [COUNT_MILLER] = "miller",
    [COUNT_FINAL] = "final",
    [COUNT_LINES] = "lines",
    [COUNT_G1] = "g1",
    [COUNT_G2] = "g2",
    [COUNT_GT] = "gt",
    [COUNT_G1_TERMS] = "g1_terms",
    [COUNT_G2_TERMS] = "g2_terms",
    [COUNT_GT_TERMS] = "gt_terms",
    [COUNT_G1_SMALL] = "g1_small",
    [COUNT_G2_SMALL] = "g2_small",
    [COUNT_HASH] = "hash",
};

uint64_t counts[COUNT_KINDS];

/* Defines __wrap_NAME, which every call of NAME from another file reaches, as a count and the call
 * of NAME itself. */
#define COUNTED(type, name, kind, amount, parameters, arguments)                                   \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        counts[kind] += (amount);                                                                  \
        return __real_##name arguments;                                                            \
    }

/* clang-format off */
COUNTED(void, blst_miller_loop, COUNT_MILLER, 1,
        (blst_fp12 *ret, const blst_p2_affine *q, const blst_p1_affine *p), (ret, q, p))
COUNTED(void, blst_miller_loop_lines, COUNT_MILLER, 1,
        (blst_fp12 *ret, const blst_fp6 *lines, const blst_p1_affine *p), (ret, lines, p))
COUNTED(void, blst_precompute_lines, COUNT_LINES, 1,
        (blst_fp6 *lines, const blst_p2_affine *q), (lines, q))
COUNTED(void, blst_final_exp, COUNT_FINAL, 1, (blst_fp12 *ret, const blst_fp12 *f), (ret, f))

COUNTED(void, g1_exp, COUNT_G1, 1,
        (const struct g1 *b, const struct scalar *e, struct g1 *o), (b, e, o))
COUNTED(void, g1_exp_generator, COUNT_G1, 1, (const struct scalar *e, struct g1 *o), (e, o))
COUNTED(void, g1_exp_small_public, COUNT_G1_SMALL, 1,
        (const struct g1 *b, uint8_t e, struct g1 *o), (b, e, o))
COUNTED(result, g1_multi_exp_public, COUNT_G1_TERMS, n,
        (const struct g1 b[], const struct scalar e[], size_t n, struct g1 *o), (b, e, n, o))

COUNTED(void, g2_exp, COUNT_G2, 1,
        (const struct g2 *b, const struct scalar *e, struct g2 *o), (b, e, o))
COUNTED(void, g2_exp_generator, COUNT_G2, 1, (const struct scalar *e, struct g2 *o), (e, o))
COUNTED(void, g2_exp_small_public, COUNT_G2_SMALL, 1,
        (const struct g2 *b, uint8_t e, struct g2 *o), (b, e, o))
COUNTED(result, g2_multi_exp_public, COUNT_G2_TERMS, n,
        (const struct g2 b[], const struct scalar e[], size_t n, struct g2 *o), (b, e, n, o))

COUNTED(void, gt_exp, COUNT_GT, 1,
        (const struct gt *b, const struct scalar *e, struct gt *o), (b, e, o))
COUNTED(void, gt_exp_generator, COUNT_GT, 1, (const struct scalar *e, struct gt *o), (e, o))
COUNTED(void, gt_exp_public, COUNT_GT, 1,
        (const struct gt *b, const struct scalar *e, struct gt *o), (b, e, o))
COUNTED(void, gt_multi_exp_public, COUNT_GT_TERMS, n,
        (const struct gt b[], const struct scalar e[], size_t n, struct gt *o), (b, e, n, o))

COUNTED(void, scalar_hash, COUNT_HASH, 1,
        (const char *domain, struct view message, struct scalar *o), (domain, message, o))
