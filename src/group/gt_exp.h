/*
 * The four-dimensional split that gt_exp.c and gt_exp_public.c share.
 */
#ifndef MYELIN_GROUP_GT_EXP_H
#define MYELIN_GROUP_GT_EXP_H

#include "group/gt.h"

enum { GT_DIGITS = 4, GT_DIGIT_BITS = 64 };

/* e = digit[0] + digit[1] u + digit[2] u^2 + digit[3] u^3 with u = |x| and every digit below u, for
 * an integer e below u^4, least limb first. Constant time. */
void gt_exp_split(const uint64_t e[4], uint64_t out_digit[GT_DIGITS]);

/* base^u from base: u = -x, and x = p modulo r, so a Frobenius map and a conjugation. `power` is 1
 * to 3, for base^(u^power). */
void gt_exp_map(const struct gt *base, unsigned power, struct gt *out);

/* The exponent's value, least limb first. */
void gt_exp_limbs(const struct scalar *exponent, uint64_t out_limb[4]);

#endif
