/*
 * The group and the scheme's steps, each beside the yardstick that it is promised against: GT
 * exponentiation beside plain square-and-multiply, re-encryption beside one plain pairing.
 *
 * All steps are measured in turn in every round, so that a disturbance of the machine meets them
 * alike; a ratio is the median over the rounds of the two times of one round. Exit 1 where a
 * promise is missed.
 */
#include <blst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "scheme/combine.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/reenc.h"
#include "scheme/share_dec.h"
#include "scheme/token.h"

enum { ROUNDS = 21, INPUTS = 16, K = 3 };

/* Inputs of all steps, fresh for each of INPUTS repetitions within a round. */
static struct {
    struct scalar exponent[INPUTS];
    struct gt gt[INPUTS], sink_gt;
    struct g1 g1[INPUTS], sink_g1;
    struct g2 g2[INPUTS], tau, sink_g2;
    struct ciphertext value[INPUTS], sink_value;
    struct ciphertext_bytes bytes;
    struct rekey rekey;
    struct reenc_key reenc_key;
    struct ciphertext blocks[K];
    struct codeword_symbol symbols[K];
    const struct codeword_symbol *symbol_pointers[K];
} in;

static void require(result code) {
    if (code == OK)
        return;
    fprintf(stderr, "group_bench: %s\n", error_text());
    exit(2);
}

/* What everybody writes first: 255 squarings, a multiplication for every one bit. */
static void plain_exp(size_t i) {
    uint8_t e[SCALAR_BYTES];
    blst_fp12 base, power;
    memcpy(&base, &in.gt[i], sizeof base);
    power = *blst_fp12_one();
    scalar_to_bytes(&in.exponent[i], e);
    for (size_t bit = 1; bit < 256; bit++) {
        blst_fp12_sqr(&power, &power);
        if (e[bit / 8] >> (7 - bit % 8) & 1)
            blst_fp12_mul(&power, &power, &base);
    }
    memcpy(&in.sink_gt, &power, sizeof power);
}

static void public_exp(size_t i) {
    gt_exp_public(&in.gt[i], &in.exponent[i], &in.sink_gt);
}

static void secret_exp(size_t i) {
    gt_exp(&in.gt[i], &in.exponent[i], &in.sink_gt);
}

static void multi_exp(size_t i) {
    gt_multi_exp_public(&in.gt[i % (INPUTS - K)], &in.exponent[i % (INPUTS - K)], K, &in.sink_gt);
}

static void plain_pairing(size_t i) {
    pairing(&in.value[i].alpha, &in.rekey.rk2, &in.sink_gt);
}

static void reencrypt(size_t i) {
    require(reenc(&in.reenc_key, &in.value[i], &in.sink_value));
}

static void prepare(size_t i) {
    (void)i;
    reenc_prepare(&in.rekey, &in.reenc_key);
}

static void exp_g1(size_t i) {
    g1_exp(&in.g1[i], &in.exponent[i], &in.sink_g1);
}

static void exp_g2(size_t i) {
    g2_exp(&in.g2[i], &in.exponent[i], &in.sink_g2);
}

static void encode_k(size_t i) {
    struct codeword_symbol symbol;
    require(encode(in.blocks, &in.exponent[i % (INPUTS - K)], K, &symbol));
    codeword_symbol_free(&symbol);
}

static void combine_k(size_t i) {
    (void)i;
    require(combine_product(in.symbol_pointers, K, &in.rekey.rk2, &in.sink_gt));
}

static void parse(size_t i) {
    (void)i;
    require(ciphertext_parse("symbol", 0, view_of(in.bytes.alpha, G1_BYTES),
                             view_of(in.bytes.beta, G2_BYTES), view_of(in.bytes.gamma, GT_BYTES),
                             &in.sink_value));
}

enum { NO_YARDSTICK = -1, PLAIN_EXP = 0, PLAIN_PAIRING = 4 };

static const struct step {
    const char *name;
    void (*run)(size_t i);
    int yardstick;  /* the step it is compared with */
    double promise; /* at most this ratio; 0: none */
} steps[] = {
    {"GT exponentiation, plain square-and-multiply", plain_exp, NO_YARDSTICK, 0},
    {"GT exponentiation, public exponent", public_exp, PLAIN_EXP, 0.35},
    {"GT exponentiation, secret exponent (constant time)", secret_exp, PLAIN_EXP, 0.45},
    {"GT product of 3 powers, public exponents", multi_exp, PLAIN_EXP, 0},
    {"pairing, plain", plain_pairing, NO_YARDSTICK, 0},
    {"ReEnc, one symbol of a prepared forward", reencrypt, PLAIN_PAIRING, 1.0},
    {"ReEnc, preparing a forward", prepare, PLAIN_PAIRING, 0},
    {"G1 exponentiation, secret exponent", exp_g1, NO_YARDSTICK, 0},
    {"G2 exponentiation, secret exponent", exp_g2, NO_YARDSTICK, 0},
    {"Encode, k = 3", encode_k, NO_YARDSTICK, 0},
    {"Combine to the product, k = 3", combine_k, NO_YARDSTICK, 0},
    {"validating a symbol's alpha, beta, gamma", parse, NO_YARDSTICK, 0},
};

enum { STEPS = sizeof steps / sizeof steps[0] };

static void make_inputs(void) {
    struct secret_key secret;
    struct public_key owner;
    struct gt messages[INPUTS];
    keygen(&secret, &owner);
    require(token(&secret.a3, view_of_string("bench"), &in.tau));
    require(rekeygen(&secret.a1, &secret.a3, view_of_string("bench"), &owner, &in.rekey));
    enc_random_messages(INPUTS, messages);
    enc(&owner, &in.tau, messages, INPUTS, in.value);
    for (size_t i = 0; i < INPUTS; i++) {
        scalar_random(&in.exponent[i]);
        in.gt[i] = in.value[i].gamma;
        in.g1[i] = in.value[i].alpha;
        g2_exp_generator(&in.exponent[i], &in.g2[i]);
    }
    memcpy(in.blocks, in.value, sizeof in.blocks);
    for (size_t j = 0; j < K; j++) {
        struct scalar coefficients[K];
        encode_coefficients(NULL, K, coefficients);
        require(encode(in.blocks, coefficients, K, &in.symbols[j]));
        in.symbol_pointers[j] = &in.symbols[j];
    }
    ciphertext_to_bytes(&in.symbols[0].value, &in.bytes);
    reenc_prepare(&in.rekey, &in.reenc_key);
}

static double microseconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS]) {
    qsort(values, ROUNDS, sizeof values[0], by_size);
    return values[ROUNDS / 2];
}

static double times[STEPS][ROUNDS]; /* microseconds for one */

static void measure(void) {
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t s = 0; s < STEPS; s++) {
            double start = microseconds_now();
            for (size_t i = 0; i < INPUTS; i++)
                steps[s].run(i);
            times[s][round] = (microseconds_now() - start) / INPUTS;
        }
}

static double median_ratio(size_t s, size_t yardstick) {
    double ratios[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++)
        ratios[round] = times[s][round] / times[yardstick][round];
    return median(ratios);
}

static double median_time(size_t s) {
    double sorted[ROUNDS];
    memcpy(sorted, times[s], sizeof sorted);
    return median(sorted);
}

/* One line of the table; whether a promise was missed. */
static bool report(size_t s) {
    printf("%-52s %9.1f us", steps[s].name, median_time(s));
    bool missed = false;
    if (steps[s].yardstick != NO_YARDSTICK) {
        double ratio = median_ratio(s, (size_t)steps[s].yardstick);
        printf("  %5.2f x %s", ratio, steps[s].yardstick == PLAIN_EXP ? "plain" : "one pairing");
        if (steps[s].promise > 0) {
            missed = ratio > steps[s].promise;
            printf(", promised <= %.2f: %s", steps[s].promise, missed ? "MISSED" : "kept");
        }
    }
    putchar('\n');
    return missed;
}

int main(void) {
    require(secret_start());
    make_inputs();
    measure();
    printf("medians of %d interleaved rounds of %d, one core\n", ROUNDS, INPUTS);
    bool missed = false;
    for (size_t s = 0; s < STEPS; s++)
        missed = report(s) || missed;
    for (size_t j = 0; j < K; j++)
        codeword_symbol_free(&in.symbols[j]);
    return missed ? 1 : 0;
}
