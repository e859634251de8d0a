#include "scheme/content_key.h"

#include "base/digest.h"
#include "base/secret.h"

_Static_assert((int)CONTENT_KEY_BYTES == (int)DIGEST_BYTES, "one block of HKDF-SHA256");
_Static_assert((int)KEY_COMMITMENT_BYTES == (int)DIGEST_BYTES, "one block of HKDF-SHA256");

void content_key(const struct gt *product, const struct g2 *tau, uint8_t out[CONTENT_KEY_BYTES]) {
    uint8_t ikm[GT_BYTES], salt[G2_BYTES];
    gt_to_bytes(product, ikm);
    g2_to_bytes(tau, salt);
    digest_hkdf(view_of(ikm, sizeof ikm), view_of(salt, sizeof salt), "MYELIN-V1-CONTENT-KEY", out);
    secret_wipe(ikm, sizeof ikm);
}

void content_key_product(const struct gt messages[], unsigned k, struct gt *out_product) {
    gt_identity(out_product);
    for (unsigned i = 0; i < k; i++)
        gt_mul(out_product, &messages[i], out_product);
}

void content_key_commitment(const uint8_t key[CONTENT_KEY_BYTES],
                            uint8_t out[KEY_COMMITMENT_BYTES]) {
    digest_hkdf(view_of(key, CONTENT_KEY_BYTES), view_of(NULL, 0), "MYELIN-V1-KEY-COMMITMENT", out);
}

result content_key_check(const uint8_t key[CONTENT_KEY_BYTES],
                         const uint8_t commitment[KEY_COMMITMENT_BYTES]) {
    uint8_t expected[KEY_COMMITMENT_BYTES];
    content_key_commitment(key, expected);
    if (!secret_equal(expected, commitment, sizeof expected))
        return FAIL(INTEGRITY, "the content key is not the one that the owner signed for");
    return OK;
}
