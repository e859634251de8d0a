/*
 * What an image of BYTES becomes for n storage servers of which k suffice, by the code that put
 * uses: claim (c) of docs/CLAIMS.md. Prints JSON, in bytes.
 *
 *     claims_storage_bench BYTES N K
 *
 * "sealed": all sealed segments; "slices": one server's slices of them; "symbol": one server's
 * codeword symbol of the envelope as it travels and lies on disk; "ciphertext": one of the
 * envelope's k ciphertexts, which the `blocks` dispersal sends instead.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "claims_world.h"
#include "code/code.h"
#include "format/format.h"
#include "seal/seal.h"

enum { SEGMENT = 1 << 20 };

/* One server's slice of a segment, as long as the encoder that put uses writes it. */
static size_t slice_bytes(size_t sealed, unsigned n, unsigned k) {
    uint8_t rows[CODE_SYMBOLS_MAX * CODE_SYMBOLS_MAX];
    uint8_t *slices[CODE_SYMBOLS_MAX];
    const uint8_t *blocks[CODE_SYMBOLS_MAX];
    size_t len = code_block_len(sealed, k);
    uint8_t *segment = malloc(len * k), *out = malloc(len * n);
    if (segment == NULL || out == NULL)
        require(FAIL(NO_MEMORY, "no memory for a segment"));
    secret_random(segment, sealed);
    code_cut(segment, sealed, k, blocks);
    for (unsigned slot = 0; slot < n; slot++) {
        require(code_cauchy_row(k, slot, rows + slot * k));
        slices[slot] = out + slot * len;
    }
    AUTO_CODE_MAP struct code_map encoder = {0};
    require(code_encoder_init(n, k, rows, &encoder));
    code_apply(&encoder, blocks, len, slices);
    free(segment);
    free(out);
    return len;
}

static size_t symbol_bytes(unsigned k) {
    struct ciphertext_bytes value;
    uint8_t coefficients[MAX][SCALAR_BYTES];
    ProtobufCBinaryData fields[MAX];
    ciphertext_to_bytes(&w.symbols[0].value, &value);
    for (unsigned i = 0; i < k; i++) {
        scalar_to_bytes(&w.symbols[0].coefficients[i], coefficients[i]);
        fields[i] = format_bytes(view_of(coefficients[i], SCALAR_BYTES));
    }
    Myelin__Symbol message = MYELIN__SYMBOL__INIT;
    message.alpha = format_bytes(view_of(value.alpha, sizeof value.alpha));
    message.beta = format_bytes(view_of(value.beta, sizeof value.beta));
    message.gamma = format_bytes(view_of(value.gamma, sizeof value.gamma));
    message.n_coefficient = k;
    message.coefficient = fields;
    AUTO_BYTES struct bytes wire = {0};
    require(format_pack(&message, &wire));
    return wire.len;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: claims_storage_bench BYTES N K\n");
        return 2;
    }
    require(secret_start());
    unsigned long long bytes = strtoull(argv[1], NULL, 10);
    unsigned n = take_number(&argv[2], 1, MAX), k = take_number(&argv[3], 1, n);
    unsigned long long whole = bytes / SEGMENT, rest = bytes % SEGMENT;
    unsigned long long sealed = whole * (SEGMENT + SEAL_TAG_BYTES),
                       slices =
                           whole == 0 ? 0 : whole * slice_bytes(SEGMENT + SEAL_TAG_BYTES, n, k);
    if (rest > 0 || whole == 0) {
        sealed += rest + SEAL_TAG_BYTES;
        slices += slice_bytes(rest + SEAL_TAG_BYTES, n, k);
    }
    world_new(k, 1, 1, 1);
    printf("{\"sealed\": %llu, \"slices\": %llu, \"symbol\": %zu, \"ciphertext\": %d}\n", sealed,
           slices, symbol_bytes(k), G1_BYTES + G2_BYTES + GT_BYTES);
    world_free();
    return 0;
}
