#include "scheme/lagrange.h"

#include "scheme/setup.h"

static result check_indices(const uint32_t indices[], size_t count) {
    bool seen[SCHEME_MAX_SERVERS + 1] = {false};
    for (size_t i = 0; i < count; i++) {
        if (indices[i] < 1 || indices[i] > SCHEME_MAX_SERVERS)
            return FAIL(INVALID, "share index %u: outside 1 to %d", indices[i], SCHEME_MAX_SERVERS);
        if (seen[indices[i]])
            return FAIL(INVALID, "share index %u: given twice", indices[i]);
        seen[indices[i]] = true;
    }
    return OK;
}

result lagrange_at_zero(const uint32_t indices[], size_t count, struct scalar out_lambda[]) {
    return lagrange_at(0, indices, count, out_lambda);
}

result lagrange_at(uint32_t point, const uint32_t indices[], size_t count,
                   struct scalar out_lambda[]) {
    TRY(check_indices(indices, count));
    struct scalar at;
    scalar_from_u64(point, &at);
    for (size_t i = 0; i < count; i++) {
        struct scalar own, numerator, denominator;
        scalar_from_u64(indices[i], &own);
        scalar_from_u64(1, &numerator);
        scalar_from_u64(1, &denominator);
        for (size_t j = 0; j < count; j++) {
            if (j == i)
                continue;
            struct scalar other, to_point, to_own;
            scalar_from_u64(indices[j], &other);
            scalar_sub(&other, &at, &to_point);
            scalar_sub(&other, &own, &to_own);
            scalar_mul(&numerator, &to_point, &numerator);
            scalar_mul(&denominator, &to_own, &denominator);
        }
        scalar_inverse(&denominator, &denominator);
        scalar_mul(&numerator, &denominator, &out_lambda[i]);
    }
    return OK;
}
