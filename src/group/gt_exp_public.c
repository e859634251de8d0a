/*
 * Exponentiation in GT for public exponents: signed windows over the four digits, and one chain of
 * squarings for a whole group of bases. Inverses are conjugates, so half the tables are free, and
 * the tables of base^(u^i) are Frobenius maps of the table of base.
 */
#include <string.h>

#include "group/blst_access.h"
#include "group/gt_exp.h"

enum {
    WINDOW = 4,                     /* digits are odd and below 2^(WINDOW - 1) in size */
    ODD_POWERS = 1 << (WINDOW - 2), /* 1, 3, 5, 7 */
    POSITIONS = GT_DIGIT_BITS + 1,  /* a recoded digit may grow by one position */
    GROUP = 4                       /* bases that share squarings: 37 KiB of tables */
};

/* One base made ready: odd powers of base^(u^i), and the exponent's digits recoded. */
struct prepared {
    struct gt odd[GT_DIGITS][ODD_POWERS];
    int8_t naf[GT_DIGITS][POSITIONS];
};

/* Width-w non-adjacent form of a digit below u; 2^64 - u is large, so that nothing overflows. */
static void recode(uint64_t digit, int8_t out_naf[POSITIONS]) {
    memset(out_naf, 0, POSITIONS);
    for (size_t i = 0; digit != 0; i++, digit >>= 1) {
        if ((digit & 1) == 0)
            continue;
        int window = (int)(digit & ((1 << WINDOW) - 1));
        if (window >= 1 << (WINDOW - 1))
            window -= 1 << WINDOW;
        digit -= (uint64_t)(int64_t)window;
        out_naf[i] = (int8_t)window;
    }
}

static void prepare(const struct gt *base, const struct scalar *exponent, struct prepared *out) {
    struct gt square;
    blst_fp12_cyclotomic_sqr(fp12_of(&square), fp12_in(base));
    out->odd[0][0] = *base;
    for (size_t i = 1; i < ODD_POWERS; i++)
        gt_mul(&out->odd[0][i - 1], &square, &out->odd[0][i]);
    for (unsigned digit = 1; digit < GT_DIGITS; digit++)
        for (size_t i = 0; i < ODD_POWERS; i++)
            gt_exp_map(&out->odd[0][i], digit, &out->odd[digit][i]);
    uint64_t e[4], digits[GT_DIGITS];
    gt_exp_limbs(exponent, e);
    gt_exp_split(e, digits);
    for (size_t digit = 0; digit < GT_DIGITS; digit++)
        recode(digits[digit], out->naf[digit]);
}

static void multiply_position(const struct prepared *prepared, size_t position, struct gt *power) {
    for (size_t digit = 0; digit < GT_DIGITS; digit++) {
        int value = prepared->naf[digit][position];
        if (value > 0) {
            gt_mul(power, &prepared->odd[digit][value / 2], power);
        } else if (value < 0) {
            struct gt inverse;
            gt_inverse(&prepared->odd[digit][-value / 2], &inverse);
            gt_mul(power, &inverse, power);
        }
    }
}

static void multi_exp_group(const struct gt bases[], const struct scalar exponents[], size_t count,
                            struct gt *out) {
    struct prepared prepared[GROUP];
    for (size_t i = 0; i < count; i++)
        prepare(&bases[i], &exponents[i], &prepared[i]);
    gt_identity(out);
    for (size_t position = POSITIONS; position-- > 0;) {
        if (position < POSITIONS - 1)
            blst_fp12_cyclotomic_sqr(fp12_of(out), fp12_of(out));
        for (size_t i = 0; i < count; i++)
            multiply_position(&prepared[i], position, out);
    }
}

void gt_multi_exp_public(const struct gt bases[], const struct scalar exponents[], size_t count,
                         struct gt *out) {
    struct gt product;
    gt_identity(&product);
    for (size_t done = 0; done < count; done += GROUP) {
        struct gt part;
        size_t here = count - done < GROUP ? count - done : GROUP;
        multi_exp_group(bases + done, exponents + done, here, &part);
        gt_mul(&product, &part, &product);
    }
    *out = product;
}

void gt_exp_public(const struct gt *base, const struct scalar *exponent, struct gt *out) {
    gt_multi_exp_public(base, exponent, 1, out);
}
