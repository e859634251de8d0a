#include "group/scalar.h"

#include <string.h>

#include "base/secret.h"
#include "group/blst_access.h"

/* Bytes hashed to a scalar: 128 bits more than r has, so that the bias is below 2^-128. */
enum { WIDE_BYTES = 48 };

void scalar_wipe(struct scalar *scalar) {
    secret_wipe(scalar, sizeof *scalar);
}

void scalar_from_u64(uint64_t value, struct scalar *out_scalar) {
    const uint64_t limbs[4] = {value, 0, 0, 0};
    blst_fr_from_uint64(fr_of(out_scalar), limbs);
}

static void scalar_reduce(const uint8_t wide[WIDE_BYTES], struct scalar *out_scalar) {
    blst_scalar reduced;
    (void)blst_scalar_from_be_bytes(&reduced, wide, WIDE_BYTES); /* false for zero, which is fine */
    blst_fr_from_scalar(fr_of(out_scalar), &reduced);
    secret_wipe(&reduced, sizeof reduced);
}

void scalar_random(struct scalar *out_scalar) {
    uint8_t wide[WIDE_BYTES];
    do {
        secret_random(wide, sizeof wide);
        scalar_reduce(wide, out_scalar);
    } while (scalar_is_zero(out_scalar));
    secret_wipe(wide, sizeof wide);
}

result scalar_parse(const char *field, struct view bytes, struct scalar *out_scalar) {
    if (bytes.len != SCALAR_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, SCALAR_BYTES);
    blst_scalar canonical;
    blst_scalar_from_bendian(&canonical, bytes.data);
    bool in_range = blst_scalar_fr_check(&canonical);
    if (in_range)
        blst_fr_from_scalar(fr_of(out_scalar), &canonical);
    secret_wipe(&canonical, sizeof canonical);
    if (!in_range)
        return FAIL(PROTOCOL, "%s: not below the group order", field);
    return OK;
}

result scalar_parse_nonzero(const char *field, struct view bytes, struct scalar *out_scalar) {
    TRY(scalar_parse(field, bytes, out_scalar));
    if (scalar_is_zero(out_scalar))
        return FAIL(PROTOCOL, "%s: is zero", field);
    return OK;
}

void scalar_to_bytes(const struct scalar *scalar, uint8_t out[SCALAR_BYTES]) {
    blst_scalar canonical;
    scalar_exponent(scalar, &canonical);
    blst_bendian_from_scalar(out, &canonical);
    secret_wipe(&canonical, sizeof canonical);
}

void scalar_hash(const char *domain, struct view message, struct scalar *out_scalar) {
    static const uint8_t nothing[1];
    uint8_t wide[WIDE_BYTES];
    blst_expand_message_xmd(wide, sizeof wide, message.len > 0 ? message.data : nothing,
                            message.len, (const uint8_t *)domain, strlen(domain));
    scalar_reduce(wide, out_scalar);
    secret_wipe(wide, sizeof wide);
}

bool scalar_is_zero(const struct scalar *a) {
    return (a->limb[0] | a->limb[1] | a->limb[2] | a->limb[3]) == 0;
}

bool scalar_equal(const struct scalar *a, const struct scalar *b) {
    uint64_t difference = 0;
    for (size_t i = 0; i < 4; i++)
        difference |= a->limb[i] ^ b->limb[i];
    return difference == 0;
}

void scalar_add(const struct scalar *a, const struct scalar *b, struct scalar *out) {
    blst_fr_add(fr_of(out), fr_in(a), fr_in(b));
}

void scalar_sub(const struct scalar *a, const struct scalar *b, struct scalar *out) {
    blst_fr_sub(fr_of(out), fr_in(a), fr_in(b));
}

void scalar_mul(const struct scalar *a, const struct scalar *b, struct scalar *out) {
    blst_fr_mul(fr_of(out), fr_in(a), fr_in(b));
}

void scalar_inverse(const struct scalar *a, struct scalar *out) {
    blst_fr_inverse(fr_of(out), fr_in(a));
}
