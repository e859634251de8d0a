#include "group/gt.h"

#include <pthread.h>
#include <string.h>

#include "base/secret.h"
#include "group/blst_access.h"

enum { FP_BYTES = 48, FP_LIMBS = 6 };

void gt_wipe(struct gt *element) {
    secret_wipe(element, sizeof *element);
}

void gt_identity(struct gt *out) {
    memcpy(out, blst_fp12_one(), sizeof *out);
}

static struct gt generator;
static pthread_once_t generator_once = PTHREAD_ONCE_INIT;

static void generator_make(void) {
    struct g1 g;
    struct g2 h;
    g1_generator(&g);
    g2_generator(&h);
    pairing(&g, &h, &generator);
}

void gt_generator(struct gt *out) {
    pthread_once(&generator_once, generator_make);
    *out = generator;
}

/* The limbs of the coordinate that stands `position`-th in the encoding: Fp12 is (Fp6, Fp6), whose
 * three Fp2 coordinates the encoding takes in turn from both. */
static uint64_t *coordinate(struct gt *element, size_t position) {
    size_t fp2 = position / 4, fp6 = position / 2 % 2, fp = position % 2;
    return element->limb + FP_LIMBS * (6 * fp6 + 2 * fp2 + fp);
}

result gt_parse(const char *field, struct view bytes, struct gt *out) {
    if (bytes.len != GT_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, GT_BYTES);
    struct gt element;
    for (size_t i = 0; i < 12; i++)
        blst_fp_from_bendian((blst_fp *)coordinate(&element, i), bytes.data + i * FP_BYTES);
    uint8_t canonical[GT_BYTES];
    gt_to_bytes(&element, canonical);
    if (memcmp(canonical, bytes.data, GT_BYTES) != 0)
        return FAIL(PROTOCOL, "%s: not canonical: a coordinate is not below the modulus", field);
    if (!blst_fp12_in_group(fp12_in(&element)))
        return FAIL(PROTOCOL, "%s: not in the subgroup of order r", field);
    if (gt_is_identity(&element))
        return FAIL(PROTOCOL, "%s: is the identity", field);
    *out = element;
    return OK;
}

void gt_to_bytes(const struct gt *element, uint8_t out[GT_BYTES]) {
    blst_bendian_from_fp12(out, fp12_in(element));
}

bool gt_is_identity(const struct gt *element) {
    return blst_fp12_is_one(fp12_in(element));
}

bool gt_equal(const struct gt *a, const struct gt *b) {
    return blst_fp12_is_equal(fp12_in(a), fp12_in(b));
}

void gt_mul(const struct gt *a, const struct gt *b, struct gt *out) {
    blst_fp12_mul(fp12_of(out), fp12_in(a), fp12_in(b));
}

void gt_inverse(const struct gt *a, struct gt *out) {
    struct gt conjugate = *a;
    blst_fp12_conjugate(fp12_of(&conjugate));
    *out = conjugate;
}
