/*
 * Put's second step: everybody's coefficients. With `symbols` the owner gives each slot its row of
 * a Cauchy matrix. With `blocks` each server draws its own, in GF(2^8) for the bulk and in Zr for
 * the envelope, and the owner has them checked before a byte of an object leaves (put_draw.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/put_batch.h"
#include "flow/put_draw.h"

enum { DRAW_GRACE_MS = 3000, DRAW_LIMIT_MS = 15000 };

/* ------------------------------------------------------------------ drawn by the servers */

struct choosing {
    struct put_batch *batch;
    struct draws *draws;
    struct put_answer *answers; /* by slot */
    uint32_t rows;              /* what the next question asks for */
    bool with_symbol;
};

static result ask_draw(void *context, unsigned slot, struct http_client *client) {
    const struct choosing *choosing = context;
    const struct put_slot *server = &choosing->batch->slots->slot[slot];
    char path[PUT_PATH_BYTES];
    put_batch_path(choosing->batch, "/draw", path);
    AUTO_BYTES struct bytes wire = {0}, answer = {0};
    TRY(draws_request(choosing->draws, slot, choosing->rows, choosing->with_symbol, &wire));
    TRY(http_call(client, "POST", path, bytes_view(&wire), "application/protobuf",
                  FORMAT_LIMIT_DRAW + 128, &answer));
    return draws_take(choosing->draws, slot, server->name, server->identity, bytes_view(&answer));
}

/* Those that do not answer as they should take no further part. */
static result ask(struct choosing *choosing, const bool is_asked[], unsigned enough) {
    struct put_slots *slots = choosing->batch->slots;
    struct put_patience patience = {enough, DRAW_GRACE_MS, DRAW_LIMIT_MS};
    TRY(put_slots_ask(slots, is_asked, ask_draw, choosing, patience, choosing->answers));
    TRY(session_check_cancel(choosing->batch->session));
    put_slots_lose_failed(slots, choosing->answers);
    return put_slots_check(slots, "put");
}

static result draw_again(void *context, unsigned slot, bool with_symbol) {
    struct choosing *choosing = context;
    struct put_slots *slots = choosing->batch->slots;
    const struct drawn *drawn = &choosing->draws->drawn[slot];
    bool is_asked[FORMAT_SERVERS_MAX] = {false};
    if (slots->slot[slot].is_live && drawn->draw >= DRAWS_MAX) {
        put_slots_lose(slots, slot,
                       FAIL(CRYPTO, "%s: drew %u times, and what it drew never decodes",
                            slots->slot[slot].name, drawn->draw));
        TRY(put_slots_check(slots, "put"));
    }
    if (slots->slot[slot].is_live) {
        choosing->rows = DRAWS_ROWS;
        choosing->with_symbol = with_symbol;
        is_asked[slot] = true;
        TRY(ask(choosing, is_asked, 1));
    }
    return slots->slot[slot].is_live ? OK : draws_own(choosing->draws, slot, with_symbol);
}

static result draw_and_settle(struct choosing *choosing) {
    struct put_slots *slots = choosing->batch->slots;
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    TRY(put_choices_init(slots->n, slots->k, &choices));
    choosing->rows = 1;
    choosing->with_symbol = true;
    TRY(ask(choosing, NULL, slots->quorum));
    for (unsigned slot = 0; slot < slots->n; slot++)
        if (!slots->slot[slot].is_live)
            TRY(draws_own(choosing->draws, slot, true));
    return draws_settle(choosing->draws, &choices, draw_again, choosing);
}

static result draw_all(struct put_batch *batch) {
    AUTO_DRAWS struct draws draws = {
        .n = batch->slots->n,
        .k = batch->slots->k,
        .assignment = batch->assignment,
        .rows = batch->rows,
    };
    memcpy(draws.tau, batch->image->tau_bytes, sizeof draws.tau);
    memcpy(draws.put, batch->put, sizeof draws.put);
    if (batch->parts != NULL) {
        draws.ciphertexts = batch->parts->draft->ciphertexts;
        draws.symbols = batch->parts->draft->symbols;
    }
    struct choosing choosing = {.batch = batch, .draws = &draws};
    choosing.answers = calloc(batch->slots->n, sizeof *choosing.answers);
    if (choosing.answers == NULL)
        return FAIL(NO_MEMORY, "no memory to ask %u servers", batch->slots->n);
    result drawn = draw_and_settle(&choosing);
    free(choosing.answers);
    for (unsigned slot = 0; slot < batch->slots->n; slot++)
        batch->draws[slot] =
            (struct put_draw_name){draws.drawn[slot].draw, draws.drawn[slot].chosen};
    return drawn;
}

/* ------------------------------------------------------------------ either way */

static result choose_rows(struct put_batch *batch) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    batch->rows = malloc((size_t)n * k);
    if (batch->rows == NULL)
        return FAIL(NO_MEMORY, "no memory for the rows of a code");
    if (batch->assignment != NULL)
        return draw_all(batch);
    for (unsigned slot = 0; slot < n; slot++)
        TRY(code_cauchy_row(k, slot, batch->rows + (size_t)slot * k));
    return OK;
}

result put_batch_choose(struct put_batch *batch) {
    TRY(choose_rows(batch));
    if (batch->assignment != NULL && batch->parts != NULL)
        TRY(put_envelope_sign(batch->session, batch->image, batch->parts->id, batch->servers,
                              batch->parts->draft, batch->put, batch->content_key,
                              batch->envelope));
    return code_encoder_init(batch->slots->n, batch->slots->k, batch->rows, &batch->encoder);
}
