#include "scheme/share_dec.h"

static result check_b(uint32_t b) {
    return b <= 1 ? OK : FAIL(INVALID, "b = %u, expected 0 or 1", b);
}

static const struct scalar *exponent_for(const struct key_share *share, uint32_t b) {
    return b == 0 ? &share->s1 : &share->s2;
}

result share_dec(const struct key_share *share, uint32_t b, const struct g2 *beta,
                 struct partial *out) {
    TRY(check_b(b));
    out->j = share->j;
    g2_exp(beta, exponent_for(share, b), &out->d);
    return OK;
}

/* The base of b's commitments, to a secret power. */
static void base_exp(const struct public_key *public_key, uint32_t b, const struct scalar *exponent,
                     union partial_point *out) {
    if (b == 0)
        g1_exp_generator(exponent, &out->in_g1);
    else
        g2_exp(&public_key->pk2, exponent, &out->in_g2);
}

result share_dec_prove(const struct key_share *share, const struct public_key *public_key,
                       uint32_t b, const struct g2 *beta, const struct partial *partial,
                       uint8_t out_proof[PARTIAL_PROOF_BYTES]) {
    TRY(check_b(b));
    const struct scalar *exponent = exponent_for(share, b);
    AUTO_SCALAR struct scalar w;
    AUTO_SCALAR struct scalar z;
    struct scalar c;
    union partial_point y, t1;
    struct g2 t2;
    scalar_random(&w);
    base_exp(public_key, b, exponent, &y);
    base_exp(public_key, b, &w, &t1);
    g2_exp(beta, &w, &t2);
    struct partial_statement statement = {b, public_key, beta, partial};
    partial_challenge(&statement, &y, &t1, &t2, &c);
    scalar_mul(&c, exponent, &z);
    scalar_add(&w, &z, &z);
    scalar_to_bytes(&c, out_proof);
    scalar_to_bytes(&z, out_proof + SCALAR_BYTES);
    return OK;
}
