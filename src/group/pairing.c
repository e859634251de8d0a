#include "group/pairing.h"

#include "base/secret.h"
#include "group/blst_access.h"

void pairing(const struct g1 *p, const struct g2 *q, struct gt *out) {
    pairing_product(p, q, 1, out);
}

void pairing_lines_wipe(struct pairing_lines *lines) {
    secret_wipe(lines, sizeof *lines);
}

void pairing_prepare(const struct g2 *q, struct pairing_lines *out_lines) {
    out_lines->identity = g2_is_identity(q);
    if (out_lines->identity)
        return;
    blst_p2_affine affine;
    blst_p2_to_affine(&affine, p2_in(q));
    blst_precompute_lines((blst_fp6 *)out_lines->limb, &affine);
}

void pairing_prepared(const struct g1 *p, const struct pairing_lines *lines, struct gt *out) {
    if (lines->identity || g1_is_identity(p)) {
        gt_identity(out);
        return;
    }
    blst_p1_affine affine;
    blst_p1_to_affine(&affine, p1_in(p));
    blst_miller_loop_lines(fp12_of(out), (const blst_fp6 *)lines->limb, &affine);
    blst_final_exp(fp12_of(out), fp12_of(out));
}

void pairing_product(const struct g1 p[], const struct g2 q[], size_t count, struct gt *out) {
    gt_identity(out);
    for (size_t i = 0; i < count; i++) {
        if (g1_is_identity(&p[i]) || g2_is_identity(&q[i]))
            continue;
        blst_p1_affine p_affine;
        blst_p2_affine q_affine;
        blst_fp12 loop;
        blst_p1_to_affine(&p_affine, p1_in(&p[i]));
        blst_p2_to_affine(&q_affine, p2_in(&q[i]));
        blst_miller_loop(&loop, &q_affine, &p_affine);
        blst_fp12_mul(fp12_of(out), fp12_of(out), &loop);
    }
    blst_final_exp(fp12_of(out), fp12_of(out));
}

bool pairing_equal(const struct g1 *a, const struct g2 *b, const struct g1 *c, const struct g2 *d) {
    struct g1 p[2] = {*a, *c};
    struct g2 q[2] = {*b, *d};
    struct gt product;
    g1_inverse(&p[1], &p[1]);
    pairing_product(p, q, 2, &product);
    return gt_is_identity(&product);
}
