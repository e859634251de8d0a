/* ReKeyGen, plain and threshold, and ReEnc: the recipient reads the image, and nobody reads another
 * one or with another's key. */
#include "scheme_fixture.h"

static void make_rekey(struct view id, const struct person *recipient, struct rekey *out) {
    assert_int_equal(rekeygen(&fixture.owner.secret.a1, &fixture.owner.secret.a3, id,
                              &recipient->public_key, out),
                     OK);
}

/* Whether `reader`'s key servers open the image re-encrypted under `rekey`. */
static bool opens_for(const struct rekey *rekey, const struct person *reader) {
    struct codeword_symbol symbols[K];
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    reencrypt_symbols(rekey, 1, symbols);
    symbol_pointers(symbols, 0, pointers);
    combined_d(reader, 1, &symbols[0].value.beta, 1, &d);
    return opens(pointers, &d);
}

static void test_the_recipient_reads(void **state) {
    (void)state;
    struct rekey rekey;
    make_rekey(image_view(), &fixture.recipient, &rekey);
    assert_true(opens_for(&rekey, &fixture.recipient));
}

static void test_nobody_else_reads(void **state) {
    (void)state;
    struct rekey rekey;
    make_rekey(image_view(), &fixture.recipient, &rekey);
    assert_false(opens_for(&rekey, &fixture.stranger));
    assert_false(opens_for(&rekey, &fixture.owner));
}

static void test_a_rekey_of_another_image_opens_nothing(void **state) {
    (void)state;
    struct rekey rekey;
    make_rekey(view_of_string("1.2.840.113619.2.55.4"), &fixture.recipient, &rekey);
    assert_false(opens_for(&rekey, &fixture.recipient));
}

static void test_halves_of_two_rekeys_open_nothing(void **state) {
    (void)state;
    struct rekey first, second, mixed;
    make_rekey(image_view(), &fixture.recipient, &first);
    make_rekey(image_view(), &fixture.recipient, &second);
    assert_false(g2_equal(&first.rk1, &second.rk1));
    mixed = (struct rekey){first.rk1, second.rk2};
    assert_false(opens_for(&mixed, &fixture.recipient));
    mixed = (struct rekey){second.rk1, first.rk2};
    assert_false(opens_for(&mixed, &fixture.recipient));
}

static void test_the_wrong_half_of_the_shares_opens_nothing(void **state) {
    (void)state;
    struct rekey rekey;
    struct codeword_symbol symbols[K];
    const struct codeword_symbol *pointers[K];
    struct g2 d;
    make_rekey(image_view(), &fixture.recipient, &rekey);
    reencrypt_symbols(&rekey, 0, symbols);
    symbol_pointers(symbols, 0, pointers);
    combined_d(&fixture.recipient, 0, &symbols[0].value.beta, 0, &d); /* f1 instead of f2 */
    assert_false(opens(pointers, &d));
}

static void test_reencrypting_twice(void **state) {
    (void)state;
    struct rekey rekey;
    struct reenc_key key;
    struct ciphertext once, twice;
    make_rekey(image_view(), &fixture.recipient, &rekey);
    reenc_prepare(&rekey, &key);
    assert_int_equal(reenc(&key, &fixture.symbols[0].value, &once), OK);
    assert_int_equal(once.b, 1);
    assert_int_equal(reenc(&key, &once, &twice), INVALID);
}

struct dialogue {
    struct rekey_request request;
    struct rekey_part parts[M];
};

static void make_dialogue(struct dialogue *out) {
    assert_int_equal(threshold_rekeygen_request(&fixture.owner.secret.a3, image_view(),
                                                &fixture.recipient.public_key, &out->request),
                     OK);
    for (size_t i = 0; i < M; i++)
        threshold_rekeygen_part(&fixture.owner.shares[i], &out->request, &out->parts[i]);
}

static void test_any_t_parts_make_a_rekey(void **state) {
    (void)state;
    struct dialogue dialogue;
    struct rekey first, rekey;
    make_dialogue(&dialogue);
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T, T, &first), OK);
    assert_true(opens_for(&first, &fixture.recipient));
    assert_false(opens_for(&first, &fixture.stranger));
    for (size_t at = 1; at + T <= M; at++) {
        assert_int_equal(threshold_rekeygen_combine(dialogue.parts + at, T, T, &rekey), OK);
        assert_true(g2_equal(&first.rk1, &rekey.rk1));
        assert_true(g2_equal(&first.rk2, &rekey.rk2));
    }
    assert_int_equal(threshold_rekeygen_check(&fixture.owner.public_key, &dialogue.request, &rekey),
                     OK);
}

static void test_too_few_or_repeated_parts(void **state) {
    (void)state;
    struct dialogue dialogue;
    struct rekey rekey;
    make_dialogue(&dialogue);
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T - 1, T, &rekey), QUORUM);
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T - 1, T - 1, &rekey), OK);
    assert_int_equal(threshold_rekeygen_check(&fixture.owner.public_key, &dialogue.request, &rekey),
                     INTEGRITY);
    assert_false(opens_for(&rekey, &fixture.recipient));
    dialogue.parts[1] = dialogue.parts[0];
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T, T, &rekey), INVALID);
    dialogue.parts[1].j = 0;
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T, T, &rekey), INVALID);
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T, 0, &rekey), INVALID);
}

static void test_a_wrong_part_is_found(void **state) {
    (void)state;
    struct dialogue dialogue;
    struct rekey rekey;
    make_dialogue(&dialogue);
    for (size_t i = 0; i < M; i++)
        assert_int_equal(threshold_rekeygen_check_part(&fixture.owner.commitments,
                                                       &dialogue.request, &dialogue.parts[i]),
                         OK);
    dialogue.parts[1].q = dialogue.parts[2].q;
    assert_int_equal(threshold_rekeygen_combine(dialogue.parts, T, T, &rekey), OK);
    assert_int_equal(threshold_rekeygen_check(&fixture.owner.public_key, &dialogue.request, &rekey),
                     INTEGRITY);
    assert_int_equal(threshold_rekeygen_check_part(&fixture.owner.commitments, &dialogue.request,
                                                   &dialogue.parts[1]),
                     INTEGRITY);
    assert_error_says("key server 2");
    dialogue.parts[3].p = dialogue.parts[2].p;
    assert_int_equal(threshold_rekeygen_check_part(&fixture.owner.commitments, &dialogue.request,
                                                   &dialogue.parts[3]),
                     INTEGRITY);
}

static void test_parsing(void **state) {
    (void)state;
    struct rekey rekey, back;
    struct rekey_part part;
    struct rekey_request request;
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES];
    make_rekey(image_view(), &fixture.recipient, &rekey);
    rekey_to_bytes(&rekey, rk1, rk2);
    struct view good1 = view_of(rk1, G2_BYTES), good2 = view_of(rk2, G2_BYTES);
    assert_int_equal(rekey_parse("forward", good1, good2, &back), OK);
    assert_true(g2_equal(&back.rk1, &rekey.rk1));
    assert_true(g2_equal(&back.rk2, &rekey.rk2));
    assert_int_equal(rekey_part_parse("key-2", 2, M, good1, good2, &part), OK);
    assert_int_equal(rekey_part_parse("key-2", 0, M, good1, good2, &part), PROTOCOL);
    assert_int_equal(rekey_part_parse("key-2", M + 1, M, good1, good2, &part), PROTOCOL);
    assert_int_equal(rekey_request_parse("rekey", good1, good2, &request), OK);
    struct view bad = view_of(rk2, G2_BYTES - 1);
    assert_int_equal(rekey_parse("forward", good1, bad, &back), PROTOCOL);
    assert_error_says("forward: rk2: 95 bytes");
    assert_int_equal(rekey_parse("forward", bad, good2, &back), PROTOCOL);
    assert_error_says("forward: rk1");
    assert_int_equal(rekey_request_parse("rekey", good1, bad, &request), PROTOCOL);
    assert_error_says("rekey: Q");
    assert_int_equal(rekey_part_parse("key-2", 2, M, bad, good2, &part), PROTOCOL);
    assert_error_says("key-2: P");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_recipient_reads),
        cmocka_unit_test(test_nobody_else_reads),
        cmocka_unit_test(test_a_rekey_of_another_image_opens_nothing),
        cmocka_unit_test(test_halves_of_two_rekeys_open_nothing),
        cmocka_unit_test(test_the_wrong_half_of_the_shares_opens_nothing),
        cmocka_unit_test(test_reencrypting_twice),
        cmocka_unit_test(test_any_t_parts_make_a_rekey),
        cmocka_unit_test(test_too_few_or_repeated_parts),
        cmocka_unit_test(test_a_wrong_part_is_found),
        cmocka_unit_test(test_parsing),
    };
    return cmocka_run_group_tests(tests, setup_fixture, teardown_fixture);
}
