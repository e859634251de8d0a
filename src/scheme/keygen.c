#include "scheme/keygen.h"

#include "base/digest.h"

static const char possession_domain[] = "MYELIN-V1-POSSESSION";

/* T1 and T2 of the proof. */
struct possession_commitment {
    struct g1 t1;
    struct g2 t2;
};

void keygen(struct secret_key *out_secret, struct public_key *out_public) {
    scalar_random(&out_secret->a1);
    scalar_random(&out_secret->a2);
    scalar_random(&out_secret->a3);
    keygen_public(out_secret, out_public);
}

void keygen_public(const struct secret_key *secret, struct public_key *out_public) {
    g1_exp_generator(&secret->a1, &out_public->pk1);
    g2_exp_generator(&secret->a2, &out_public->pk2);
}

static void possession_challenge(const struct public_key *public_key,
                                 const struct possession_commitment *commitment,
                                 struct view context, struct scalar *out_challenge) {
    uint8_t message[PUBLIC_KEY_BYTES + G1_BYTES + G2_BYTES + DIGEST_BYTES];
    uint8_t *t1 = message + PUBLIC_KEY_BYTES, *t2 = t1 + G1_BYTES;
    public_key_to_bytes(public_key, message);
    g1_to_bytes(&commitment->t1, t1);
    g2_to_bytes(&commitment->t2, t2);
    digest_sha256(context, t2 + G2_BYTES);
    scalar_hash(possession_domain, (struct view){message, sizeof message}, out_challenge);
}

/* z = w + c a, as bytes. */
static void respond(const struct scalar *w, const struct scalar *c, const struct scalar *a,
                    uint8_t out[SCALAR_BYTES]) {
    AUTO_SCALAR struct scalar z;
    scalar_mul(c, a, &z);
    scalar_add(w, &z, &z);
    scalar_to_bytes(&z, out);
}

void keygen_prove(const struct secret_key *secret, const struct public_key *public_key,
                  struct view context, uint8_t out_proof[POSSESSION_BYTES]) {
    AUTO_SCALAR struct scalar w1;
    AUTO_SCALAR struct scalar w2;
    struct scalar c;
    struct possession_commitment commitment;
    scalar_random(&w1);
    scalar_random(&w2);
    g1_exp_generator(&w1, &commitment.t1);
    g2_exp_generator(&w2, &commitment.t2);
    possession_challenge(public_key, &commitment, context, &c);
    scalar_to_bytes(&c, out_proof);
    respond(&w1, &c, &secret->a1, out_proof + SCALAR_BYTES);
    respond(&w2, &c, &secret->a2, out_proof + 2 * SCALAR_BYTES);
}

result keygen_verify(const struct public_key *public_key, struct view context, struct view proof) {
    if (proof.len != POSSESSION_BYTES)
        return FAIL(PROTOCOL, "proof of possession: %zu bytes, expected %d", proof.len,
                    POSSESSION_BYTES);
    struct scalar c, z1, z2, minus_c, zero = {0}, expected;
    TRY(scalar_parse("proof of possession: c", view_of(proof.data, SCALAR_BYTES), &c));
    TRY(scalar_parse("proof of possession: z1", view_of(proof.data + SCALAR_BYTES, SCALAR_BYTES),
                     &z1));
    TRY(scalar_parse("proof of possession: z2",
                     view_of(proof.data + 2 * SCALAR_BYTES, SCALAR_BYTES), &z2));
    scalar_sub(&zero, &c, &minus_c);
    struct possession_commitment commitment;
    struct g1 in_g1;
    struct g2 in_g2;
    g1_exp_generator(&z1, &commitment.t1);
    g1_exp(&public_key->pk1, &minus_c, &in_g1);
    g1_mul(&commitment.t1, &in_g1, &commitment.t1);
    g2_exp_generator(&z2, &commitment.t2);
    g2_exp(&public_key->pk2, &minus_c, &in_g2);
    g2_mul(&commitment.t2, &in_g2, &commitment.t2);
    possession_challenge(public_key, &commitment, context, &expected);
    if (!scalar_equal(&c, &expected))
        return FAIL(INTEGRITY, "proof of possession: does not hold for this public key and name");
    return OK;
}

void public_key_to_bytes(const struct public_key *public_key, uint8_t out[PUBLIC_KEY_BYTES]) {
    g1_to_bytes(&public_key->pk1, out);
    g2_to_bytes(&public_key->pk2, out + G1_BYTES);
}

result public_key_parse(const char *field, struct view bytes, struct public_key *out_public) {
    if (bytes.len != PUBLIC_KEY_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, PUBLIC_KEY_BYTES);
    struct public_key parsed;
    result pk1 = g1_parse("PK1", view_of(bytes.data, G1_BYTES), &parsed.pk1);
    if (pk1 != OK)
        return error_at(pk1, "%s", field);
    result pk2 = g2_parse("PK2", view_of(bytes.data + G1_BYTES, G2_BYTES), &parsed.pk2);
    if (pk2 != OK)
        return error_at(pk2, "%s", field);
    *out_public = parsed;
    return OK;
}
