#include "group/g1.h"

#include <string.h>

#include "base/secret.h"
#include "group/terms.h"

result blst_access_error(const char *field, BLST_ERROR error) {
    switch (error) {
    case BLST_BAD_ENCODING:
        return FAIL(PROTOCOL, "%s: not a canonical compressed point", field);
    case BLST_POINT_NOT_ON_CURVE:
        return FAIL(PROTOCOL, "%s: not on the curve", field);
    case BLST_POINT_NOT_IN_GROUP:
        return FAIL(PROTOCOL, "%s: not in the subgroup of order r", field);
    case BLST_PK_IS_INFINITY:
        return FAIL(PROTOCOL, "%s: is the identity", field);
    default:
        return FAIL(INTERNAL, "%s: blst says %d", field, (int)error);
    }
}

void g1_identity(struct g1 *out) {
    memset(out, 0, sizeof *out);
}

void g1_generator(struct g1 *out) {
    memcpy(out, blst_p1_generator(), sizeof *out);
}

result g1_parse(const char *field, struct view bytes, struct g1 *out) {
    if (bytes.len != G1_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, G1_BYTES);
    blst_p1_affine affine;
    BLST_ERROR error = blst_p1_uncompress(&affine, bytes.data);
    if (error == BLST_SUCCESS && blst_p1_affine_is_inf(&affine))
        error = BLST_PK_IS_INFINITY;
    else if (error == BLST_SUCCESS && !blst_p1_affine_in_g1(&affine))
        error = BLST_POINT_NOT_IN_GROUP;
    if (error != BLST_SUCCESS)
        return blst_access_error(field, error);
    blst_p1_from_affine(p1_of(out), &affine);
    return OK;
}

void g1_to_bytes(const struct g1 *point, uint8_t out[G1_BYTES]) {
    blst_p1_compress(out, p1_in(point));
}

bool g1_is_identity(const struct g1 *point) {
    return blst_p1_is_inf(p1_in(point));
}

bool g1_equal(const struct g1 *a, const struct g1 *b) {
    return blst_p1_is_equal(p1_in(a), p1_in(b));
}

void g1_mul(const struct g1 *a, const struct g1 *b, struct g1 *out) {
    blst_p1_add_or_double(p1_of(out), p1_in(a), p1_in(b));
}

void g1_inverse(const struct g1 *a, struct g1 *out) {
    struct g1 negated = *a;
    blst_p1_cneg(p1_of(&negated), true);
    *out = negated;
}

/* blst's signing is its multiplication for secrets: no test of the exponent's range, and the result
 * is affine, so that its projective coordinate tells nothing of the exponent. */
void g1_exp(const struct g1 *base, const struct scalar *exponent, struct g1 *out) {
    blst_scalar bits;
    scalar_exponent(exponent, &bits);
    blst_sign_pk_in_g2(p1_of(out), p1_in(base), &bits);
    secret_wipe(&bits, sizeof bits);
}

void g1_exp_generator(const struct scalar *exponent, struct g1 *out) {
    struct g1 generator;
    g1_generator(&generator);
    g1_exp(&generator, exponent, out);
}

void g1_exp_small_public(const struct g1 *base, uint8_t exponent, struct g1 *out) {
    const byte bits[2] = {exponent, 0};
    blst_p1_mult(p1_of(out), p1_in(base), bits, 8);
}

result g1_multi_exp_public(const struct g1 bases[], const struct scalar exponents[], size_t count,
                           struct g1 *out) {
    AUTO_TERMS struct terms terms = {0};
    TRY(terms_new(count > 0 ? count : 1, sizeof(blst_p1_affine),
                  blst_p1s_mult_pippenger_scratch_sizeof(count), &terms));
    blst_p1_affine *points = terms.points;
    for (size_t i = 0; i < count; i++) {
        if (g1_is_identity(&bases[i]) || scalar_is_zero(&exponents[i]))
            continue; /* blst's bucket method has no identity among its inputs */
        blst_p1_to_affine(&points[terms.count], p1_in(&bases[i]));
        scalar_exponent(&exponents[i], &terms.exponents[terms.count]);
        terms.count++;
    }
    if (terms.count == 0) {
        g1_identity(out);
        return OK;
    }
    /* One pointer and a NULL: the rest follow it in memory. */
    const blst_p1_affine *const first[2] = {points, NULL};
    const byte *const scalars[2] = {terms.exponents[0].b, NULL};
    blst_p1s_mult_pippenger(p1_of(out), first, terms.count, scalars, 255, terms.scratch);
    return OK;
}
