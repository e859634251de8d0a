/*
 * scheme-vectors FILE: recomputes every value of every case of a file of known answers.
 *
 * The file's shape is that of scheme-v1.json beside this source. A member that is missing, unknown
 * or of the wrong shape is an error, as is a file without cases: nothing in it goes unchecked.
 * Exit 0 only if all match, with a summary; otherwise 1 and the first difference by its path, or 2
 * for wrong usage.
 */
#include "base/digest.h"
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

#include "known_values.h"

enum { MAX = SCHEME_MAX_SERVERS, MAX_ID = 65536 };

/* ---------------------------------------------------------------- one case */

struct user {
    struct secret_key secret;
    struct public_key public_key;
    struct key_share shares[MAX];
    struct share_commitments commitments;
};

/* One case while it is recomputed; too large for the stack. */
struct known_case {
    struct setup setup;
    uint8_t id[MAX_ID];
    size_t id_len;
    struct user a, b;
    struct g2 tau;
    struct gt messages[MAX];
    struct ciphertext ciphertexts[MAX];
    struct codeword_symbol symbols[MAX];
    struct ciphertext reencrypted[MAX];
    struct rekey rekey;
    uint32_t key_servers[MAX];
    unsigned symbols_used[MAX];
};

static void check_shares(const json_t *object, const struct setup *setup, struct user *user) {
    static const char *const members[] = {"j", "s1", "s2", NULL};
    const json_t *array = get_array(object, "shares", setup->m);
    for (unsigned i = 0; i < setup->m; i++) {
        size_t at = enter(".shares[%u]", i);
        const json_t *share = json_array_get(array, i);
        check_members(share, members);
        if (get_number(share, "j", 1, setup->m) != user->shares[i].j)
            fail(".j is not %u", user->shares[i].j);
        expect_scalar(share, "s1", &user->shares[i].s1);
        expect_scalar(share, "s2", &user->shares[i].s2);
        require(share_check(&user->public_key, &user->commitments, setup->t, setup->m,
                            &user->shares[i]));
        leave(at);
    }
}

static void check_user(const json_t *known, const char *name, const struct setup *setup,
                       struct user *user) {
    static const char *const members[] = {"a1",    "a2",    "a3",     "pk1", "pk2",
                                          "poly1", "poly2", "shares", NULL};
    struct scalar poly1[MAX], poly2[MAX], recovered;
    const json_t *object = json_object_get(known, name);
    size_t at = enter(".%s", name);
    check_members(object, members);
    get_secret(object, "a1", &user->secret.a1);
    get_secret(object, "a2", &user->secret.a2);
    get_secret(object, "a3", &user->secret.a3);
    keygen_public(&user->secret, &user->public_key);
    expect_g1(object, "pk1", &user->public_key.pk1);
    expect_g2(object, "pk2", &user->public_key.pk2);
    get_scalars(object, "poly1", setup->t - 1, poly1);
    get_scalars(object, "poly2", setup->t - 1, poly2);
    require(share_keygen_with_polynomials(&user->secret, setup->t, setup->m, poly1, poly2,
                                          user->shares, &user->commitments));
    check_shares(object, setup, user);
    require(key_recover(user->shares, setup->m, setup->t, &user->public_key, &recovered));
    if (!scalar_equal(&recovered, &user->secret.a1))
        fail("a1 recovered from the shares differs");
    leave(at);
}

static void check_id_and_token(const json_t *object, struct known_case *known) {
    const char *digits = json_string_value(json_object_get(object, "id_utf8_hex"));
    size_t at = enter(".id_utf8_hex");
    if (digits == NULL || strlen(digits) % 2 != 0 || strlen(digits) / 2 > MAX_ID)
        fail("is not a string of at most %d bytes", MAX_ID);
    known->id_len = strlen(digits) / 2;
    read_hex(json_object_get(object, "id_utf8_hex"), known->id, known->id_len);
    leave(at);
    struct scalar f;
    struct view id = view_of(known->id, known->id_len);
    require(token_exponent(&known->a.secret.a3, id, &f));
    expect_scalar(object, "f_a3_id", &f);
    require(token(&known->a.secret.a3, id, &known->tau));
    expect_g2(object, "tau", &known->tau);
}

static void check_ciphertext(const json_t *object, const struct ciphertext *computed) {
    static const char *const members[] = {"b", "alpha", "beta", "gamma", NULL};
    check_members(object, members);
    if (get_number(object, "b", 0, 1) != computed->b)
        fail(".b is not %u", computed->b);
    expect_g1(object, "alpha", &computed->alpha);
    expect_g2(object, "beta", &computed->beta);
    expect_gt(object, "gamma", &computed->gamma);
}

static void check_messages(const json_t *object, struct known_case *known) {
    unsigned k = known->setup.k;
    struct scalar exponents[MAX], r[MAX];
    get_scalars(object, "message_exponents", k, exponents);
    get_scalars(object, "enc_randomness", k, r);
    const json_t *hashes = get_array(object, "messages_sha256", k);
    const json_t *ciphertexts = get_array(object, "ciphertexts", k);
    for (unsigned i = 0; i < k; i++) {
        uint8_t bytes[GT_BYTES], hash[DIGEST_BYTES];
        enc_message(&exponents[i], &known->messages[i]);
        gt_to_bytes(&known->messages[i], bytes);
        digest_sha256(view_of(bytes, sizeof bytes), hash);
        size_t at = enter(".messages_sha256[%u]", i);
        expect_hex(json_array_get(hashes, i), hash, sizeof hash);
        leave(at);
    }
    enc_with_randomness(&known->a.public_key, &known->tau, known->messages, r, k,
                        known->ciphertexts);
    for (unsigned i = 0; i < k; i++) {
        size_t at = enter(".ciphertexts[%u]", i);
        check_ciphertext(json_array_get(ciphertexts, i), &known->ciphertexts[i]);
        leave(at);
    }
}

static void check_symbols(const json_t *object, struct known_case *known) {
    const json_t *rows = get_array(object, "coefficient_rows", known->setup.n);
    const json_t *symbols = get_array(object, "codeword_symbols", known->setup.n);
    for (unsigned j = 0; j < known->setup.n; j++) {
        struct scalar coefficients[MAX];
        size_t at = enter(".coefficient_rows[%u]", j);
        const json_t *row = json_array_get(rows, j);
        if (!json_is_array(row) || json_array_size(row) != known->setup.k)
            fail("is not an array of %u", known->setup.k);
        for (unsigned i = 0; i < known->setup.k; i++)
            get_scalar(json_array_get(row, i), &coefficients[i]);
        leave(at);
        at = enter(".codeword_symbols[%u]", j);
        require(encode(known->ciphertexts, coefficients, known->setup.k, &known->symbols[j]));
        check_ciphertext(json_array_get(symbols, j), &known->symbols[j].value);
        leave(at);
    }
}

static void check_rekey(const json_t *object, struct known_case *known) {
    static const char *const members[] = {"rk1", "rk2", NULL};
    struct scalar e;
    get_secret(object, "rekey_e", &e);
    size_t at = enter(".rekey");
    require(rekeygen_with_randomness(&known->a.secret.a1, &known->a.secret.a3,
                                     view_of(known->id, known->id_len), &known->b.public_key, &e,
                                     &known->rekey));
    const json_t *rekey = json_object_get(object, "rekey");
    check_members(rekey, members);
    expect_g2(rekey, "rk1", &known->rekey.rk1);
    expect_g2(rekey, "rk2", &known->rekey.rk2);
    leave(at);
}

static void check_parts(const json_t *parts, const struct known_case *known,
                        const struct rekey_request *request, struct rekey_part computed[]) {
    static const char *const members[] = {"j", "P", "Q", NULL};
    for (unsigned i = 0; i < known->setup.t; i++) {
        size_t at = enter(".parts[%u]", i);
        const json_t *part = json_array_get(parts, i);
        check_members(part, members);
        if (get_number(part, "j", 1, known->setup.m) != known->key_servers[i])
            fail(".j is not the key server's of this position");
        threshold_rekeygen_part(&known->a.shares[known->key_servers[i] - 1], request, &computed[i]);
        expect_g2(part, "P", &computed[i].p);
        expect_g2(part, "Q", &computed[i].q);
        require(threshold_rekeygen_check_part(&known->a.commitments, request, &computed[i]));
        leave(at);
    }
}

static void check_threshold_rekey(const json_t *object, const struct known_case *known) {
    static const char *const members[] = {"P", "Q", "parts", NULL};
    struct scalar e;
    struct rekey_request request;
    struct rekey_part parts[MAX];
    struct rekey combined;
    get_secret(object, "rekey_e", &e);
    size_t at = enter(".threshold_rekey");
    const json_t *threshold = json_object_get(object, "threshold_rekey");
    check_members(threshold, members);
    require(threshold_rekeygen_request_with_randomness(&known->a.secret.a3,
                                                       view_of(known->id, known->id_len),
                                                       &known->b.public_key, &e, &request));
    expect_g2(threshold, "P", &request.p);
    expect_g2(threshold, "Q", &request.q);
    check_parts(get_array(threshold, "parts", known->setup.t), known, &request, parts);
    require(threshold_rekeygen_combine(parts, known->setup.t, known->setup.t, &combined));
    if (!g2_equal(&combined.rk1, &known->rekey.rk1) || !g2_equal(&combined.rk2, &known->rekey.rk2))
        fail("the parts do not combine to the re-encryption key");
    require(threshold_rekeygen_check(&known->a.public_key, &request, &combined));
    leave(at);
}

static void check_reencryption(const json_t *object, struct known_case *known) {
    struct reenc_key key;
    reenc_prepare(&known->rekey, &key);
    const json_t *array = get_array(object, "reencrypted_symbols", known->setup.n);
    for (unsigned j = 0; j < known->setup.n; j++) {
        size_t at = enter(".reencrypted_symbols[%u]", j);
        require(reenc(&key, &known->symbols[j].value, &known->reencrypted[j]));
        check_ciphertext(json_array_get(array, j), &known->reencrypted[j]);
        leave(at);
    }
}

/* Which servers' answers the case combines. */
static void get_choices(const json_t *object, struct known_case *known) {
    const json_t *servers = get_array(object, "key_servers", known->setup.t);
    const json_t *symbols = get_array(object, "symbols_used", known->setup.k);
    for (unsigned i = 0; i < known->setup.t; i++) {
        json_int_t j = json_integer_value(json_array_get(servers, i));
        size_t at = enter(".key_servers[%u]", i);
        if (!json_is_integer(json_array_get(servers, i)) || j < 1 || j > known->setup.m)
            fail("is not an index from 1 to %u", known->setup.m);
        known->key_servers[i] = (uint32_t)j;
        values_checked++;
        leave(at);
    }
    for (unsigned i = 0; i < known->setup.k; i++) {
        json_int_t j = json_integer_value(json_array_get(symbols, i));
        size_t at = enter(".symbols_used[%u]", i);
        if (!json_is_integer(json_array_get(symbols, i)) || j < 0 || j >= known->setup.n)
            fail("is not a position from 0 to %u", known->setup.n - 1);
        known->symbols_used[i] = (unsigned)j;
        values_checked++;
        leave(at);
    }
}

static void check_partials(const json_t *object, const char *name, const struct known_case *known,
                           uint32_t b, struct g2 *out_d) {
    static const char *const members[] = {"j", "D", NULL};
    const struct user *user = b == 0 ? &known->a : &known->b;
    const struct g2 *beta = b == 0 ? &known->tau : &known->rekey.rk1;
    struct partial partials[MAX];
    const json_t *array = get_array(object, name, known->setup.t);
    for (unsigned i = 0; i < known->setup.t; i++) {
        size_t at = enter(".%s[%u]", name, i);
        const json_t *partial = json_array_get(array, i);
        const struct key_share *share = &user->shares[known->key_servers[i] - 1];
        uint8_t proof[PARTIAL_PROOF_BYTES];
        check_members(partial, members);
        if (get_number(partial, "j", 1, known->setup.m) != share->j)
            fail(".j is not the key server's of this position");
        require(share_dec(share, b, beta, &partials[i]));
        expect_g2(partial, "D", &partials[i].d);
        require(share_dec_prove(share, &user->public_key, b, beta, &partials[i], proof));
        require(partial_verify(&user->public_key, &user->commitments, b, beta, &partials[i],
                               view_of(proof, sizeof proof)));
        leave(at);
    }
    require(combine_partials(partials, known->setup.t, known->setup.t, out_d));
}

/* Both forms of Combine over the chosen symbols, original (b = 0) or re-encrypted. */
static void check_combine(const json_t *object, const struct known_case *known, uint32_t b,
                          const struct g2 *d) {
    unsigned k = known->setup.k;
    struct codeword_symbol chosen[MAX];
    const struct codeword_symbol *pointers[MAX];
    struct gt messages[MAX], product;
    uint8_t key[CONTENT_KEY_BYTES];
    for (unsigned i = 0; i < k; i++) {
        unsigned j = known->symbols_used[i];
        chosen[i] = known->symbols[j]; /* borrows the coefficients */
        if (b == 1)
            chosen[i].value = known->reencrypted[j];
        pointers[i] = &chosen[i];
    }
    size_t at = enter(" (combined with b = %u)", b);
    require(combine_messages(pointers, k, d, messages));
    for (unsigned i = 0; i < k; i++)
        if (!gt_equal(&messages[i], &known->messages[i]))
            fail("message %u differs", i);
    require(combine_product(pointers, k, d, &product));
    expect_gt(object, "product_gt", &product);
    content_key(&product, &known->tau, key);
    expect_member(object, "content_key", key, sizeof key);
    leave(at);
}

/* The members that there must be, and the numbers of servers. */
static void get_setup(const json_t *object, struct known_case *known) {
    static const char *const members[] = {"k",
                                          "n",
                                          "t",
                                          "m",
                                          "id_utf8_hex",
                                          "A",
                                          "B",
                                          "f_a3_id",
                                          "tau",
                                          "message_exponents",
                                          "messages_sha256",
                                          "enc_randomness",
                                          "ciphertexts",
                                          "coefficient_rows",
                                          "codeword_symbols",
                                          "rekey_e",
                                          "rekey",
                                          "threshold_rekey",
                                          "reencrypted_symbols",
                                          "key_servers",
                                          "symbols_used",
                                          "partials_own",
                                          "partials_forwarded",
                                          "product_gt",
                                          "content_key",
                                          NULL};
    check_members(object, members);
    known->setup = (struct setup){
        .n = get_number(object, "n", 1, MAX),
        .k = get_number(object, "k", 1, MAX),
        .m = get_number(object, "m", 1, MAX),
        .t = get_number(object, "t", 1, MAX),
    };
    require(setup_check(&known->setup));
}

static void check_case(const json_t *object, struct known_case *known) {
    struct g2 d;
    get_setup(object, known);
    check_user(object, "A", &known->setup, &known->a);
    check_user(object, "B", &known->setup, &known->b);
    check_id_and_token(object, known);
    get_choices(object, known);
    check_messages(object, known);
    check_symbols(object, known);
    check_rekey(object, known);
    check_threshold_rekey(object, known);
    check_reencryption(object, known);
    check_partials(object, "partials_own", known, 0, &d);
    check_combine(object, known, 0, &d);
    check_partials(object, "partials_forwarded", known, 1, &d);
    check_combine(object, known, 1, &d);
}

static void case_free(struct known_case *known) {
    share_commitments_free(&known->a.commitments);
    share_commitments_free(&known->b.commitments);
    for (size_t j = 0; j < MAX; j++)
        codeword_symbol_free(&known->symbols[j]);
    free(known);
}

/* ---------------------------------------------------------------- the file */

static void check_suite(const json_t *root) {
    static const char *const members[] = {"suite", "e_g_h", "e_g_h_sha256", "cases", NULL};
    uint8_t bytes[GT_BYTES], hash[DIGEST_BYTES];
    struct gt generator;
    check_members(root, members);
    const char *suite = json_string_value(json_object_get(root, "suite"));
    if (suite == NULL || strcmp(suite, "BLS12-381 type-3") != 0)
        fail("suite is not BLS12-381 type-3");
    gt_generator(&generator);
    expect_gt(root, "e_g_h", &generator);
    gt_to_bytes(&generator, bytes);
    digest_sha256(view_of(bytes, sizeof bytes), hash);
    expect_member(root, "e_g_h_sha256", hash, sizeof hash);
}

static size_t check_cases(const json_t *root) {
    const json_t *cases = json_object_get(root, "cases");
    if (!json_is_array(cases) || json_array_size(cases) == 0)
        fail("cases is not an array with at least one case");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        struct known_case *known = calloc(1, sizeof *known);
        if (known == NULL)
            fail("no memory for a case");
        size_t at = enter(": cases[%zu]", i);
        check_case(json_array_get(cases, i), known);
        leave(at);
        case_free(known);
    }
    return json_array_size(cases);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: scheme-vectors FILE\n");
        return 2;
    }
    snprintf(path, sizeof path, "%.200s", argv[1]);
    require(secret_start());
    json_error_t error;
    json_t *root = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        fail("line %d: %s", error.line, error.text);
    check_suite(root);
    size_t cases = check_cases(root);
    json_decref(root);
    printf("%s: %zu cases, %zu values: all match\n", argv[1], cases, values_checked);
    return 0;
}
