#include "keys/symbol_check.h"

#include "format/symbol.h"

/* The forward that a re-encrypted symbol stands on. */
static result check_forward(const struct symbol_terms *terms, const Myelin__SymbolAnswer *answer,
                            uint64_t *out_serial_ms) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    if (answer->forward == NULL)
        return FAIL(PROTOCOL, "a re-encrypted symbol without its forward");
    TRY(format_open_forward(answer->forward, terms->owner_identity, &forward));
    if (strcmp(forward->owner, terms->owner) != 0 || strcmp(forward->recipient, terms->user) != 0 ||
        !view_equal(format_view(forward->tau), view_of(terms->tau, sizeof terms->tau)))
        return FAIL(INTEGRITY, "its forward is of another image or to another recipient");
    if (!view_equal(format_view(forward->rk1), format_view(answer->symbol->beta)))
        return FAIL(INTEGRITY, "its beta is not rk1 of its forward");
    *out_serial_ms = forward->serial_ms;
    if (forward->serial_ms <= terms->revoked_ms)
        return FAIL(DENIED, "%s has revoked this forward", terms->owner);
    return OK;
}

static result check_origin(const struct symbol_terms *terms, const Myelin__SymbolAnswer *answer,
                           uint64_t *out_serial_ms) {
    if (answer->symbol == NULL)
        return FAIL(PROTOCOL, "no symbol");
    if (answer->symbol->b != symbol_terms_b(terms))
        return FAIL(INTEGRITY, "a symbol with b = %u", answer->symbol->b);
    if (answer->symbol->slot >= terms->n)
        return FAIL(PROTOCOL, "slot %u of %u", answer->symbol->slot, terms->n);
    if (answer->symbol->b == 1)
        return check_forward(terms, answer, out_serial_ms);
    if (!view_equal(format_view(answer->symbol->beta), view_of(terms->tau, sizeof terms->tau)))
        return FAIL(INTEGRITY, "its beta is not tau");
    return OK;
}

static result check_groups(const struct symbol_terms *terms, const Myelin__Symbol *symbol) {
    AUTO_SYMBOL struct codeword_symbol parsed = {0};
    return format_symbol_open(symbol, terms->k, &parsed);
}

result symbol_check(const struct symbol_terms *terms, const char *server,
                    const Myelin__SymbolAnswer *answer, uint64_t *out_serial_ms) {
    *out_serial_ms = 0;
    result checked = check_origin(terms, answer, out_serial_ms); /* the cheap part first */
    if (checked == OK)
        checked = check_groups(terms, answer->symbol);
    return checked == OK ? OK : error_at(checked, "%s", server);
}
