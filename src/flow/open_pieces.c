#include "flow/open_pieces.h"

#include <stdio.h>
#include <string.h>

#include "scheme/combine.h"

void pieces_wipe(struct pieces *pieces) {
    secret_wipe(pieces, sizeof *pieces);
}

bool pieces_same_group(const struct open_answer *a, const struct open_answer *b) {
    return a->given && b->given && a->b == b->b && g2_equal(&a->beta, &b->beta);
}

const struct open_answer *pieces_largest_group(const struct open_answers *answers,
                                               const bool skip[]) {
    const struct open_answer *largest = NULL;
    unsigned most = 0;
    for (unsigned i = 0; i < answers->servers; i++) {
        unsigned size = 0;
        for (unsigned j = 0; j < answers->servers; j++)
            size += pieces_same_group(&answers->of[i], &answers->of[j]);
        if (size <= most || (skip != NULL && skip[i]))
            continue;
        most = size;
        largest = &answers->of[i];
    }
    return largest;
}

void pieces_add_symbol(struct pieces *pieces, const struct open_symbol *symbol) {
    if (pieces->has_slot[symbol->slot])
        return;
    pieces->has_slot[symbol->slot] = true;
    pieces->symbols[pieces->symbol_count++] = &symbol->value;
}

static result fail_few_symbols(const struct image *image, const struct pieces *pieces) {
    const Myelin__Envelope *envelope = image->envelope;
    char text[ERROR_TEXT_BYTES];
    int used = snprintf(text, sizeof text,
                        "opening the envelope: %zu of the %u storage servers needed; without a "
                        "good envelope symbol from",
                        pieces->symbol_count, envelope->k);
    for (unsigned slot = 0; slot < envelope->n_servers; slot++)
        if (!pieces->has_slot[slot] && used > 0 && (size_t)used < sizeof text)
            used +=
                snprintf(text + used, sizeof text - (size_t)used, " %s", envelope->servers[slot]);
    return FAIL(QUORUM, "%s", text);
}

result pieces_check(const struct session *session, const struct image *image,
                    const struct open_answers *answers, const struct pieces *pieces) {
    unsigned t = answers->generation.best.t;
    if (answers->ok < t || pieces->example == NULL)
        return generation_fail(session, &answers->generation, "opening the envelope",
                               answers->answers);
    if (pieces->partial_count < t)
        return FAIL(QUORUM,
                    "opening the envelope: %zu of the %u key servers needed gave a right partial",
                    pieces->partial_count, t);
    if (pieces->symbol_count < image->envelope->k)
        return fail_few_symbols(image, pieces);
    return OK;
}

result pieces_combine(const struct image *image, const struct pieces *pieces,
                      struct content_key_secret *key) {
    const Myelin__Envelope *envelope = image->envelope;
    AUTO_G2 struct g2 d;
    TRY(combine_partials(pieces->partials, pieces->partial_count, pieces->t, &d));
    size_t chosen[FORMAT_SERVERS_MAX];
    TRY(combine_choose(pieces->symbols, pieces->symbol_count, envelope->k, chosen));
    const struct codeword_symbol *symbols[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < envelope->k; i++)
        symbols[i] = pieces->symbols[chosen[i]];
    AUTO_GT struct gt product;
    gt_identity(&product);
    TRY(combine_product(symbols, envelope->k, &d, &product));
    AUTO_SECRET struct content_key_secret *made = NULL;
    TRY(secret_new(sizeof *made, (void **)&made));
    content_key(&product, &image->tau, made->bytes);
    TRY(content_key_check(made->bytes, envelope->key_commitment.data));
    *key = *made;
    return OK;
}
