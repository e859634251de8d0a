/*
 * How the cost of a retrieval grows: claim (e) of docs/CLAIMS.md. For each K:T:N prints as JSON the
 * median time of ROUNDS runs, in microseconds, of the parts of a retrieval whose client gets T
 * partials and N codeword symbols of K coefficients each.
 *
 *     claims_scale_bench ROUNDS K:T:N...
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "claims_world.h"
#include "code/code.h"

enum { SEGMENT = 1 << 20 };

static struct {
    struct ciphertext_bytes values[MAX];
    uint8_t coefficients[MAX][MAX][SCALAR_BYTES];
    uint8_t d[MAX][G2_BYTES];
    size_t chosen[MAX];
    struct code_map decoder;
    uint8_t rows[MAX * MAX], *slices[MAX], *blocks[MAX];
    size_t block_len;
} answers;

/* What the servers send: bytes. */
static void make_answers(void) {
    for (unsigned j = 0; j < w.n; j++) {
        ciphertext_to_bytes(&w.symbols[j].value, &answers.values[j]);
        for (unsigned i = 0; i < w.k; i++)
            scalar_to_bytes(&w.symbols[j].coefficients[i], answers.coefficients[j][i]);
    }
    for (unsigned j = 0; j < w.t; j++)
        g2_to_bytes(&w.partials[j].d, answers.d[j]);
    answers.block_len = code_block_len(SEGMENT, w.k);
    for (unsigned i = 0; i < w.k; i++) {
        require(code_cauchy_row(w.k, i, answers.rows + i * w.k));
        answers.slices[i] = calloc(2, answers.block_len);
        if (answers.slices[i] == NULL)
            require(FAIL(NO_MEMORY, "no memory for a slice"));
        secret_random(answers.slices[i], answers.block_len);
        answers.blocks[i] = answers.slices[i] + answers.block_len;
    }
}

static void free_answers(void) {
    code_map_clean_up(&answers.decoder);
    for (unsigned i = 0; i < w.k; i++)
        free(answers.slices[i]);
}

static void part_parse_symbols(void) {
    for (unsigned j = 0; j < w.n; j++) {
        const struct ciphertext_bytes *bytes = &answers.values[j];
        struct view coefficients[MAX];
        for (unsigned i = 0; i < w.k; i++)
            coefficients[i] = view_of(answers.coefficients[j][i], SCALAR_BYTES);
        AUTO_SYMBOL struct codeword_symbol symbol = {0};
        require(codeword_symbol_parse(
            "symbol", 0, view_of(bytes->alpha, G1_BYTES), view_of(bytes->beta, G2_BYTES),
            view_of(bytes->gamma, GT_BYTES), coefficients, w.k, w.k, &symbol));
    }
}

static void part_parse_partials(void) {
    for (unsigned j = 0; j < w.t; j++) {
        struct partial partial;
        require(partial_parse("partial", j + 1, w.t, view_of(answers.d[j], G2_BYTES), &partial));
    }
}

static void part_choose(void) {
    require(combine_choose(w.pointers, w.n, w.k, answers.chosen));
}

static void part_decoder(void) {
    code_map_clean_up(&answers.decoder);
    require(code_decoder_init(w.k, answers.rows, &answers.decoder));
}

static void part_decode(void) {
    code_apply(&answers.decoder, (const uint8_t *const *)answers.slices, answers.block_len,
               answers.blocks);
}

static void part_share_dec(void) {
    struct partial partial;
    require(share_dec(&w.shares[0], 0, &w.tau, &partial));
}

static void part_combine_partials(void) {
    require(combine_partials(w.partials, w.t, w.t, &w.d));
}

static void part_combine_product(void) {
    require(combine_product(w.pointers, w.k, &w.d, &w.product));
}

static void part_content_key(void) {
    content_key(&w.product, &w.tau, w.content_key);
}

static void part_encode(void) {
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    require(encode(w.ciphertexts, w.symbols[0].coefficients, w.k, &symbol));
}

static void part_reenc(void) {
    struct ciphertext out;
    require(reenc(&w.reenc_key, &w.symbols[0].value, &out));
}

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"share_dec", part_share_dec},
    {"parse_partials", part_parse_partials},
    {"parse_symbols", part_parse_symbols},
    {"combine_partials", part_combine_partials},
    {"combine_choose", part_choose},
    {"combine_product", part_combine_product},
    {"content_key", part_content_key},
    {"code_decoder", part_decoder},
    {"decode_mib", part_decode},
    {"encode", part_encode},
    {"reenc", part_reenc},
};

static void scale(unsigned rounds, unsigned k, unsigned t, unsigned n, bool first) {
    world_new(k, t, t, n);
    make_answers();
    printf("%s\n  {\"k\": %u, \"t\": %u, \"n\": %u, \"answer_bytes\": %zu", first ? "" : ",", k, t,
           n, (size_t)t * G2_BYTES + n * (sizeof answers.values[0] + (size_t)k * SCALAR_BYTES));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf(", \"%s\": %.2f", parts[i].name, median_time(parts[i].run, rounds));
    printf("}");
    free_answers();
    world_free();
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: claims_scale_bench ROUNDS K:T:N...\n");
        return 2;
    }
    require(secret_start());
    unsigned rounds = take_number(&argv[1], 1, ROUNDS_MAX);
    printf("[");
    for (int i = 2; i < argc; i++) {
        unsigned k = take_number(&argv[i], 1, MAX), t = take_number(&argv[i], 1, MAX);
        scale(rounds, k, t, take_number(&argv[i], k, MAX), i == 2);
    }
    printf("\n]\n");
    return 0;
}
