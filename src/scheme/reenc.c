#include "scheme/reenc.h"

void reenc_prepare(const struct rekey *rekey, struct reenc_key *out) {
    out->rk1 = rekey->rk1;
    pairing_prepare(&rekey->rk2, &out->rk2);
}

result reenc(const struct reenc_key *key, const struct ciphertext *value, struct ciphertext *out) {
    if (value->b != 0)
        return FAIL(INVALID, "b = %u: re-encrypted already, and once only is possible", value->b);
    struct gt factor;
    pairing_prepared(&value->alpha, &key->rk2, &factor);
    out->b = 1;
    out->alpha = value->alpha;
    out->beta = key->rk1;
    gt_mul(&value->gamma, &factor, &out->gamma);
    return OK;
}
