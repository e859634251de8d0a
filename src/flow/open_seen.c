#include "flow/open_seen.h"

#include <stdlib.h>
#include <string.h>

#include "format/symbol.h"

struct open_seen_symbol {
    struct bytes wire;
    struct codeword_symbol symbol;
};

void open_seen_init(struct open_seen *seen) {
    seen->count = 0;
    pthread_mutex_init(&seen->lock, NULL);
}

void open_seen_free(struct open_seen *seen) {
    for (size_t i = 0; i < seen->count; i++) {
        bytes_free(&seen->of[i]->wire);
        codeword_symbol_free(&seen->of[i]->symbol);
        free(seen->of[i]);
    }
    seen->count = 0;
    pthread_mutex_destroy(&seen->lock);
}

static result copy(const struct codeword_symbol *symbol, struct codeword_symbol *out_symbol) {
    AUTO_SYMBOL struct codeword_symbol made = {0};
    TRY(codeword_symbol_new(symbol->k, &made));
    made.value = symbol->value;
    memcpy(made.coefficients, symbol->coefficients, symbol->k * sizeof *made.coefficients);
    *out_symbol = made;
    made = (struct codeword_symbol){0};
    return OK;
}

static const struct codeword_symbol *find(const struct open_seen *seen, struct view wire,
                                          unsigned k) {
    for (size_t i = 0; i < seen->count; i++)
        if (seen->of[i]->symbol.k == k && view_equal(bytes_view(&seen->of[i]->wire), wire))
            return &seen->of[i]->symbol;
    return NULL;
}

/* Under the lock. */
static result parse(struct open_seen *seen, struct bytes *wire, const Myelin__Symbol *symbol,
                    unsigned k, struct codeword_symbol *out_symbol) {
    const struct codeword_symbol *known = find(seen, bytes_view(wire), k);
    if (known != NULL)
        return copy(known, out_symbol);
    AUTO_SYMBOL struct codeword_symbol parsed = {0};
    TRY(format_symbol_open(symbol, k, &parsed));
    TRY(copy(&parsed, out_symbol));
    struct open_seen_symbol *one = seen->count < OPEN_SEEN_MAX ? malloc(sizeof *one) : NULL;
    if (one == NULL)
        return OK; /* the next one is parsed again */
    *one = (struct open_seen_symbol){*wire, parsed};
    seen->of[seen->count++] = one;
    *wire = (struct bytes){0};
    parsed = (struct codeword_symbol){0};
    return OK;
}

result open_seen_parse(struct open_seen *seen, const Myelin__Symbol *symbol, unsigned k,
                       struct codeword_symbol *out_symbol) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(symbol, &wire));
    pthread_mutex_lock(&seen->lock);
    result parsed = parse(seen, &wire, symbol, k, out_symbol);
    pthread_mutex_unlock(&seen->lock);
    return parsed;
}
