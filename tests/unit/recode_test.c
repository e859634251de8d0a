/* Recode: any k symbols give any other one, element for element; dependent ones give none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/recode.h"
#include "scheme/token.h"

enum { K = 3, N = 6 };

static struct codeword_symbol symbols[N];

static int start(void **state) {
    struct secret_key secret;
    struct public_key public_key;
    struct scalar a3, row[K];
    struct g2 tau;
    struct gt messages[K];
    struct ciphertext ciphertexts[K];
    (void)state;
    if (secret_start() != OK)
        return -1;
    keygen(&secret, &public_key);
    scalar_from_u64(7, &a3);
    assert_int_equal(token(&a3, view_of("id", 2), &tau), OK);
    enc_random_messages(K, messages);
    enc(&public_key, &tau, messages, K, ciphertexts);
    for (unsigned i = 0; i < N; i++) {
        encode_coefficients(NULL, K, row);
        assert_int_equal(encode(ciphertexts, row, K, &symbols[i]), OK);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    for (unsigned i = 0; i < N; i++)
        codeword_symbol_free(&symbols[i]);
    return 0;
}

static void test_any_k_give_any_other(void **state) {
    (void)state;
    for (unsigned lost = 0; lost < N; lost++)
        for (unsigned skip = 1; skip < N - K + 1; skip++) {
            const struct codeword_symbol *others[K];
            AUTO_SYMBOL struct codeword_symbol made = {0};
            struct ciphertext_bytes want, got;
            for (unsigned i = 0; i < K; i++)
                others[i] = &symbols[(lost + skip + i) % N];
            assert_int_equal(recode(others, K, symbols[lost].coefficients, &made), OK);
            ciphertext_to_bytes(&symbols[lost].value, &want);
            ciphertext_to_bytes(&made.value, &got);
            assert_memory_equal(&want, &got, sizeof want);
            assert_int_equal(made.value.b, 0);
            for (unsigned i = 0; i < K; i++)
                assert_true(scalar_equal(&made.coefficients[i], &symbols[lost].coefficients[i]));
        }
}

static void test_what_gives_none(void **state) {
    (void)state;
    AUTO_SYMBOL struct codeword_symbol made = {0};
    const struct codeword_symbol *twice[K] = {&symbols[0], &symbols[1], &symbols[0]};
    assert_int_equal(recode(twice, K, symbols[2].coefficients, &made), CRYPTO);
    struct codeword_symbol forwarded = symbols[1];
    forwarded.value.b = 1;
    const struct codeword_symbol *mixed[K] = {&symbols[0], &forwarded, &symbols[3]};
    assert_int_equal(recode(mixed, K, symbols[2].coefficients, &made), INVALID);
    struct codeword_symbol foreign = symbols[1];
    g2_exp_generator(&symbols[0].coefficients[0], &foreign.value.beta);
    mixed[1] = &foreign;
    assert_int_equal(recode(mixed, K, symbols[2].coefficients, &made), INVALID);
    struct codeword_symbol short_one = symbols[1];
    short_one.k = K - 1;
    mixed[1] = &short_one;
    assert_int_equal(recode(mixed, K, symbols[2].coefficients, &made), INVALID);
    assert_null(made.coefficients);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_k_give_any_other),
        cmocka_unit_test(test_what_gives_none),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
