/*
 * Two users of one small system and an image of the first: what the scheme's tests start from.
 */
#ifndef MYELIN_TESTS_SCHEME_FIXTURE_H
#define MYELIN_TESTS_SCHEME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/secret.h"
#include "scheme/combine.h"
#include "scheme/content_key.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/key_recover.h"
#include "scheme/reenc.h"
#include "scheme/setup.h"
#include "scheme/share_dec.h"
#include "scheme/threshold_rekeygen.h"
#include "scheme/token.h"

enum { N = 6, K = 3, M = 5, T = 3 };

struct person {
    struct secret_key secret;
    struct public_key public_key;
    struct key_share shares[M];
    struct share_commitments commitments;
};

struct fixture {
    struct person owner, recipient, stranger;
    struct g2 tau;
    struct gt messages[K], product;
    struct ciphertext ciphertexts[K];
    struct codeword_symbol symbols[N];
};

static inline void person_make(struct person *person) {
    keygen(&person->secret, &person->public_key);
    assert_int_equal(share_keygen(&person->secret, T, M, person->shares, &person->commitments), OK);
}

static const char image_id[] = "1.2.840.113619.2.55.3";

static inline struct view image_view(void) {
    return view_of_string(image_id);
}

static inline void fixture_make(struct fixture *out) {
    memset(out, 0, sizeof *out);
    person_make(&out->owner);
    person_make(&out->recipient);
    person_make(&out->stranger);
    assert_int_equal(token(&out->owner.secret.a3, image_view(), &out->tau), OK);
    enc_random_messages(K, out->messages);
    content_key_product(out->messages, K, &out->product);
    enc(&out->owner.public_key, &out->tau, out->messages, K, out->ciphertexts);
    for (size_t j = 0; j < N; j++) {
        struct scalar coefficients[K];
        encode_coefficients(NULL, K, coefficients);
        assert_int_equal(encode(out->ciphertexts, coefficients, K, &out->symbols[j]), OK);
    }
}

static inline void fixture_free(struct fixture *fixture) {
    share_commitments_free(&fixture->owner.commitments);
    share_commitments_free(&fixture->recipient.commitments);
    share_commitments_free(&fixture->stranger.commitments);
    for (size_t j = 0; j < N; j++)
        codeword_symbol_free(&fixture->symbols[j]);
}

/* One fixture for all tests of a program. */
static struct fixture fixture;

static inline int setup_fixture(void **state) {
    (void)state;
    assert_int_equal(secret_start(), OK);
    fixture_make(&fixture);
    return 0;
}

static inline int teardown_fixture(void **state) {
    (void)state;
    fixture_free(&fixture);
    return 0;
}

/* D from the person's key servers first, first + 1, ... (0-based), T of them. */
static inline void combined_d(const struct person *person, uint32_t b, const struct g2 *beta,
                              size_t first, struct g2 *out_d) {
    struct partial partials[T];
    for (size_t i = 0; i < T; i++)
        assert_int_equal(share_dec(&person->shares[first + i], b, beta, &partials[i]), OK);
    assert_int_equal(combine_partials(partials, T, T, out_d), OK);
}

/* The K symbols from position first on, as Combine takes them. */
static inline void symbol_pointers(const struct codeword_symbol symbols[], size_t first,
                                   const struct codeword_symbol *out[K]) {
    for (size_t i = 0; i < K; i++)
        out[i] = &symbols[first + i];
}

/* Re-encrypts K symbols from position first on; the results borrow their coefficients. */
static inline void reencrypt_symbols(const struct rekey *rekey, size_t first,
                                     struct codeword_symbol out[K]) {
    struct reenc_key key;
    reenc_prepare(rekey, &key);
    for (size_t i = 0; i < K; i++) {
        out[i] = fixture.symbols[first + i];
        assert_int_equal(reenc(&key, &fixture.symbols[first + i].value, &out[i].value), OK);
    }
}

/* Whether Combine over these symbols with this D gives the image's product. */
static inline bool opens(const struct codeword_symbol *const symbols[K], const struct g2 *d) {
    struct gt product;
    assert_int_equal(combine_product(symbols, K, d, &product), OK);
    return gt_equal(&product, &fixture.product);
}

static inline void assert_error_says(const char *words) {
    if (strstr(error_text(), words) == NULL)
        fail_msg("the error text \"%s\" does not say \"%s\"", error_text(), words);
}

#endif
