/* The symbol of a slot of the envelope: copied, or made from k others in the exponent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/hash.h"
#include "format/symbol.h"
#include "scheme/matrix.h"
#include "scheme/recode.h"
#include "storage/mend_private.h"
#include "storage/record.h"

/* INTEGRITY where it is not the one that the owner signed for the slot. */
static result check_symbol(const struct mending *m, const Myelin__Symbol *symbol, uint32_t slot) {
    uint8_t hash[DIGEST_BYTES];
    format_symbol_hash(symbol, hash);
    if (symbol->slot != slot || symbol->b != 0 || symbol->n_coefficient != m->envelope->k ||
        !view_equal(format_view(symbol->beta), format_view(m->envelope->tau)) ||
        !view_equal(format_view(m->envelope->symbol_hash[slot]), view_of(hash, sizeof hash)))
        return FAIL(INTEGRITY, "its symbol of slot %u is not what was signed", slot);
    return OK;
}

static bool is_good_here(struct mending *m, uint32_t slot) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    return image_lock_read(m->storage, m->image, &lock) == OK &&
           image_symbol(m->storage, m->image, slot, &symbol) == OK &&
           check_symbol(m, symbol, slot) == OK;
}

static result fetch_symbol(struct mending *m, unsigned server, uint32_t slot,
                           Myelin__SymbolAnswer **out_answer) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    char path[MEND_PATH_BYTES];
    TRY(mend_go_on(m));
    snprintf(path, sizeof path, "/v1/images/%s/symbol?slot=%u", m->image->hex, slot);
    TRY(peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_SYMBOL_ANSWER, &wire));
    m->report->bytes_read += wire.len;
    TRY(format_parse_symbol_answer(bytes_view(&wire), &answer));
    result checked = check_symbol(m, answer->symbol, slot);
    if (checked != OK) {
        m->is_liar[server] = true;
        return error_at(checked, "%s", storage_fleet_name(m->group->fleet, server));
    }
    *out_answer = answer;
    answer = NULL;
    return OK;
}

/* From whoever holds the slot, the first who has it good. */
static result fetch_slot(struct mending *m, uint32_t slot, Myelin__SymbolAnswer **out_answer) {
    unsigned servers[FORMAT_SERVERS_MAX];
    unsigned count = mend_holders(m, slot, servers);
    result got = FAIL(NOT_FOUND, "nobody else has slot %u", slot);
    for (unsigned i = 0; got != OK && i < count; i++) {
        got = fetch_symbol(m, servers[i], slot, out_answer);
        if (got == INTEGRITY)
            log_event(LOG_WARNING, "mend-source", "image=%s slot=%u reason=\"%s\"", m->image->hex,
                      slot, error_text());
    }
    return got;
}

/* k symbols whose coefficients are independent. */
struct chosen {
    struct codeword_symbol symbols[FORMAT_SERVERS_MAX];
    unsigned count;
};

static void chosen_free(struct chosen **chosen) {
    for (unsigned i = 0; *chosen != NULL && i < (*chosen)->count; i++)
        codeword_symbol_free(&(*chosen)->symbols[i]);
    free(*chosen);
}

static result choose_symbols(struct mending *m, uint32_t lost, struct chosen *chosen) {
    AUTO_SPAN struct matrix_span span = {0};
    const unsigned k = m->envelope->k;
    const size_t n = m->envelope->n_servers;
    TRY(matrix_span_new(k, &span));
    for (size_t step = 1; step < n && chosen->count < k; step++) {
        AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
        uint32_t slot = (uint32_t)((lost + step) % n);
        TRY(mend_go_on(m));
        if (fetch_slot(m, slot, &answer) != OK ||
            format_symbol_open(answer->symbol, m->envelope->k, &chosen->symbols[chosen->count]) !=
                OK)
            continue;
        if (matrix_span_add(&span, chosen->symbols[chosen->count].coefficients))
            chosen->count++;
        else
            codeword_symbol_free(&chosen->symbols[chosen->count]);
    }
    return chosen->count == k
               ? OK
               : FAIL(QUORUM, "%u of the %u other symbols of the envelope needed were found",
                      chosen->count, k);
}

static result read_row(const struct mending *m, struct view table, uint32_t slot,
                       struct scalar out_row[]) {
    for (unsigned i = 0; i < m->envelope->k; i++)
        TRY(scalar_parse(
            "coefficient",
            view_of(table.data + ((size_t)slot * m->envelope->k + i) * SCALAR_BYTES, SCALAR_BYTES),
            &out_row[i]));
    return OK;
}

static result coefficients_here(struct mending *m, struct bytes *out_table) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    if (m->envelope->coefficients_hash.len == 0)
        return FAIL(INTEGRITY, "the envelope is of a version that kept no coefficients: its lost "
                               "symbols cannot be rebuilt; put the image again under another ID");
    TRY(image_lock_read(m->storage, m->image, &lock));
    return image_coefficients(m->storage, m->image, m->envelope, out_table);
}

static result rebuild(struct mending *m, uint32_t slot, struct bytes *out_wire) {
    AUTO_BYTES struct bytes table = {0};
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    struct scalar row[FORMAT_SERVERS_MAX];
    const struct codeword_symbol *pointers[FORMAT_SERVERS_MAX];
    uint8_t hash[DIGEST_BYTES];
    __attribute__((cleanup(chosen_free))) struct chosen *chosen = calloc(1, sizeof *chosen);
    if (chosen == NULL)
        return FAIL(NO_MEMORY, "no memory for %u symbols", m->envelope->k);
    TRY(coefficients_here(m, &table));
    TRY(choose_symbols(m, slot, chosen));
    TRY(read_row(m, bytes_view(&table), slot, row));
    for (unsigned i = 0; i < chosen->count; i++)
        pointers[i] = &chosen->symbols[i];
    TRY(recode(pointers, chosen->count, row, &symbol));
    TRY(format_symbol_pack(slot, &symbol, out_wire, hash));
    if (!view_equal(format_view(m->envelope->symbol_hash[slot]), view_of(hash, sizeof hash)))
        return FAIL(INTEGRITY,
                    "what the others' symbols make is not what the owner signed for "
                    "slot %u: his envelope contradicts itself",
                    slot);
    return OK;
}

static result make_symbol(struct mending *m, uint32_t slot, bool *out_was_copied) {
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    AUTO_BYTES struct bytes wire = {0};
    char name[32];
    result copied = fetch_slot(m, slot, &answer);
    *out_was_copied = copied == OK;
    if (copied == OK)
        TRY(format_pack(answer->symbol, &wire));
    else
        TRY(rebuild(m, slot, &wire));
    snprintf(name, sizeof name, PLACE_SYMBOL ".%u", slot);
    struct place staged = place_of_mending(m->image, name);
    TRY(record_put(m->storage->store, staged.key, RECORD_SYMBOL, bytes_view(&wire)));
    TRY(store_sync(m->storage->store, place_mending(m->image).key));
    m->report->bytes_written += wire.len;
    return mend_publish(m, staged.key, place_of_symbol(m->image, slot).key);
}

result mend_envelope_slot(struct mending *m, uint32_t slot) {
    bool was_copied = false;
    if (is_good_here(m, slot))
        return mend_note(m, NULL, slot, MEND_GOOD, OK);
    result made = make_symbol(m, slot, &was_copied);
    TRY(mend_go_on(m));
    if (made != OK)
        return mend_note(m, NULL, slot, MEND_FAILED, made);
    return mend_note(m, NULL, slot, was_copied ? MEND_COPIED : MEND_REBUILT, OK);
}
