#include "format/symbol.h"

#include "format/hash.h"

result format_symbol_pack(unsigned slot, const struct codeword_symbol *symbol,
                          struct bytes *out_wire, uint8_t out_hash[DIGEST_BYTES]) {
    struct ciphertext_bytes value;
    ciphertext_to_bytes(&symbol->value, &value);
    uint8_t coefficients[FORMAT_SERVERS_MAX][SCALAR_BYTES];
    ProtobufCBinaryData fields[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < symbol->k; i++) {
        scalar_to_bytes(&symbol->coefficients[i], coefficients[i]);
        fields[i] = format_bytes(view_of(coefficients[i], SCALAR_BYTES));
    }
    Myelin__Symbol message = MYELIN__SYMBOL__INIT;
    message.slot = slot;
    message.b = symbol->value.b;
    message.alpha = format_bytes(view_of(value.alpha, sizeof value.alpha));
    message.beta = format_bytes(view_of(value.beta, sizeof value.beta));
    message.gamma = format_bytes(view_of(value.gamma, sizeof value.gamma));
    message.n_coefficient = symbol->k;
    message.coefficient = fields;
    format_symbol_hash(&message, out_hash);
    return format_pack(&message, out_wire);
}

result format_symbol_open(const Myelin__Symbol *symbol, unsigned k,
                          struct codeword_symbol *out_symbol) {
    struct view coefficients[FORMAT_SERVERS_MAX];
    *out_symbol = (struct codeword_symbol){0};
    if (symbol->n_coefficient != k || k > FORMAT_SERVERS_MAX)
        return FAIL(PROTOCOL, "symbol: %zu coefficients, expected k = %u", symbol->n_coefficient,
                    k);
    for (size_t i = 0; i < k; i++)
        coefficients[i] = format_view(symbol->coefficient[i]);
    return codeword_symbol_parse("symbol", symbol->b, format_view(symbol->alpha),
                                 format_view(symbol->beta), format_view(symbol->gamma),
                                 coefficients, k, k, out_symbol);
}
