#include "scheme/encode.h"

#include "scheme/product.h"
#include "scheme/setup.h"

void encode_coefficients(const bool present[], unsigned k, struct scalar out_coefficients[]) {
    for (unsigned i = 0; i < k; i++) {
        if (present == NULL || present[i])
            scalar_random(&out_coefficients[i]);
        else
            scalar_from_u64(0, &out_coefficients[i]);
    }
}

static result check_inputs(const struct ciphertext ciphertexts[],
                           const struct scalar coefficients[], unsigned k) {
    bool any = false;
    for (unsigned i = 0; i < k; i++) {
        bool zero = scalar_is_zero(&coefficients[i]);
        if (ciphertexts[i].b != 0)
            return FAIL(INVALID, "block %u: re-encrypted already, cannot be encoded", i);
        if (!g2_equal(&ciphertexts[i].beta, &ciphertexts[0].beta))
            return FAIL(INVALID, "block %u: its token is another image's", i);
        if (g1_is_identity(&ciphertexts[i].alpha) && !zero)
            return FAIL(INVALID, "block %u: absent, yet its coefficient is not zero", i);
        any = any || !zero;
    }
    if (!any)
        return FAIL(INVALID, "all %u coefficients are zero: the symbol would hold nothing", k);
    return OK;
}

result encode(const struct ciphertext ciphertexts[], const struct scalar coefficients[], unsigned k,
              struct codeword_symbol *out) {
    *out = (struct codeword_symbol){0};
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    TRY(codeword_symbol_new(k, &symbol));
    TRY(check_inputs(ciphertexts, coefficients, k));
    const struct ciphertext *values[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < k; i++) {
        values[i] = &ciphertexts[i];
        symbol.coefficients[i] = coefficients[i];
    }
    symbol.value.beta = ciphertexts[0].beta;
    TRY(product_of_powers(values, coefficients, k, &symbol.value.alpha, &symbol.value.gamma));
    *out = symbol;
    symbol = (struct codeword_symbol){0};
    return OK;
}
