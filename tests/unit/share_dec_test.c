/* ShareDec: a partial's proof holds for exactly that server, envelope and user. */
#include "scheme_fixture.h"

/* A partial with its proof, for b = 0 of the owner or b = 1 of the recipient. */
struct proven {
    uint32_t b;
    const struct person *person;
    struct g2 beta;
    struct partial partial;
    uint8_t proof[PARTIAL_PROOF_BYTES];
};

static void prove(uint32_t b, struct proven *out) {
    struct scalar s;
    out->b = b;
    out->person = b == 0 ? &fixture.owner : &fixture.recipient;
    out->beta = fixture.tau;
    if (b == 1) { /* as a re-encryption key's rk1 would be: any point but tau */
        scalar_random(&s);
        g2_exp_generator(&s, &out->beta);
    }
    assert_int_equal(share_dec(&out->person->shares[1], b, &out->beta, &out->partial), OK);
    assert_int_equal(share_dec_prove(&out->person->shares[1], &out->person->public_key, b,
                                     &out->beta, &out->partial, out->proof),
                     OK);
}

static result verify(const struct proven *proven) {
    return partial_verify(&proven->person->public_key, &proven->person->commitments, proven->b,
                          &proven->beta, &proven->partial,
                          view_of(proven->proof, sizeof proven->proof));
}

static void test_true_proofs_hold(void **state) {
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        struct proven proven;
        prove(b, &proven);
        assert_int_equal(verify(&proven), OK);
    }
}

static void assert_integrity(const struct proven *proven) {
    assert_int_equal(verify(proven), INTEGRITY);
    assert_error_says("key server");
}

static void test_false_statements(void **state) {
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        struct proven proven, original;
        prove(b, &original);
        proven = original;
        g2_mul(&proven.partial.d, &proven.beta, &proven.partial.d);
        assert_integrity(&proven);
        proven = original;
        proven.partial.j = 3;
        assert_integrity(&proven);
        proven = original;
        g2_generator(&proven.beta);
        assert_integrity(&proven);
        proven = original;
        proven.b = 1 - b;
        assert_integrity(&proven);
        proven = original;
        proven.person = &fixture.stranger;
        assert_integrity(&proven);
        for (size_t i = 31; i < PARTIAL_PROOF_BYTES; i += 32) {
            proven = original;
            proven.proof[i] ^= 1;
            assert_integrity(&proven);
        }
    }
}

/* A lying server: an honest proof procedure over a wrong partial. */
static void test_a_wrong_partial_cannot_be_proven(void **state) {
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        struct proven proven;
        prove(b, &proven);
        g2_mul(&proven.partial.d, &proven.beta, &proven.partial.d);
        assert_int_equal(share_dec_prove(&proven.person->shares[1], &proven.person->public_key, b,
                                         &proven.beta, &proven.partial, proven.proof),
                         OK);
        assert_integrity(&proven);
        struct key_share other = proven.person->shares[1];
        other.s1 = proven.person->shares[2].s1;
        other.s2 = proven.person->shares[2].s2;
        assert_int_equal(share_dec(&other, b, &proven.beta, &proven.partial), OK);
        assert_int_equal(share_dec_prove(&other, &proven.person->public_key, b, &proven.beta,
                                         &proven.partial, proven.proof),
                         OK);
        assert_integrity(&proven);
    }
}

static void test_shapes(void **state) {
    (void)state;
    struct proven proven;
    prove(0, &proven);
    assert_int_equal(partial_verify(&proven.person->public_key, &proven.person->commitments, 0,
                                    &proven.beta, &proven.partial,
                                    view_of(proven.proof, PARTIAL_PROOF_BYTES - 1)),
                     PROTOCOL);
    memset(proven.proof, 0xff, SCALAR_BYTES);
    assert_int_equal(verify(&proven), PROTOCOL);
    assert_error_says("proof: c");
    prove(0, &proven);
    proven.b = 2;
    assert_int_equal(verify(&proven), INVALID);
    assert_int_equal(share_dec(&fixture.owner.shares[0], 2, &fixture.tau, &proven.partial),
                     INVALID);
    prove(0, &proven);
    proven.partial.j = 0;
    assert_int_equal(verify(&proven), INVALID);
}

static void test_parsing(void **state) {
    (void)state;
    struct partial partial, back;
    uint8_t bytes[G2_BYTES];
    assert_int_equal(share_dec(&fixture.owner.shares[1], 0, &fixture.tau, &partial), OK);
    g2_to_bytes(&partial.d, bytes);
    assert_int_equal(partial_parse("key-2", 2, M, view_of(bytes, sizeof bytes), &back), OK);
    assert_int_equal(back.j, 2);
    assert_true(g2_equal(&back.d, &partial.d));
    assert_int_equal(partial_parse("key-2", 0, M, view_of(bytes, sizeof bytes), &back), PROTOCOL);
    assert_int_equal(partial_parse("key-2", M + 1, M, view_of(bytes, sizeof bytes), &back),
                     PROTOCOL);
    assert_int_equal(partial_parse("key-2", 2, M, view_of(bytes, 48), &back), PROTOCOL);
    assert_error_says("key-2: D: 48 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_proofs_hold),
        cmocka_unit_test(test_false_statements),
        cmocka_unit_test(test_a_wrong_partial_cannot_be_proven),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_parsing),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
