/*
 * Constant-time exponentiation in GT, for secret exponents.
 *
 * The first digit is made odd, and all four are recoded so that in every position the first is +1
 * or -1 and the others are 0 or of the same sign (GLV-SAC: Faz-Hernandez, Longa & Sanchez, CT-RSA
 * 2014). Every position then costs one squaring and one multiplication by an entry of an
 * eight-entry table, conjugated or not; the entry is read by scanning the whole table.
 */
#include "group/gt_exp.h"

#include <string.h>

#include "base/secret.h"
#include "group/blst_access.h"

enum { POSITIONS = GT_DIGIT_BITS + 1, TABLE_ENTRIES = 1 << (GT_DIGITS - 1) };

/* The exponent in sign-aligned form. */
struct recoded {
    uint8_t index[POSITIONS];    /* which of a^u, a^(u^2), a^(u^3) join a */
    uint8_t negative[POSITIONS]; /* whether the position's factor is inverted */
    uint8_t conjugate;           /* whether the whole power is */
};

static const uint64_t u = 0xd201000000010000; /* |x|, the curve's parameter */

static const uint64_t r[4] = {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805,
                              0x73eda753299d7d48};

/* All ones where bit is 1, all zeros where it is 0; the compiler must not turn it into a branch.
 * For the same reason bits are inverted with ~ here: GCC makes a comparison of (bit ^ 1). */
static uint64_t mask_of(uint64_t bit) {
    __asm__("" : "+r"(bit));
    return 0 - bit;
}

/* Divides the low `bits` bits of `n` by u, in place; gives the remainder. Bit by bit, because the
 * processor's division takes a time that depends on its operands. */
static uint64_t divide_by_u(uint64_t n[4], size_t bits) {
    uint64_t remainder = 0;
    for (size_t i = bits; i-- > 0;) {
        uint64_t carry = remainder >> 63;
        remainder = remainder << 1 | (n[i / 64] >> (i % 64) & 1);
        uint64_t difference = remainder - u;
        uint64_t borrow = ((~remainder & u) | ((~remainder | u) & difference)) >> 63;
        uint64_t fits = carry | (~borrow & 1);
        remainder -= u & mask_of(fits);
        n[i / 64] = (n[i / 64] & ~((uint64_t)1 << (i % 64))) | fits << (i % 64);
    }
    return remainder;
}

void gt_exp_split(const uint64_t e[4], uint64_t out_digit[GT_DIGITS]) {
    uint64_t quotient[4];
    memcpy(quotient, e, sizeof quotient);
    out_digit[0] = divide_by_u(quotient, 256);
    out_digit[1] = divide_by_u(quotient, 193); /* u^4 / u has 192 bits */
    out_digit[2] = divide_by_u(quotient, 129);
    out_digit[3] = quotient[0];
    secret_wipe(quotient, sizeof quotient);
}

void gt_exp_map(const struct gt *base, unsigned power, struct gt *out) {
    blst_fp12_frobenius_map(fp12_of(out), fp12_in(base), power);
    if (power % 2 == 1)
        blst_fp12_conjugate(fp12_of(out));
}

void gt_exp_limbs(const struct scalar *exponent, uint64_t out_limb[4]) {
    blst_uint64_from_fr(out_limb, fr_in(exponent));
}

/* An even e becomes r - e, which is odd; true (1) where that happened. Zero becomes r. */
static uint8_t make_odd(uint64_t e[4]) {
    uint64_t even = mask_of(~e[0] & 1);
    uint64_t borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned __int128 difference = (unsigned __int128)r[i] - e[i] - borrow;
        borrow = (uint64_t)(difference >> 64) & 1;
        e[i] = ((uint64_t)difference & even) | (e[i] & ~even);
    }
    return (uint8_t)(even & 1);
}

static void recode(const struct scalar *exponent, struct recoded *out) {
    uint64_t e[4], digit[GT_DIGITS];
    gt_exp_limbs(exponent, e);
    out->conjugate = make_odd(e);
    gt_exp_split(e, digit); /* u is even, so the first digit is odd where e is */
    uint64_t minus = ~(digit[0] >> 1);
    for (size_t i = 0; i < POSITIONS; i++) {
        uint64_t negative = i < POSITIONS - 1 ? minus >> i & 1 : 0;
        uint64_t index = 0;
        for (size_t j = 1; j < GT_DIGITS; j++) {
            uint64_t bit = digit[j] & 1;
            index |= bit << (j - 1);
            digit[j] = (digit[j] >> 1) + (bit & negative);
        }
        out->index[i] = (uint8_t)index;
        out->negative[i] = (uint8_t)negative;
    }
    secret_wipe(e, sizeof e);
    secret_wipe(digit, sizeof digit);
}

/* Entry i: base times those of base^u, base^(u^2), base^(u^3) whose bits stand in i. */
static void make_table(const struct gt *base, struct gt out_table[TABLE_ENTRIES]) {
    out_table[0] = *base;
    for (unsigned power = 1; power < GT_DIGITS; power++) {
        struct gt mapped;
        gt_exp_map(base, power, &mapped);
        size_t half = (size_t)1 << (power - 1);
        for (size_t i = 0; i < half; i++)
            gt_mul(&out_table[i], &mapped, &out_table[half + i]);
    }
}

static void select_entry(const struct gt table[TABLE_ENTRIES], uint8_t index, struct gt *out) {
    memset(out, 0, sizeof *out);
    for (uint64_t i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t same = mask_of(((i ^ index) - 1) >> 63);
        for (size_t limb = 0; limb < sizeof out->limb / sizeof out->limb[0]; limb++)
            out->limb[limb] |= table[i].limb[limb] & same;
    }
}

/* The conjugate, which in GT is the inverse, where `flag` is 1: the Fp6 half above is negated. */
static void conjugate_where(uint8_t flag, struct gt *element) {
    for (size_t i = 0; i < 3; i++) {
        blst_fp2 *fp2 = (blst_fp2 *)(element->limb + 36 + 12 * i);
        blst_fp2_cneg(fp2, fp2, flag);
    }
}

void gt_exp(const struct gt *base, const struct scalar *exponent, struct gt *out) {
    struct gt table[TABLE_ENTRIES], power, factor;
    struct recoded recoded;
    make_table(base, table);
    recode(exponent, &recoded);
    select_entry(table, recoded.index[POSITIONS - 1], &power);
    for (size_t i = POSITIONS - 1; i-- > 0;) {
        blst_fp12_cyclotomic_sqr(fp12_of(&power), fp12_of(&power));
        select_entry(table, recoded.index[i], &factor);
        conjugate_where(recoded.negative[i], &factor);
        gt_mul(&power, &factor, &power);
    }
    conjugate_where(recoded.conjugate, &power);
    *out = power;
    secret_wipe(&recoded, sizeof recoded);
    secret_wipe(table, sizeof table);
    gt_wipe(&power);
    gt_wipe(&factor);
}

void gt_exp_generator(const struct scalar *exponent, struct gt *out) {
    struct gt generator;
    gt_generator(&generator);
    gt_exp(&generator, exponent, out);
}
