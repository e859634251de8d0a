#include "scheme/threshold_rekeygen.h"

#include "group/pairing.h"
#include "scheme/lagrange.h"
#include "scheme/setup.h"
#include "scheme/token.h"

result threshold_rekeygen_request(const struct scalar *a3, struct view id,
                                  const struct public_key *recipient, struct rekey_request *out) {
    AUTO_SCALAR struct scalar e;
    scalar_random(&e);
    return threshold_rekeygen_request_with_randomness(a3, id, recipient, &e, out);
}

result threshold_rekeygen_request_with_randomness(const struct scalar *a3, struct view id,
                                                  const struct public_key *recipient,
                                                  const struct scalar *e,
                                                  struct rekey_request *out) {
    AUTO_SCALAR struct scalar exponent;
    TRY(token_exponent(a3, id, &exponent));
    scalar_add(&exponent, e, &exponent);
    if (scalar_is_zero(&exponent))
        return FAIL(CRYPTO, "the re-encryption key would be the identity: try again");
    g2_exp(&recipient->pk2, &exponent, &out->p);
    g2_exp_generator(e, &out->q);
    return OK;
}

void threshold_rekeygen_part(const struct key_share *share, const struct rekey_request *request,
                             struct rekey_part *out) {
    out->j = share->j;
    g2_exp(&request->p, &share->s1, &out->p);
    g2_exp(&request->q, &share->s1, &out->q);
}

/* e(g, answer) = e(key, question): the answer is the question to the power that `key` commits to.
 */
static bool answers(const struct g1 *key, const struct g2 *question, const struct g2 *answer) {
    struct g1 g;
    g1_generator(&g);
    return pairing_equal(&g, answer, key, question);
}

result threshold_rekeygen_check_part(const struct share_commitments *commitments,
                                     const struct rekey_request *request,
                                     const struct rekey_part *part) {
    struct g1 key;
    TRY(share_public_f1(commitments, part->j, &key));
    if (!answers(&key, &request->p, &part->p) || !answers(&key, &request->q, &part->q))
        return FAIL(INTEGRITY, "key server %u: its part of the re-encryption key is wrong",
                    part->j);
    return OK;
}

result threshold_rekeygen_combine(const struct rekey_part parts[], size_t count, unsigned t,
                                  struct rekey *out) {
    if (t < 1 || t > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "t = %u parts: between 1 and %d are possible", t, SCHEME_MAX_SERVERS);
    if (count < t)
        return FAIL(QUORUM, "%zu parts of the re-encryption key, %u are needed", count, t);
    uint32_t indices[SCHEME_MAX_SERVERS];
    struct scalar lambda[SCHEME_MAX_SERVERS];
    struct g2 p[SCHEME_MAX_SERVERS], q[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < t; i++) {
        indices[i] = parts[i].j;
        p[i] = parts[i].p;
        q[i] = parts[i].q;
    }
    TRY(lagrange_at_zero(indices, t, lambda));
    TRY(g2_multi_exp_public(p, lambda, t, &out->rk1));
    return g2_multi_exp_public(q, lambda, t, &out->rk2);
}

result threshold_rekeygen_check(const struct public_key *owner, const struct rekey_request *request,
                                const struct rekey *rekey) {
    if (!answers(&owner->pk1, &request->p, &rekey->rk1) ||
        !answers(&owner->pk1, &request->q, &rekey->rk2))
        return FAIL(INTEGRITY, "the re-encryption key is wrong: a key server gave a wrong part");
    return OK;
}

static result parse_pair(const char *field, struct view p, struct view q, struct g2 *out_p,
                         struct g2 *out_q) {
    result code = g2_parse("P", p, out_p);
    if (code == OK)
        code = g2_parse("Q", q, out_q);
    return code == OK ? OK : error_at(code, "%s", field);
}

result rekey_request_parse(const char *field, struct view p, struct view q,
                           struct rekey_request *out) {
    return parse_pair(field, p, q, &out->p, &out->q);
}

result rekey_part_parse(const char *field, uint32_t j, unsigned m, struct view p, struct view q,
                        struct rekey_part *out) {
    if (j < 1 || j > m)
        return FAIL(PROTOCOL, "%s: share index %u: outside 1 to m = %u", field, j, m);
    out->j = j;
    return parse_pair(field, p, q, &out->p, &out->q);
}
