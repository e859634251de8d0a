#include "flow/put_draw.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "format/symbol.h"
#include "scheme/encode.h"

void draws_clean_up(struct draws *draws) {
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++) {
        free(draws->drawn[i].candidates);
        draws->drawn[i].candidates = NULL;
    }
}

static const struct put_held *held_by(const struct draws *draws, unsigned slot) {
    return &draws->assignment->held[slot];
}

static void flags_of(const struct put_held *held, bool out_is_held[FORMAT_SERVERS_MAX]) {
    memset(out_is_held, 0, FORMAT_SERVERS_MAX * sizeof *out_is_held);
    for (unsigned i = 0; i < held->count; i++)
        out_is_held[held->block[i]] = true;
}

/* ------------------------------------------------------------------ asking */

struct packed_ciphertexts {
    struct ciphertext_bytes bytes[FORMAT_SERVERS_MAX];
    Myelin__Ciphertext messages[FORMAT_SERVERS_MAX];
    Myelin__Ciphertext *pointers[FORMAT_SERVERS_MAX];
};

static void pack_ciphertexts(const struct draws *draws, const struct put_held *held,
                             struct packed_ciphertexts *out) {
    for (unsigned i = 0; i < held->count; i++) {
        struct ciphertext_bytes *bytes = &out->bytes[i];
        ciphertext_to_bytes(&draws->ciphertexts[held->block[i]], bytes);
        myelin__ciphertext__init(&out->messages[i]);
        out->messages[i].alpha = format_bytes(view_of(bytes->alpha, sizeof bytes->alpha));
        out->messages[i].gamma = format_bytes(view_of(bytes->gamma, sizeof bytes->gamma));
        out->pointers[i] = &out->messages[i];
    }
}

result draws_request(struct draws *draws, unsigned slot, uint32_t rows, bool with_symbol,
                     struct bytes *out_wire) {
    const struct put_held *held = held_by(draws, slot);
    struct drawn *drawn = &draws->drawn[slot];
    with_symbol = with_symbol && draws->ciphertexts != NULL;
    struct packed_ciphertexts *packed = malloc(sizeof *packed);
    if (packed == NULL)
        return FAIL(NO_MEMORY, "no memory for %u ciphertexts", held->count);
    Myelin__DrawRequest request = MYELIN__DRAW_REQUEST__INIT;
    request.tau = format_bytes(view_of(draws->tau, FORMAT_TAU_BYTES));
    request.slot = slot;
    request.k = draws->k;
    request.held = format_bytes(view_of(held->block, held->count));
    request.draw = drawn->draw + 1;
    request.rows = rows;
    if (with_symbol) {
        pack_ciphertexts(draws, held, packed);
        request.n_ciphertext = held->count;
        request.ciphertext = packed->pointers;
    }
    result made = format_pack(&request, out_wire);
    free(packed);
    TRY(made);
    drawn->draw++;
    drawn->asked_rows = rows;
    drawn->asked_symbol = with_symbol;
    digest_sha256(bytes_view(out_wire), drawn->request);
    return OK;
}

/* ------------------------------------------------------------------ what comes back */

static bool is_id(ProtobufCBinaryData field, const uint8_t *bytes, size_t len) {
    return view_equal(format_view(field), view_of(bytes, len));
}

static result check_subject(const struct draws *draws, unsigned slot, const char *name,
                            const Myelin__Draw *draw) {
    const struct drawn *drawn = &draws->drawn[slot];
    if (strcmp(draw->server, name) != 0 || draw->slot != slot || draw->draw != drawn->draw ||
        !is_id(draw->tau, draws->tau, FORMAT_TAU_BYTES) ||
        !is_id(draw->put, draws->put, FORMAT_ID_BYTES) ||
        !is_id(draw->request, drawn->request, DIGEST_BYTES))
        return FAIL(PROTOCOL, "it is for something else than was asked");
    return OK;
}

/* A coefficient for each block that the server holds, and for no other. */
static result check_rows(const struct draws *draws, unsigned slot, const Myelin__Draw *draw) {
    bool is_held[FORMAT_SERVERS_MAX];
    flags_of(held_by(draws, slot), is_held);
    if (draw->n_row != draws->drawn[slot].asked_rows || draw->row[0].len != draws->k)
        return FAIL(PROTOCOL, "%zu rows of %zu coefficients, not the %u of %u asked for",
                    draw->n_row, draw->row[0].len, draws->drawn[slot].asked_rows, draws->k);
    for (size_t i = 0; i < draw->n_row; i++)
        for (unsigned block = 0; block < draws->k; block++)
            if ((draw->row[i].data[block] != 0) != is_held[block])
                return FAIL(PROTOCOL, "row %zu: block %u %s", i, block,
                            is_held[block] ? "has no coefficient" : "is not its own");
    return OK;
}

static result read_coefficients(const struct draws *draws, unsigned slot, const Myelin__Draw *draw,
                                struct scalar out[]) {
    bool is_held[FORMAT_SERVERS_MAX];
    flags_of(held_by(draws, slot), is_held);
    if (draw->n_coefficient != draws->k)
        return FAIL(PROTOCOL, "%zu coefficients for an envelope of %u blocks", draw->n_coefficient,
                    draws->k);
    for (unsigned block = 0; block < draws->k; block++) {
        TRY(scalar_parse("coefficient", format_view(draw->coefficient[block]), &out[block]));
        if (scalar_is_zero(&out[block]) == is_held[block])
            return FAIL(PROTOCOL, "in Zr block %u %s", block,
                        is_held[block] ? "has no coefficient" : "is not its own");
    }
    return OK;
}

/* What the server says that it stores of the envelope, computed again. */
static result read_symbol(const struct draws *draws, unsigned slot, const Myelin__Draw *draw,
                          struct codeword_symbol *out_symbol) {
    struct scalar coefficients[FORMAT_SERVERS_MAX];
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    AUTO_BYTES struct bytes wire = {0};
    uint8_t hash[DIGEST_BYTES];
    TRY(read_coefficients(draws, slot, draw, coefficients));
    TRY(encode(draws->ciphertexts, coefficients, draws->k, &symbol));
    TRY(format_symbol_pack(slot, &symbol, &wire, hash));
    if (!is_id(draw->symbol_hash, hash, sizeof hash))
        return FAIL(INTEGRITY, "its envelope symbol is not what its coefficients make");
    *out_symbol = symbol;
    symbol = (struct codeword_symbol){0};
    return OK;
}

/* Where no new symbol was asked for, it is the one of before. */
static result check_kept_symbol(const struct draws *draws, unsigned slot,
                                const Myelin__Draw *draw) {
    AUTO_BYTES struct bytes wire = {0};
    uint8_t hash[DIGEST_BYTES];
    TRY(format_symbol_pack(slot, &draws->symbols[slot], &wire, hash));
    if (!is_id(draw->symbol_hash, hash, sizeof hash))
        return FAIL(INTEGRITY, "its envelope symbol is another one than before");
    return OK;
}

static result take(struct draws *draws, unsigned slot, const char *name, const Myelin__Draw *draw) {
    struct drawn *drawn = &draws->drawn[slot];
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    TRY(check_subject(draws, slot, name, draw));
    TRY(check_rows(draws, slot, draw));
    if (draws->ciphertexts == NULL && draw->n_coefficient > 0)
        return FAIL(PROTOCOL, "coefficients for an envelope that there is not");
    if (drawn->asked_symbol)
        TRY(read_symbol(draws, slot, draw, &symbol));
    else if (draws->ciphertexts != NULL)
        TRY(check_kept_symbol(draws, slot, draw));
    uint8_t *candidates = malloc(draw->n_row * draws->k);
    if (candidates == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu rows", draw->n_row);
    for (size_t i = 0; i < draw->n_row; i++)
        memcpy(candidates + i * draws->k, draw->row[i].data, draws->k);
    free(drawn->candidates);
    drawn->candidates = candidates;
    drawn->row_count = (uint32_t)draw->n_row;
    if (drawn->asked_symbol) {
        codeword_symbol_free(&draws->symbols[slot]);
        draws->symbols[slot] = symbol;
        symbol = (struct codeword_symbol){0};
    }
    return OK;
}

result draws_take(struct draws *draws, unsigned slot, const char *name,
                  const uint8_t identity[SIGN_PUBLIC_BYTES], struct view answer) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Draw *draw = NULL;
    result taken = format_parse_signed(answer, &record);
    if (taken == OK)
        taken = format_open_draw(record, identity, &draw);
    if (taken == OK)
        taken = take(draws, slot, name, draw);
    return taken == OK ? OK : error_at(taken, "%s: its draw", name);
}

/* ------------------------------------------------------------------ in the place of a server */

static void draw_row(const struct put_held *held, unsigned k, uint8_t out_row[]) {
    memset(out_row, 0, k);
    for (unsigned i = 0; i < held->count; i++)
        while (out_row[held->block[i]] == 0)
            secret_random(&out_row[held->block[i]], 1);
}

result draws_own(struct draws *draws, unsigned slot, bool with_symbol) {
    const struct put_held *held = held_by(draws, slot);
    struct drawn *drawn = &draws->drawn[slot];
    uint8_t *candidates = malloc((size_t)DRAWS_ROWS * draws->k);
    if (candidates == NULL)
        return FAIL(NO_MEMORY, "no memory for %d rows", DRAWS_ROWS);
    for (unsigned i = 0; i < DRAWS_ROWS; i++)
        draw_row(held, draws->k, candidates + (size_t)i * draws->k);
    free(drawn->candidates);
    drawn->candidates = candidates;
    drawn->row_count = DRAWS_ROWS;
    drawn->draw = drawn->is_own ? drawn->draw + 1 : 1;
    drawn->is_own = true;
    if (draws->ciphertexts == NULL || (draws->symbols[slot].k != 0 && !with_symbol))
        return OK;
    bool is_held[FORMAT_SERVERS_MAX];
    struct scalar coefficients[FORMAT_SERVERS_MAX];
    flags_of(held, is_held);
    encode_coefficients(is_held, draws->k, coefficients);
    codeword_symbol_free(&draws->symbols[slot]);
    return encode(draws->ciphertexts, coefficients, draws->k, &draws->symbols[slot]);
}

/* ------------------------------------------------------------------ until any k decode */

/* The first of the slot's rows that fits. CRYPTO where none does. */
static result choose_row(struct draws *draws, struct put_choices *choices, unsigned slot) {
    struct drawn *drawn = &draws->drawn[slot];
    result added = CRYPTO;
    for (uint32_t i = 0; i < drawn->row_count && added == CRYPTO; i++) {
        memcpy(draws->rows + (size_t)slot * draws->k, drawn->candidates + (size_t)i * draws->k,
               draws->k);
        drawn->chosen = i;
        added = put_choices_add_bulk(choices, slot, draws->rows);
    }
    return added;
}

static result choose_symbol(struct draws *draws, struct put_choices *choices, unsigned slot) {
    const struct scalar *rows[FORMAT_SERVERS_MAX];
    if (draws->ciphertexts == NULL)
        return OK;
    for (unsigned i = 0; i <= slot; i++)
        rows[i] = draws->symbols[i].coefficients;
    return put_choices_add_envelope(choices, slot, rows);
}

typedef result (*draws_choose)(struct draws *draws, struct put_choices *choices, unsigned slot);

struct settling {
    struct draws *draws;
    struct put_choices *choices;
    draws_again again;
    void *context;
    unsigned vain_most; /* a slot may draw again so often */
    bool is_stuck;      /* one did, for nothing */
};

static result settle(struct settling *settling, unsigned slot, draws_choose choose) {
    const struct drawn *drawn = &settling->draws->drawn[slot];
    unsigned vain = 0;
    result chosen;
    while ((chosen = choose(settling->draws, settling->choices, slot)) == CRYPTO) {
        if (drawn->is_own && drawn->draw >= DRAWS_MAX)
            return FAIL(CRYPTO,
                        "no coefficients were found with which any %u of %u storage servers decode:"
                        " put again, or with more copies of each block",
                        settling->draws->k, settling->draws->n);
        settling->is_stuck = vain++ == settling->vain_most;
        if (settling->is_stuck)
            return OK;
        TRY(settling->again(settling->context, slot, choose == choose_symbol));
    }
    return chosen;
}

/* Rows that fit to each other may leave none to a slot that holds few blocks, or very few. */
static result settle_rows(struct settling *settling, unsigned turn) {
    settling->is_stuck = false;
    settling->vain_most = turn + 1 < DRAWS_TURNS ? DRAWS_VAIN : UINT_MAX;
    put_choices_forget_bulk(settling->choices);
    for (unsigned slot = 0; slot < settling->draws->n && !settling->is_stuck; slot++) {
        if (turn > 0)
            TRY(settling->again(settling->context, slot, false));
        TRY(settle(settling, slot, choose_row));
    }
    return OK;
}

result draws_settle(struct draws *draws, struct put_choices *choices, draws_again again,
                    void *context) {
    struct settling settling = {.draws = draws,
                                .choices = choices,
                                .again = again,
                                .context = context,
                                .vain_most = UINT_MAX};
    for (unsigned slot = 0; slot < draws->n; slot++)
        TRY(settle(&settling, slot, choose_symbol));
    unsigned turn = 0;
    do
        TRY(settle_rows(&settling, turn++));
    while (settling.is_stuck);
    return OK;
}
