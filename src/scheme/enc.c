#include "scheme/enc.h"

#include "group/pairing.h"

void enc_message(const struct scalar *s, struct gt *out_message) {
    gt_exp_generator(s, out_message);
}

void enc_random_messages(unsigned k, struct gt out_messages[]) {
    for (unsigned i = 0; i < k; i++) {
        AUTO_SCALAR struct scalar s;
        scalar_random(&s);
        enc_message(&s, &out_messages[i]);
    }
}

/* One ciphertext; `mask` is e(PK1, tau). */
static void enc_one(const struct gt *mask, const struct g2 *tau, const struct gt *message,
                    const struct scalar *r, struct ciphertext *out) {
    AUTO_GT struct gt power;
    out->b = 0;
    g1_exp_generator(r, &out->alpha);
    out->beta = *tau;
    gt_exp(mask, r, &power);
    gt_mul(message, &power, &out->gamma);
}

void enc(const struct public_key *public_key, const struct g2 *tau, const struct gt messages[],
         unsigned k, struct ciphertext out[]) {
    struct gt mask;
    pairing(&public_key->pk1, tau, &mask);
    for (unsigned i = 0; i < k; i++) {
        AUTO_SCALAR struct scalar r;
        scalar_random(&r);
        enc_one(&mask, tau, &messages[i], &r, &out[i]);
    }
}

void enc_with_randomness(const struct public_key *public_key, const struct g2 *tau,
                         const struct gt messages[], const struct scalar r[], unsigned k,
                         struct ciphertext out[]) {
    struct gt mask;
    pairing(&public_key->pk1, tau, &mask);
    for (unsigned i = 0; i < k; i++)
        enc_one(&mask, tau, &messages[i], &r[i], &out[i]);
}

void enc_absent(const struct g2 *tau, struct ciphertext *out) {
    out->b = 0;
    g1_identity(&out->alpha);
    out->beta = *tau;
    gt_identity(&out->gamma);
}
