/*
 * Whatever bytes are taken for a scalar, a point, a GT element, a public key or a symbol: either
 * they are refused, or they are the one encoding of what was read.
 */
#include <stdlib.h>
#include <string.h>

#include "scheme/codeword.h"
#include "scheme/keygen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fine) {
    if (!fine)
        abort();
}

static void same(struct view given, const uint8_t *written, size_t len) {
    require(given.len == len && memcmp(given.data, written, len) == 0);
}

static void try_elements(struct view in) {
    struct scalar scalar;
    struct g1 g1;
    struct g2 g2;
    struct gt gt;
    uint8_t out[GT_BYTES];
    if (scalar_parse("scalar", in, &scalar) == OK) {
        scalar_to_bytes(&scalar, out);
        same(in, out, SCALAR_BYTES);
    }
    if (g1_parse("g1", in, &g1) == OK) {
        g1_to_bytes(&g1, out);
        same(in, out, G1_BYTES);
        require(!g1_is_identity(&g1));
    }
    if (g2_parse("g2", in, &g2) == OK) {
        g2_to_bytes(&g2, out);
        same(in, out, G2_BYTES);
        require(!g2_is_identity(&g2));
    }
    if (gt_parse("gt", in, &gt) == OK) {
        gt_to_bytes(&gt, out);
        same(in, out, GT_BYTES);
        require(!gt_is_identity(&gt));
    }
}

static void try_public_key(struct view in) {
    struct public_key key;
    uint8_t out[PUBLIC_KEY_BYTES];
    if (public_key_parse("key", in, &key) != OK)
        return;
    public_key_to_bytes(&key, out);
    same(in, out, sizeof out);
}

/* b, alpha, beta, gamma, then coefficients until the input ends. */
static void try_symbol(struct view in) {
    enum { K_MOST = 8 };
    struct view b, alpha, beta, gamma, coefficients[K_MOST];
    if (!view_take(&in, 1, &b) || !view_take(&in, G1_BYTES, &alpha) ||
        !view_take(&in, G2_BYTES, &beta) || !view_take(&in, GT_BYTES, &gamma))
        return;
    unsigned k = 0;
    while (k < K_MOST && view_take(&in, SCALAR_BYTES, &coefficients[k]))
        k++;
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    if (codeword_symbol_parse("symbol", b.data[0], alpha, beta, gamma, coefficients, k, k,
                              &symbol) != OK) {
        require(symbol.coefficients == NULL);
        return;
    }
    struct ciphertext_bytes out;
    ciphertext_to_bytes(&symbol.value, &out);
    same(alpha, out.alpha, G1_BYTES);
    same(beta, out.beta, G2_BYTES);
    same(gamma, out.gamma, GT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct view in = view_of(data, size);
    try_elements(in);
    try_public_key(in);
    try_symbol(in);
    return 0;
}
