#include "scheme/token.h"

static const char token_domain[] = "MYELIN-V1-TOKEN";

result token_exponent(const struct scalar *a3, struct view id, struct scalar *out_f) {
    AUTO_BYTES struct bytes message = {0};
    TRY(bytes_reserve(&message, SCALAR_BYTES + id.len)); /* once: no copy of a3 stays behind */
    scalar_to_bytes(a3, message.data);
    message.len = SCALAR_BYTES;
    TRY(bytes_append(&message, id));
    scalar_hash(token_domain, bytes_view(&message), out_f);
    if (scalar_is_zero(out_f))
        return FAIL(CRYPTO, "the token's exponent is zero: this ID cannot be used");
    return OK;
}

result token(const struct scalar *a3, struct view id, struct g2 *out_tau) {
    AUTO_SCALAR struct scalar f;
    TRY(token_exponent(a3, id, &f));
    g2_exp_generator(&f, out_tau);
    return OK;
}
