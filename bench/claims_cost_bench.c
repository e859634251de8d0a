/*
 * What each algorithm of the scheme costs: claim (d) of docs/CLAIMS.md. Prints JSON: operations of
 * the group, counted by bench/count.h, and the median time of ROUNDS runs in microseconds.
 *
 *     claims_cost_bench ROUNDS K T M
 */
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "claims_world.h"
#include "count.h"
#include "scheme/key_recover.h"

static void run_keygen(void) {
    struct secret_key secret;
    struct public_key key;
    keygen(&secret, &key);
}

static void run_prove(void) {
    keygen_prove(&w.secret, &w.key, view_of_string("alice"), w.possession);
}

static void run_verify(void) {
    require(
        keygen_verify(&w.key, view_of_string("alice"), view_of(w.possession, sizeof w.possession)));
}

static void run_share_keygen(void) {
    struct key_share shares[MAX];
    AUTO_COMMITMENTS struct share_commitments commitments;
    require(share_keygen(&w.secret, w.t, w.m, shares, &commitments));
}

static void run_share_check(void) {
    require(share_check(&w.key, &w.commitments, w.t, w.m, &w.shares[0]));
}

static void run_token(void) {
    require(token(&w.secret.a3, view_of_string(world_id), &w.tau));
}

static void run_messages(void) {
    struct gt messages[MAX];
    enc_random_messages(w.k, messages);
}

static void run_enc(void) {
    struct ciphertext out[MAX];
    enc(&w.key, &w.tau, w.messages, w.k, out);
}

static void run_encode(void) {
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    require(encode(w.ciphertexts, w.symbols[0].coefficients, w.k, &symbol));
}

static void run_key_recover(void) {
    struct scalar a1;
    require(key_recover(w.shares, w.t, w.t, &w.key, &a1));
}

static void run_rekeygen(void) {
    struct rekey rekey;
    require(rekeygen(&w.secret.a1, &w.secret.a3, view_of_string(world_id), &w.recipient, &rekey));
}

static void run_request(void) {
    struct rekey_request request;
    require(
        threshold_rekeygen_request(&w.secret.a3, view_of_string(world_id), &w.recipient, &request));
}

static void run_part(void) {
    threshold_rekeygen_part(&w.shares[0], &w.request, &w.parts[0]);
}

static void run_rekey_combine(void) {
    require(threshold_rekeygen_combine(w.parts, w.t, w.t, &w.rekey));
}

static void run_rekey_check(void) {
    require(threshold_rekeygen_check(&w.key, &w.request, &w.rekey));
}

static void run_part_check(void) {
    require(threshold_rekeygen_check_part(&w.commitments, &w.request, &w.parts[0]));
}

static void run_reenc_prepare(void) {
    reenc_prepare(&w.rekey, &w.reenc_key);
}

static void run_reenc(void) {
    require(reenc(&w.reenc_key, &w.symbols[0].value, &w.reencrypted));
}

static void run_share_dec(void) {
    require(share_dec(&w.shares[0], 0, &w.tau, &w.partials[0]));
}

static void run_prove_0(void) {
    require(share_dec_prove(&w.shares[0], &w.key, 0, &w.tau, &w.partials[0], w.proof[0]));
}

static void run_verify_0(void) {
    require(partial_verify(&w.key, &w.commitments, 0, &w.tau, &w.partials[0],
                           view_of(w.proof[0], PARTIAL_PROOF_BYTES)));
}

static void run_prove_1(void) {
    require(share_dec_prove(&w.shares[0], &w.key, 1, &w.rekey.rk1, &w.partial_1, w.proof[1]));
}

static void run_verify_1(void) {
    require(partial_verify(&w.key, &w.commitments, 1, &w.rekey.rk1, &w.partial_1,
                           view_of(w.proof[1], PARTIAL_PROOF_BYTES)));
}

static void run_combine_partials(void) {
    require(combine_partials(w.partials, w.t, w.t, &w.d));
}

static void run_combine_messages(void) {
    struct gt messages[MAX];
    require(combine_messages(w.pointers, w.k, &w.d, messages));
}

static void run_combine_product(void) {
    require(combine_product(w.pointers, w.k, &w.d, &w.product));
}

static void run_content_key(void) {
    content_key(&w.product, &w.tau, w.content_key);
}

static void run_refresh_deal(void) {
    struct subshare subs[MAX];
    AUTO_DEALING struct share_dealing dealing = {0};
    require(share_refresh_deal(&w.key, 1, w.t, NULL, w.m, subs, &dealing));
}

static void run_dealing_check(void) {
    require(share_dealing_check(&w.key, &w.refresh[0], &w.refresh_subs[0]));
}

static void run_refresh_apply(void) {
    struct key_share share;
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    require(share_refresh_apply(&w.key, &w.shares[0], &w.commitments, w.refresh, w.refresh_subs,
                                w.t, &share, &fresh));
}

static void run_replace_deal(void) {
    struct subshare subs[MAX];
    AUTO_DEALING struct share_dealing mask = {0};
    require(share_replace_deal(&w.key, 1, w.m, w.t, w.helpers, w.t, subs, &mask));
}

static void run_replace_combine(void) {
    struct key_share share;
    require(share_replace_combine(&w.key, &w.commitments, w.m, w.blinded, w.t, &share));
}

static void run_reshare_deal(void) {
    struct subshare subs[MAX];
    AUTO_DEALING struct share_dealing dealing = {0};
    require(share_reshare_deal(&w.key, &w.shares[0], w.t, NULL, w.m, subs, &dealing));
}

static void run_reshare_combine(void) {
    struct key_share share;
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    require(share_reshare_combine(&w.key, w.reshare, w.reshare_subs, w.t, w.t, &share, &fresh));
}

/* Run in this order: a proof is made before it is verified. */
static const struct algorithm {
    const char *name;
    void (*run)(void);
} algorithms[] = {
    {"keygen", run_keygen},
    {"keygen_prove", run_prove},
    {"keygen_verify", run_verify},
    {"share_keygen", run_share_keygen},
    {"share_check", run_share_check},
    {"token", run_token},
    {"enc_random_messages", run_messages},
    {"enc", run_enc},
    {"encode", run_encode},
    {"key_recover", run_key_recover},
    {"rekeygen", run_rekeygen},
    {"threshold_rekeygen_request", run_request},
    {"threshold_rekeygen_part", run_part},
    {"threshold_rekeygen_combine", run_rekey_combine},
    {"threshold_rekeygen_check", run_rekey_check},
    {"threshold_rekeygen_check_part", run_part_check},
    {"reenc_prepare", run_reenc_prepare},
    {"reenc", run_reenc},
    {"share_dec", run_share_dec},
    {"share_dec_prove, b = 0", run_prove_0},
    {"share_dec_prove, b = 1", run_prove_1},
    {"partial_verify, b = 0", run_verify_0},
    {"partial_verify, b = 1", run_verify_1},
    {"combine_partials", run_combine_partials},
    {"combine_messages", run_combine_messages},
    {"combine_product", run_combine_product},
    {"content_key", run_content_key},
    {"share_refresh_deal", run_refresh_deal},
    {"share_dealing_check", run_dealing_check},
    {"share_refresh_apply", run_refresh_apply},
    {"share_replace_deal", run_replace_deal},
    {"share_replace_combine", run_replace_combine},
    {"share_reshare_deal", run_reshare_deal},
    {"share_reshare_combine", run_reshare_combine},
};

static void print_cost(const struct algorithm *algorithm, unsigned rounds, bool first) {
    algorithm->run(); /* once before it is timed */
    memset(counts, 0, sizeof counts);
    algorithm->run();
    printf("%s\n  {\"name\": \"%s\"", first ? "" : ",", algorithm->name);
    for (int kind = 0; kind < COUNT_KINDS; kind++)
        printf(", \"%s\": %llu", count_names[kind], (unsigned long long)counts[kind]);
    printf(", \"us\": %.2f}", median_time(algorithm->run, rounds));
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: claims_cost_bench ROUNDS K T M\n");
        return 2;
    }
    require(secret_start());
    unsigned rounds = take_number(&argv[1], 1, ROUNDS_MAX), k = take_number(&argv[2], 1, MAX);
    unsigned t = take_number(&argv[3], 2, MAX - 1), m = take_number(&argv[4], t + 1, MAX);
    world_new(k, t, m, k);
    world_deal();
    printf("[");
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        print_cost(&algorithms[i], rounds, i == 0);
    printf("\n]\n");
    world_free();
    return 0;
}
