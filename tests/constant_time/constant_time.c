/*
 * Runs everything that computes with a secret exponent under valgrind's memcheck, with the secrets
 * marked as undefined: memcheck then reports every branch and every memory address that depends on
 * one (the method of A. Langley's ctgrind).
 *
 *     valgrind --error-exitcode=9 --suppressions=constant_time.supp constant-time
 *     constant-time --leak          branches on a secret on purpose: valgrind must report it
 *     constant-time --leak-address  reads where a secret says: so must it that
 *
 * What is published (points, proofs, ciphertexts) is marked as defined again as soon as it is made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "base/secret.h"
#include "scheme/combine.h"
#include "scheme/content_key.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/key_recover.h"
#include "scheme/share_dec.h"
#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"
#include "scheme/threshold_rekeygen.h"
#include "scheme/token.h"

enum { K = 2, T = 2, M = 3 };

#define SECRET(object) VALGRIND_MAKE_MEM_UNDEFINED(&(object), sizeof(object))
#define PUBLIC(object) VALGRIND_MAKE_MEM_DEFINED(&(object), sizeof(object))

/* One user; what is secret of it is marked so. */
struct user {
    struct secret_key secret;
    struct public_key public_key;
    struct key_share shares[M];
    struct share_commitments commitments;
};

static void require(result code) {
    PUBLIC(code);
    if (code == OK)
        return;
    fprintf(stderr, "constant-time: %s\n", error_text());
    exit(1);
}

static void secret_scalar(struct scalar *out) {
    scalar_random(out);
    SECRET(*out);
}

static void publish_commitments(struct share_commitments *commitments) {
    VALGRIND_MAKE_MEM_DEFINED(commitments->f1, commitments->t * sizeof *commitments->f1);
    VALGRIND_MAKE_MEM_DEFINED(commitments->f2, commitments->t * sizeof *commitments->f2);
}

static void run_keygen(struct user *user) {
    struct scalar poly1[T - 1], poly2[T - 1];
    uint8_t proof[POSSESSION_BYTES];
    secret_scalar(&user->secret.a1);
    secret_scalar(&user->secret.a2);
    secret_scalar(&user->secret.a3);
    keygen_public(&user->secret, &user->public_key);
    PUBLIC(user->public_key);
    keygen_prove(&user->secret, &user->public_key, view_of_string("alice"), proof);
    PUBLIC(proof);
    require(
        keygen_verify(&user->public_key, view_of_string("alice"), view_of(proof, sizeof proof)));
    for (size_t i = 0; i < T - 1; i++) {
        secret_scalar(&poly1[i]);
        secret_scalar(&poly2[i]);
    }
    require(share_keygen_with_polynomials(&user->secret, T, M, poly1, poly2, user->shares,
                                          &user->commitments));
    publish_commitments(&user->commitments);
    for (size_t i = 0; i < M; i++)
        PUBLIC(user->shares[i].j);
    require(share_check(&user->public_key, &user->commitments, T, M, &user->shares[0]));
}

/* What is published of an envelope. */
struct envelope {
    struct g2 tau;
    struct ciphertext ciphertexts[K];
    uint8_t commitment[KEY_COMMITMENT_BYTES];
};

static void run_enc(const struct user *owner, struct envelope *out) {
    struct scalar s[K], r[K];
    struct gt messages[K], product;
    uint8_t key[CONTENT_KEY_BYTES];
    struct g2 *out_tau = &out->tau;
    require(token(&owner->secret.a3, view_of_string("1.2.3"), out_tau));
    PUBLIC(*out_tau);
    for (size_t i = 0; i < K; i++) {
        secret_scalar(&s[i]);
        secret_scalar(&r[i]);
        enc_message(&s[i], &messages[i]);
    }
    enc_with_randomness(&owner->public_key, out_tau, messages, r, K, out->ciphertexts);
    PUBLIC(out->ciphertexts);
    content_key_product(messages, K, &product);
    content_key(&product, out_tau, key);
    content_key_commitment(key, out->commitment);
    PUBLIC(out->commitment);
    require(content_key_check(key, out->commitment));
}

/* What t key servers answer opens the envelope: their partials, D and what comes of them are the
 * reader's secrets, the symbols are not. */
static void run_combine(const struct user *owner, const struct envelope *envelope) {
    struct partial partials[T];
    struct codeword_symbol symbols[K];
    const struct codeword_symbol *chosen[K];
    struct g2 d;
    struct gt product, messages[K];
    uint8_t key[CONTENT_KEY_BYTES];
    for (size_t i = 0; i < T; i++)
        require(share_dec(&owner->shares[i], 0, &envelope->tau, &partials[i]));
    for (size_t i = 0; i < T; i++)
        SECRET(partials[i].d);
    for (size_t i = 0; i < K; i++) {
        struct scalar row[K] = {0};
        scalar_from_u64(1, &row[i]);
        require(encode(envelope->ciphertexts, row, K, &symbols[i]));
        chosen[i] = &symbols[i];
    }
    require(combine_partials(partials, T, T, &d));
    require(combine_product(chosen, K, &d, &product));
    require(combine_messages(chosen, K, &d, messages));
    content_key(&product, &envelope->tau, key);
    require(content_key_check(key, envelope->commitment));
    for (size_t i = 0; i < K; i++)
        codeword_symbol_free(&symbols[i]);
}

static void run_rekeygen(const struct user *owner, const struct user *recipient) {
    struct scalar e, a1;
    struct rekey rekey;
    struct rekey_request request;
    struct rekey_part part;
    struct view id = view_of_string("1.2.3");
    secret_scalar(&e);
    require(key_recover(owner->shares, T, T, &owner->public_key, &a1));
    require(
        rekeygen_with_randomness(&a1, &owner->secret.a3, id, &recipient->public_key, &e, &rekey));
    require(threshold_rekeygen_request_with_randomness(&owner->secret.a3, id,
                                                       &recipient->public_key, &e, &request));
    PUBLIC(request);
    threshold_rekeygen_part(&owner->shares[1], &request, &part);
}

static void run_share_dec(const struct user *owner, const struct g2 *tau) {
    for (uint32_t b = 0; b < 2; b++) {
        struct partial partial;
        uint8_t proof[PARTIAL_PROOF_BYTES];
        require(share_dec(&owner->shares[1], b, tau, &partial));
        PUBLIC(partial);
        require(share_dec_prove(&owner->shares[1], &owner->public_key, b, tau, &partial, proof));
        PUBLIC(proof);
        require(partial_verify(&owner->public_key, &owner->commitments, b, tau, &partial,
                               view_of(proof, sizeof proof)));
    }
}

static void publish_dealings(struct share_dealing dealings[]) {
    for (size_t d = 0; d < T; d++)
        publish_commitments(&dealings[d].commitments);
}

/* Server 1's shares after a refresh by, and a resharing of, servers 1 and 2. */
static void run_new_shares(const struct user *owner) {
    struct subshare subs[M], own[T];
    struct share_dealing dealings[T];
    struct share_commitments fresh;
    struct key_share share;
    for (uint32_t d = 0; d < T; d++) {
        require(share_refresh_deal(&owner->public_key, d + 1, T, NULL, M, subs, &dealings[d]));
        own[d] = subs[0];
        SECRET(own[d].value.s1);
        SECRET(own[d].value.s2);
        require(share_dealing_check(&owner->public_key, &dealings[d], &own[d]));
    }
    require(share_refresh_apply(&owner->public_key, &owner->shares[0], &owner->commitments,
                                dealings, own, T, &share, &fresh));
    share_commitments_free(&fresh);
    for (uint32_t d = 0; d < T; d++) {
        share_dealing_free(&dealings[d]);
        require(share_reshare_deal(&owner->public_key, &owner->shares[d], T, NULL, M, subs,
                                   &dealings[d]));
        own[d] = subs[0];
    }
    publish_dealings(dealings);
    require(share_reshare_combine(&owner->public_key, dealings, own, T, T, &share, &fresh));
    share_commitments_free(&fresh);
    for (uint32_t d = 0; d < T; d++)
        share_dealing_free(&dealings[d]);
}

/* Servers 1 and 2 make server 3's share again. */
static void run_replacement(const struct user *owner) {
    const uint32_t helpers[T] = {1, 2};
    struct subshare subs[T][T];
    struct share_dealing dealings[T];
    struct key_share blinded[T], share;
    for (uint32_t d = 0; d < T; d++)
        require(share_replace_deal(&owner->public_key, helpers[d], 3, T, helpers, T, subs[d],
                                   &dealings[d]));
    for (size_t h = 0; h < T; h++) {
        const struct subshare own[T] = {subs[0][h], subs[1][h]};
        require(share_replace_blind(&owner->shares[h], T, own, T, &blinded[h]));
    }
    require(share_replace_combine(&owner->public_key, &owner->commitments, 3, blinded, T, &share));
    for (uint32_t d = 0; d < T; d++)
        share_dealing_free(&dealings[d]);
}

/* What the harness must not miss. */
static int leak(void) {
    struct scalar s;
    uint8_t bytes[SCALAR_BYTES];
    secret_scalar(&s);
    scalar_to_bytes(&s, bytes);
    if (bytes[SCALAR_BYTES - 1] & 1)
        puts("odd");
    return 0;
}

static int leak_address(void) {
    static const uint8_t table[256] = {1, 2, 3};
    struct scalar s;
    uint8_t bytes[SCALAR_BYTES];
    secret_scalar(&s);
    scalar_to_bytes(&s, bytes);
    volatile uint8_t looked_up = table[bytes[0]];
    (void)looked_up;
    return 0;
}

int main(int argc, char **argv) {
    require(secret_start());
    if (argc == 2 && strcmp(argv[1], "--leak-address") == 0)
        return leak_address();
    if (argc == 2 && strcmp(argv[1], "--leak") == 0)
        return leak();
    struct user owner, recipient;
    struct envelope envelope;
    run_keygen(&owner);
    run_keygen(&recipient);
    run_enc(&owner, &envelope);
    run_rekeygen(&owner, &recipient);
    run_share_dec(&owner, &envelope.tau);
    run_combine(&owner, &envelope);
    run_new_shares(&owner);
    run_replacement(&owner);
    share_commitments_free(&owner.commitments);
    share_commitments_free(&recipient.commitments);
    puts(RUNNING_ON_VALGRIND ? "all paths ran under valgrind" : "run me under valgrind");
    return RUNNING_ON_VALGRIND ? 0 : 1;
}
