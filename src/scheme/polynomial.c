#include "scheme/polynomial.h"

void polynomial_evaluate(const struct scalar *constant, const struct scalar higher[], unsigned t,
                         uint32_t x, struct scalar *out) {
    struct scalar at;
    scalar_from_u64(x, &at);
    scalar_from_u64(0, out);
    for (unsigned i = t - 1; i-- > 0;) { /* Horner's rule */
        scalar_add(out, &higher[i], out);
        scalar_mul(out, &at, out);
    }
    scalar_add(out, constant, out);
}
