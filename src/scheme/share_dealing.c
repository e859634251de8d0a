#include "scheme/share_dealing.h"

#include <string.h>

#include "base/secret.h"
#include "scheme/polynomial.h"
#include "scheme/setup.h"

void share_dealing_free(struct share_dealing *dealing) {
    share_commitments_free(&dealing->commitments);
}

static result check_index(const char *who, uint32_t index) {
    if (index < 1 || index > SCHEME_MAX_SERVERS)
        return FAIL(INVALID, "%s index %u: outside 1 to %d", who, index, SCHEME_MAX_SERVERS);
    return OK;
}

/* ------------------------------------------------------------------ dealing */

/* The constant term of the polynomial with these higher coefficients and this value at x. */
static void constant_term(const struct scalar *value, const struct scalar higher[], unsigned t,
                          uint32_t x, struct scalar *out) {
    const struct scalar zero = {0};
    polynomial_evaluate(&zero, higher, t, x, out);
    scalar_sub(value, out, out);
}

/* The same in the exponent, from the higher coefficients' commitments; the constant terms' are the
 * identity when this is called. */
static result commit_constant_terms(const struct dealt_point *point,
                                    struct share_commitments *commitments) {
    if (point->x > 0) {
        TRY(share_public_f1(commitments, point->x, &commitments->f1[0]));
        TRY(share_public_f2(commitments, point->x, &commitments->f2[0]));
    }
    g1_inverse(&commitments->f1[0], &commitments->f1[0]);
    g2_inverse(&commitments->f2[0], &commitments->f2[0]);
    g1_mul(&point->f1, &commitments->f1[0], &commitments->f1[0]);
    g2_mul(&point->f2, &commitments->f2[0], &commitments->f2[0]);
    return OK;
}

static void commit_higher(const struct public_key *public_key, const struct scalar higher1[],
                          const struct scalar higher2[], struct share_commitments *out) {
    for (unsigned i = 1; i < out->t; i++) {
        g1_exp_generator(&higher1[i - 1], &out->f1[i]);
        g2_exp(&public_key->pk2, &higher2[i - 1], &out->f2[i]);
    }
}

static result set_receivers(const uint32_t receivers[], size_t count, uint32_t dealer,
                            struct subshare out_subshares[]) {
    for (size_t i = 0; i < count; i++) {
        uint32_t receiver = receivers != NULL ? receivers[i] : (uint32_t)i + 1;
        TRY(check_index("receiver's", receiver));
        out_subshares[i] = (struct subshare){.dealer = dealer, .value.j = receiver};
    }
    return OK;
}

result share_dealing_new(const struct public_key *public_key, uint32_t dealer, unsigned t,
                         const struct key_share *value, const struct dealt_point *point,
                         const uint32_t receivers[], size_t count, struct subshare out_subshares[],
                         struct share_dealing *out) {
    *out = (struct share_dealing){.dealer = dealer};
    TRY(check_index("dealer's", dealer));
    TRY(set_receivers(receivers, count, dealer, out_subshares));
    AUTO_DEALING struct share_dealing dealing = {.dealer = dealer};
    TRY(share_commitments_new(t, &dealing.commitments));
    AUTO_SECRET struct scalar *secret = NULL; /* the two constant terms, then what is above them */
    TRY(secret_new(2 * t * sizeof *secret, (void **)&secret));
    struct scalar *higher1 = secret + 2, *higher2 = higher1 + (t - 1);
    for (unsigned i = 0; i < 2 * (t - 1); i++)
        scalar_random(&higher1[i]);
    constant_term(&value->s1, higher1, t, value->j, &secret[0]);
    constant_term(&value->s2, higher2, t, value->j, &secret[1]);
    for (size_t i = 0; i < count; i++) {
        struct key_share *to = &out_subshares[i].value;
        polynomial_evaluate(&secret[0], higher1, t, to->j, &to->s1);
        polynomial_evaluate(&secret[1], higher2, t, to->j, &to->s2);
    }
    commit_higher(public_key, higher1, higher2, &dealing.commitments);
    TRY(commit_constant_terms(point, &dealing.commitments));
    *out = dealing;
    dealing = (struct share_dealing){0};
    return OK;
}

/* ------------------------------------------------------------------ bytes */

size_t share_dealing_bytes(unsigned t) {
    return (size_t)(t - 1) * DEALT_COEFFICIENT_BYTES;
}

void share_dealing_to_bytes(const struct share_dealing *dealing, uint8_t out[]) {
    const struct share_commitments *commitments = &dealing->commitments;
    for (unsigned i = 1; i < commitments->t; i++, out += G1_BYTES)
        g1_to_bytes(&commitments->f1[i], out);
    for (unsigned i = 1; i < commitments->t; i++, out += G2_BYTES)
        g2_to_bytes(&commitments->f2[i], out);
}

static result parse_higher(struct view bytes, struct share_commitments *out) {
    struct view point;
    for (unsigned i = 1; i < out->t; i++) {
        if (!view_take(&bytes, G1_BYTES, &point))
            return FAIL(PROTOCOL, "too short");
        TRY(g1_parse("d1", point, &out->f1[i]));
    }
    for (unsigned i = 1; i < out->t; i++) {
        if (!view_take(&bytes, G2_BYTES, &point))
            return FAIL(PROTOCOL, "too short");
        TRY(g2_parse("d2", point, &out->f2[i]));
    }
    return OK;
}

result share_dealing_parse(const char *field, uint32_t dealer, struct view bytes, unsigned t,
                           const struct dealt_point *point, struct share_dealing *out) {
    *out = (struct share_dealing){.dealer = dealer};
    TRY(check_index("dealer's", dealer));
    AUTO_DEALING struct share_dealing dealing = {.dealer = dealer};
    TRY(share_commitments_new(t, &dealing.commitments));
    if (bytes.len != share_dealing_bytes(t))
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %zu for t = %u", field, bytes.len,
                    share_dealing_bytes(t), t);
    result parsed = parse_higher(bytes, &dealing.commitments);
    if (parsed != OK)
        return error_at(parsed, "%s", field);
    TRY(commit_constant_terms(point, &dealing.commitments));
    *out = dealing;
    dealing = (struct share_dealing){0};
    return OK;
}

void subshare_to_bytes(const struct subshare *subshare, uint8_t out[SUBSHARE_BYTES]) {
    scalar_to_bytes(&subshare->value.s1, out);
    scalar_to_bytes(&subshare->value.s2, out + SCALAR_BYTES);
}

result subshare_parse(const char *field, uint32_t dealer, uint32_t receiver, struct view bytes,
                      struct subshare *out) {
    TRY(check_index("dealer's", dealer));
    TRY(check_index("receiver's", receiver));
    if (bytes.len != SUBSHARE_BYTES)
        return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, bytes.len, SUBSHARE_BYTES);
    out->dealer = dealer;
    out->value.j = receiver;
    result parsed = scalar_parse("d1", view_of(bytes.data, SCALAR_BYTES), &out->value.s1);
    if (parsed == OK)
        parsed =
            scalar_parse("d2", view_of(bytes.data + SCALAR_BYTES, SCALAR_BYTES), &out->value.s2);
    return parsed == OK ? OK : error_at(parsed, "%s", field);
}

/* ------------------------------------------------------------------ using what was dealt */

result share_dealing_check(const struct public_key *public_key, const struct share_dealing *dealing,
                           const struct subshare *subshare) {
    if (subshare->dealer != dealing->dealer)
        return FAIL(INVALID, "a sub-share of key server %u, checked against a dealing of %u",
                    subshare->dealer, dealing->dealer);
    result fits = share_check_fits(public_key, &dealing->commitments, &subshare->value);
    return fits == OK ? OK
                      : error_at(fits, "key server %u dealt a wrong sub-share", dealing->dealer);
}

/* Dealers met so far. */
struct dealers {
    bool seen[SCHEME_MAX_SERVERS + 1];
};

static result dealers_add(struct dealers *dealers, uint32_t dealer) {
    TRY(check_index("dealer's", dealer));
    if (dealers->seen[dealer])
        return FAIL(INVALID, "key server %u: two dealings", dealer);
    dealers->seen[dealer] = true;
    return OK;
}

static result check_dealings(unsigned t, const struct share_dealing dealings[], size_t count) {
    struct dealers dealers = {0};
    if (count < t)
        return FAIL(QUORUM, "%zu key servers dealt, %u are needed for one of them to be honest",
                    count, t);
    for (size_t i = 0; i < count; i++) {
        TRY(dealers_add(&dealers, dealings[i].dealer));
        if (dealings[i].commitments.t != t)
            return FAIL(INVALID, "key server %u dealt for t = %u, expected %u", dealings[i].dealer,
                        dealings[i].commitments.t, t);
    }
    return OK;
}

result share_dealing_sum(const struct share_commitments *commitments,
                         const struct share_dealing dealings[], size_t count,
                         struct share_commitments *out) {
    *out = (struct share_commitments){0};
    TRY(check_dealings(commitments->t, dealings, count));
    TRY(share_commitments_new(commitments->t, out));
    memcpy(out->f1, commitments->f1, out->t * sizeof *out->f1);
    memcpy(out->f2, commitments->f2, out->t * sizeof *out->f2);
    for (size_t i = 0; i < count; i++)
        for (unsigned c = 0; c < out->t; c++) {
            g1_mul(&out->f1[c], &dealings[i].commitments.f1[c], &out->f1[c]);
            g2_mul(&out->f2[c], &dealings[i].commitments.f2[c], &out->f2[c]);
        }
    return OK;
}

result share_dealing_add(const struct key_share *share, const struct subshare subshares[],
                         size_t count, struct key_share *out_share) {
    struct dealers dealers = {0};
    for (size_t i = 0; i < count; i++) {
        TRY(dealers_add(&dealers, subshares[i].dealer));
        if (subshares[i].value.j != share->j)
            return FAIL(INVALID, "key server %u's sub-share: for key server %u, not for %u",
                        subshares[i].dealer, subshares[i].value.j, share->j);
    }
    *out_share = *share;
    for (size_t i = 0; i < count; i++) {
        scalar_add(&out_share->s1, &subshares[i].value.s1, &out_share->s1);
        scalar_add(&out_share->s2, &subshares[i].value.s2, &out_share->s2);
    }
    return OK;
}

result share_dealing_check_pairs(const struct share_dealing dealings[],
                                 const struct subshare subshares[], size_t count) {
    for (size_t i = 0; i < count; i++)
        if (dealings[i].dealer != subshares[i].dealer)
            return FAIL(INVALID, "dealing %zu is of key server %u, its sub-share of %u", i,
                        dealings[i].dealer, subshares[i].dealer);
    return OK;
}
