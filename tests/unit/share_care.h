/*
 * What the tests of refresh, replacement and resharing share: dealings that travel as bytes, and
 * whether a set of shares works.
 */
#ifndef MYELIN_TESTS_SHARE_CARE_H
#define MYELIN_TESTS_SHARE_CARE_H

#include "scheme_fixture.h"

#include "scheme/lagrange.h"
#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"

enum { MANY = 7 }; /* at most, of servers and dealers */

/* Dealings of some dealers, with all that they dealt: by dealer's position, then by receiver's. */
struct dealt {
    size_t dealers, receivers;
    struct share_dealing dealing[MANY];
    struct subshare sub[MANY][MANY];
};

static inline void dealt_free(struct dealt *dealt) {
    for (size_t d = 0; d < dealt->dealers; d++)
        share_dealing_free(&dealt->dealing[d]);
}
#define AUTO_DEALT __attribute__((cleanup(dealt_free)))

/* Receiver's sub-shares, in the order of the dealings. */
static inline void dealt_to(const struct dealt *dealt, size_t receiver, struct subshare out[MANY]) {
    for (size_t d = 0; d < dealt->dealers; d++)
        out[d] = dealt->sub[d][receiver];
}

static inline void bump(struct scalar *scalar) {
    struct scalar one;
    scalar_from_u64(1, &one);
    scalar_add(scalar, &one, scalar);
}

static inline bool same_commitments(const struct share_commitments *a,
                                    const struct share_commitments *b) {
    bool same = a->t == b->t;
    for (unsigned i = 0; same && i < a->t; i++)
        same = g1_equal(&a->f1[i], &b->f1[i]) && g2_equal(&a->f2[i], &b->f2[i]);
    return same;
}

/* Whether t shares open what was sealed to their owner and what was forwarded to him, with proofs
 * that hold under the commitments. */
static inline void assert_shares_work(const struct person *person,
                                      const struct share_commitments *commitments,
                                      const struct key_share shares[]) {
    unsigned t = commitments->t;
    for (uint32_t b = 0; b < 2; b++) {
        struct partial partials[MANY];
        struct g2 beta, d, expected;
        struct scalar e, inverse_a2;
        scalar_random(&e);
        g2_exp_generator(&e, &beta);
        for (unsigned i = 0; i < t; i++) {
            uint8_t proof[PARTIAL_PROOF_BYTES];
            assert_int_equal(share_dec(&shares[i], b, &beta, &partials[i]), OK);
            assert_int_equal(
                share_dec_prove(&shares[i], &person->public_key, b, &beta, &partials[i], proof),
                OK);
            assert_int_equal(partial_verify(&person->public_key, commitments, b, &beta,
                                            &partials[i], view_of(proof, sizeof proof)),
                             OK);
        }
        assert_int_equal(combine_partials(partials, t, t, &d), OK);
        scalar_inverse(&person->secret.a2, &inverse_a2);
        g2_exp(&beta, b == 0 ? &person->secret.a1 : &inverse_a2, &expected);
        assert_true(g2_equal(&d, &expected));
    }
}

#endif
