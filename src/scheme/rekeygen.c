#include "scheme/rekeygen.h"

#include "scheme/token.h"

result rekeygen(const struct scalar *a1, const struct scalar *a3, struct view id,
                const struct public_key *recipient, struct rekey *out) {
    AUTO_SCALAR struct scalar e;
    scalar_random(&e);
    return rekeygen_with_randomness(a1, a3, id, recipient, &e, out);
}

result rekeygen_with_randomness(const struct scalar *a1, const struct scalar *a3, struct view id,
                                const struct public_key *recipient, const struct scalar *e,
                                struct rekey *out) {
    AUTO_SCALAR struct scalar exponent1;
    AUTO_SCALAR struct scalar exponent2;
    TRY(token_exponent(a3, id, &exponent1));
    scalar_add(&exponent1, e, &exponent1);
    if (scalar_is_zero(&exponent1))
        return FAIL(CRYPTO, "the re-encryption key would be the identity: try again");
    scalar_mul(&exponent1, a1, &exponent1);
    scalar_mul(a1, e, &exponent2);
    g2_exp(&recipient->pk2, &exponent1, &out->rk1);
    g2_exp_generator(&exponent2, &out->rk2);
    return OK;
}

result rekey_parse(const char *field, struct view rk1, struct view rk2, struct rekey *out) {
    struct rekey parsed;
    result code = g2_parse("rk1", rk1, &parsed.rk1);
    if (code == OK)
        code = g2_parse("rk2", rk2, &parsed.rk2);
    if (code != OK)
        return error_at(code, "%s", field);
    *out = parsed;
    return OK;
}

void rekey_to_bytes(const struct rekey *rekey, uint8_t out_rk1[G2_BYTES],
                    uint8_t out_rk2[G2_BYTES]) {
    g2_to_bytes(&rekey->rk1, out_rk1);
    g2_to_bytes(&rekey->rk2, out_rk2);
}
