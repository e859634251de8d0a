#include "scheme/codeword.h"

#include <stdlib.h>

#include "scheme/setup.h"

void codeword_symbol_free(struct codeword_symbol *symbol) {
    free(symbol->coefficients);
    *symbol = (struct codeword_symbol){0};
}

result codeword_symbol_new(unsigned k, struct codeword_symbol *out) {
    *out = (struct codeword_symbol){0};
    if (k < 1 || k > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "k = %u coefficients: between 1 and %d are possible", k,
                    SCHEME_MAX_SERVERS);
    out->coefficients = calloc(k, sizeof *out->coefficients);
    if (out->coefficients == NULL)
        return FAIL(NO_MEMORY, "no memory for %u coefficients", k);
    out->k = k;
    return OK;
}

static result parse_points(struct view alpha, struct view beta, struct view gamma,
                           struct ciphertext *out) {
    TRY(g1_parse("alpha", alpha, &out->alpha));
    TRY(g2_parse("beta", beta, &out->beta));
    return gt_parse("gamma", gamma, &out->gamma);
}

result ciphertext_parse(const char *field, uint32_t b, struct view alpha, struct view beta,
                        struct view gamma, struct ciphertext *out) {
    if (b > 1)
        return FAIL(PROTOCOL, "%s: b = %u, expected 0 or 1", field, b);
    struct ciphertext parsed = {.b = b};
    result code = parse_points(alpha, beta, gamma, &parsed);
    if (code != OK)
        return error_at(code, "%s", field);
    *out = parsed;
    return OK;
}

static result parse_coefficients(const char *field, const struct view parts[], unsigned k,
                                 struct scalar out[]) {
    bool any = false;
    for (unsigned i = 0; i < k; i++) {
        result code = scalar_parse("coefficient", parts[i], &out[i]);
        if (code != OK)
            return error_at(code, "%s", field);
        any = any || !scalar_is_zero(&out[i]);
    }
    if (!any)
        return FAIL(PROTOCOL, "%s: all %u coefficients are zero", field, k);
    return OK;
}

result codeword_symbol_parse(const char *field, uint32_t b, struct view alpha, struct view beta,
                             struct view gamma, const struct view coefficients[],
                             size_t coefficient_count, unsigned k, struct codeword_symbol *out) {
    *out = (struct codeword_symbol){0};
    if (coefficient_count != k)
        return FAIL(PROTOCOL, "%s: %zu coefficients, expected k = %u", field, coefficient_count, k);
    AUTO_SYMBOL struct codeword_symbol parsed = {0};
    TRY(codeword_symbol_new(k, &parsed));
    TRY(ciphertext_parse(field, b, alpha, beta, gamma, &parsed.value));
    TRY(parse_coefficients(field, coefficients, k, parsed.coefficients));
    *out = parsed;
    parsed = (struct codeword_symbol){0};
    return OK;
}

void ciphertext_to_bytes(const struct ciphertext *value, struct ciphertext_bytes *out) {
    g1_to_bytes(&value->alpha, out->alpha);
    g2_to_bytes(&value->beta, out->beta);
    gt_to_bytes(&value->gamma, out->gamma);
}
