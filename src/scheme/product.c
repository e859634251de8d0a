#include "scheme/product.h"

enum { CHUNK = 16 };

result product_of_powers(const struct ciphertext *const values[], const struct scalar x[],
                         size_t count, struct g1 *out_alpha, struct gt *out_gamma) {
    g1_identity(out_alpha);
    gt_identity(out_gamma);
    for (size_t done = 0; done < count; done += CHUNK) {
        struct g1 alphas[CHUNK], alpha;
        struct gt gammas[CHUNK], gamma;
        size_t here = count - done < CHUNK ? count - done : CHUNK;
        for (size_t i = 0; i < here; i++) {
            alphas[i] = values[done + i]->alpha;
            gammas[i] = values[done + i]->gamma;
        }
        TRY(g1_multi_exp_public(alphas, x + done, here, &alpha));
        gt_multi_exp_public(gammas, x + done, here, &gamma);
        g1_mul(out_alpha, &alpha, out_alpha);
        gt_mul(out_gamma, &gamma, out_gamma);
    }
    return OK;
}
