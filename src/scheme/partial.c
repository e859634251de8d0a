#include "scheme/partial.h"

static const char partial_domain[] = "MYELIN-V1-PARTIAL";

result partial_parse(const char *field, uint32_t j, unsigned m, struct view d,
                     struct partial *out) {
    if (j < 1 || j > m)
        return FAIL(PROTOCOL, "%s: share index %u: outside 1 to m = %u", field, j, m);
    struct partial parsed = {.j = j};
    result code = g2_parse("D", d, &parsed.d);
    if (code != OK)
        return error_at(code, "%s", field);
    *out = parsed;
    return OK;
}

/* Appends a point of b's group; gives the place behind it. */
static uint8_t *put_point(uint32_t b, const union partial_point *point, uint8_t *at) {
    if (b == 0) {
        g1_to_bytes(&point->in_g1, at);
        return at + G1_BYTES;
    }
    g2_to_bytes(&point->in_g2, at);
    return at + G2_BYTES;
}

static uint8_t *put_g2(const struct g2 *point, uint8_t *at) {
    g2_to_bytes(point, at);
    return at + G2_BYTES;
}

void partial_challenge(const struct partial_statement *statement, const union partial_point *y,
                       const union partial_point *t1, const struct g2 *t2,
                       struct scalar *out_challenge) {
    uint8_t message[8 + 6 * G2_BYTES], *end = message + 8;
    uint32_t b = statement->b;
    union partial_point base;
    if (b == 0)
        g1_generator(&base.in_g1);
    else
        base.in_g2 = statement->public_key->pk2;
    store_be32(message, b);
    store_be32(message + 4, statement->partial->j);
    end = put_point(b, &base, end);
    end = put_point(b, y, end);
    end = put_g2(statement->beta, end);
    end = put_g2(&statement->partial->d, end);
    end = put_point(b, t1, end);
    end = put_g2(t2, end);
    scalar_hash(partial_domain, view_of(message, (size_t)(end - message)), out_challenge);
}

/* base^z * y^-c in b's group. */
static void commitment_in_base(const struct public_key *public_key, uint32_t b,
                               const union partial_point *y, const struct scalar *z,
                               const struct scalar *minus_c, union partial_point *out) {
    union partial_point power;
    if (b == 0) {
        g1_exp_generator(z, &out->in_g1);
        g1_exp(&y->in_g1, minus_c, &power.in_g1);
        g1_mul(&out->in_g1, &power.in_g1, &out->in_g1);
    } else {
        g2_exp(&public_key->pk2, z, &out->in_g2);
        g2_exp(&y->in_g2, minus_c, &power.in_g2);
        g2_mul(&out->in_g2, &power.in_g2, &out->in_g2);
    }
}

result partial_verify(const struct public_key *public_key,
                      const struct share_commitments *commitments, uint32_t b,
                      const struct g2 *beta, const struct partial *partial, struct view proof) {
    if (b > 1)
        return FAIL(INVALID, "b = %u, expected 0 or 1", b);
    if (proof.len != PARTIAL_PROOF_BYTES)
        return FAIL(PROTOCOL, "partial's proof: %zu bytes, expected %d", proof.len,
                    PARTIAL_PROOF_BYTES);
    struct scalar c, z, minus_c, zero = {0}, expected;
    TRY(scalar_parse("partial's proof: c", view_of(proof.data, SCALAR_BYTES), &c));
    TRY(scalar_parse("partial's proof: z", view_of(proof.data + SCALAR_BYTES, SCALAR_BYTES), &z));
    scalar_sub(&zero, &c, &minus_c);
    union partial_point y, t1;
    struct g2 t2, power;
    TRY(b == 0 ? share_public_f1(commitments, partial->j, &y.in_g1)
               : share_public_f2(commitments, partial->j, &y.in_g2));
    commitment_in_base(public_key, b, &y, &z, &minus_c, &t1);
    g2_exp(beta, &z, &t2);
    g2_exp(&partial->d, &minus_c, &power);
    g2_mul(&t2, &power, &t2);
    struct partial_statement statement = {b, public_key, beta, partial};
    partial_challenge(&statement, &y, &t1, &t2, &expected);
    if (!scalar_equal(&c, &expected))
        return FAIL(INTEGRITY, "key server %u: its partial is wrong or its proof does not hold",
                    partial->j);
    return OK;
}
