/* KeyGen: the proof of possession holds for its key and name, and for nothing else. */
#include "scheme_fixture.h"

static struct view proof_view(const uint8_t proof[POSSESSION_BYTES]) {
    return view_of(proof, POSSESSION_BYTES);
}

static void prove(const struct person *person, const char *name, uint8_t out[POSSESSION_BYTES]) {
    keygen_prove(&person->secret, &person->public_key, view_of_string(name), out);
}

static void test_keys_differ_and_match(void **state) {
    (void)state;
    struct public_key again;
    keygen_public(&fixture.owner.secret, &again);
    assert_true(g1_equal(&again.pk1, &fixture.owner.public_key.pk1));
    assert_true(g2_equal(&again.pk2, &fixture.owner.public_key.pk2));
    assert_false(g1_equal(&again.pk1, &fixture.recipient.public_key.pk1));
    assert_false(scalar_equal(&fixture.owner.secret.a1, &fixture.owner.secret.a2));
}

static void test_proof_holds(void **state) {
    (void)state;
    uint8_t proof[POSSESSION_BYTES], second[POSSESSION_BYTES];
    prove(&fixture.owner, "alice", proof);
    prove(&fixture.owner, "alice", second);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(proof)), OK);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(second)), OK);
    assert_memory_not_equal(proof, second, sizeof proof);
}

static void test_proof_of_another_name_or_key(void **state) {
    (void)state;
    uint8_t proof[POSSESSION_BYTES];
    prove(&fixture.owner, "alice", proof);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("mallory"), proof_view(proof)),
        INTEGRITY);
    assert_int_equal(
        keygen_verify(&fixture.recipient.public_key, view_of_string("alice"), proof_view(proof)),
        INTEGRITY);
    struct public_key half = fixture.owner.public_key;
    half.pk2 = fixture.recipient.public_key.pk2;
    assert_int_equal(keygen_verify(&half, view_of_string("alice"), proof_view(proof)), INTEGRITY);
    half = fixture.owner.public_key;
    half.pk1 = fixture.recipient.public_key.pk1;
    assert_int_equal(keygen_verify(&half, view_of_string("alice"), proof_view(proof)), INTEGRITY);
}

static void test_proof_needs_both_secrets(void **state) {
    (void)state;
    struct secret_key half = fixture.owner.secret;
    uint8_t proof[POSSESSION_BYTES];
    half.a2 = fixture.recipient.secret.a2;
    keygen_prove(&half, &fixture.owner.public_key, view_of_string("alice"), proof);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(proof)),
        INTEGRITY);
    half = fixture.owner.secret;
    half.a1 = fixture.recipient.secret.a1;
    keygen_prove(&half, &fixture.owner.public_key, view_of_string("alice"), proof);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(proof)),
        INTEGRITY);
}

static void test_altered_proofs(void **state) {
    (void)state;
    uint8_t proof[POSSESSION_BYTES];
    prove(&fixture.owner, "alice", proof);
    for (size_t i = 31; i < POSSESSION_BYTES; i += 32) {
        proof[i] ^= 1;
        assert_int_equal(
            keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(proof)),
            INTEGRITY);
        proof[i] ^= 1;
    }
    memset(proof + 32, 0xff, 32);
    assert_int_equal(
        keygen_verify(&fixture.owner.public_key, view_of_string("alice"), proof_view(proof)),
        PROTOCOL);
    assert_error_says("z1");
    assert_int_equal(keygen_verify(&fixture.owner.public_key, view_of_string("alice"),
                                   view_of(proof, POSSESSION_BYTES - 1)),
                     PROTOCOL);
}

static void test_public_key_bytes(void **state) {
    (void)state;
    uint8_t bytes[PUBLIC_KEY_BYTES];
    struct public_key back;
    public_key_to_bytes(&fixture.owner.public_key, bytes);
    assert_int_equal(public_key_parse("alice", view_of(bytes, sizeof bytes), &back), OK);
    assert_true(g1_equal(&back.pk1, &fixture.owner.public_key.pk1));
    assert_true(g2_equal(&back.pk2, &fixture.owner.public_key.pk2));
    assert_int_equal(public_key_parse("alice", view_of(bytes, sizeof bytes - 1), &back), PROTOCOL);
    memset(bytes + G1_BYTES, 0, G2_BYTES);
    bytes[G1_BYTES] = 0xc0;
    assert_int_equal(public_key_parse("alice", view_of(bytes, sizeof bytes), &back), PROTOCOL);
    assert_error_says("alice: PK2: is the identity");
    memset(bytes, 0, G1_BYTES);
    assert_int_equal(public_key_parse("alice", view_of(bytes, sizeof bytes), &back), PROTOCOL);
    assert_error_says("alice: PK1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_differ_and_match),
        cmocka_unit_test(test_proof_holds),
        cmocka_unit_test(test_proof_of_another_name_or_key),
        cmocka_unit_test(test_proof_needs_both_secrets),
        cmocka_unit_test(test_altered_proofs),
        cmocka_unit_test(test_public_key_bytes),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
