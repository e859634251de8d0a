#include "group/g2.h"

#include <string.h>

#include "base/secret.h"
#include "group/terms.h"

void g2_wipe(struct g2 *point) {
    secret_wipe(point, sizeof *point);
}

void g2_identity(struct g2 *out) {
    memset(out, 0, sizeof *out);
}

void g2_generator(struct g2 *out) {
    memcpy(out, blst_p2_generator(), sizeof *out);
}

result g2_parse(const char *field, struct view bytes, struct g2 *out) {
    if (bytes.len != G2_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, G2_BYTES);
    blst_p2_affine affine;
    BLST_ERROR error = blst_p2_uncompress(&affine, bytes.data);
    if (error == BLST_SUCCESS && blst_p2_affine_is_inf(&affine))
        error = BLST_PK_IS_INFINITY;
    else if (error == BLST_SUCCESS && !blst_p2_affine_in_g2(&affine))
        error = BLST_POINT_NOT_IN_GROUP;
    if (error != BLST_SUCCESS)
        return blst_access_error(field, error);
    blst_p2_from_affine(p2_of(out), &affine);
    return OK;
}

void g2_to_bytes(const struct g2 *point, uint8_t out[G2_BYTES]) {
    blst_p2_compress(out, p2_in(point));
}

bool g2_is_identity(const struct g2 *point) {
    return blst_p2_is_inf(p2_in(point));
}

bool g2_equal(const struct g2 *a, const struct g2 *b) {
    return blst_p2_is_equal(p2_in(a), p2_in(b));
}

void g2_mul(const struct g2 *a, const struct g2 *b, struct g2 *out) {
    blst_p2_add_or_double(p2_of(out), p2_in(a), p2_in(b));
}

void g2_inverse(const struct g2 *a, struct g2 *out) {
    struct g2 negated = *a;
    blst_p2_cneg(p2_of(&negated), true);
    *out = negated;
}

/* blst's signing is its multiplication for secrets: no test of the exponent's range, and the result
 * is affine, so that its projective coordinate tells nothing of the exponent. */
void g2_exp(const struct g2 *base, const struct scalar *exponent, struct g2 *out) {
    blst_scalar bits;
    scalar_exponent(exponent, &bits);
    blst_sign_pk_in_g1(p2_of(out), p2_in(base), &bits);
    secret_wipe(&bits, sizeof bits);
}

void g2_exp_generator(const struct scalar *exponent, struct g2 *out) {
    struct g2 generator;
    g2_generator(&generator);
    g2_exp(&generator, exponent, out);
}

void g2_exp_small_public(const struct g2 *base, uint8_t exponent, struct g2 *out) {
    const byte bits[2] = {exponent, 0};
    blst_p2_mult(p2_of(out), p2_in(base), bits, 8);
}

result g2_multi_exp_public(const struct g2 bases[], const struct scalar exponents[], size_t count,
                           struct g2 *out) {
    AUTO_TERMS struct terms terms = {0};
    TRY(terms_new(count > 0 ? count : 1, sizeof(blst_p2_affine),
                  blst_p2s_mult_pippenger_scratch_sizeof(count), &terms));
    blst_p2_affine *points = terms.points;
    for (size_t i = 0; i < count; i++) {
        if (g2_is_identity(&bases[i]) || scalar_is_zero(&exponents[i]))
            continue; /* blst's bucket method has no identity among its inputs */
        blst_p2_to_affine(&points[terms.count], p2_in(&bases[i]));
        scalar_exponent(&exponents[i], &terms.exponents[terms.count]);
        terms.count++;
    }
    if (terms.count == 0) {
        g2_identity(out);
        return OK;
    }
    /* One pointer and a NULL: the rest follow it in memory. */
    const blst_p2_affine *const first[2] = {points, NULL};
    const byte *const scalars[2] = {terms.exponents[0].b, NULL};
    blst_p2s_mult_pippenger(p2_of(out), first, terms.count, scalars, 255, terms.scratch);
    return OK;
}
