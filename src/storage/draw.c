#include "storage/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "format/hash.h"
#include "format/symbol.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "storage/put_table.h"

void put_drawn_free(struct put_drawn *drawn) {
    if (drawn == NULL)
        return;
    free(drawn->rows);
    format_free(drawn->symbol);
    bytes_free(&drawn->answer);
    free(drawn);
}

static void put_drawn_free_at(struct put_drawn **drawn) {
    put_drawn_free(*drawn);
}
#define AUTO_PUT_DRAWN __attribute__((cleanup(put_drawn_free_at)))

/* ------------------------------------------------------------------ one draw at a time */

/* Whether the blocks are those of the draw before; that one's symbol may have to stay. */
static result check_same_blocks(const struct put_drawn *before,
                                const Myelin__DrawRequest *request) {
    if (request->k != before->k || request->slot != before->slot ||
        !view_equal(format_view(request->held), view_of(before->held, before->held_count)))
        return FAIL(PROTOCOL, "draw %u is for other blocks than draw %u", request->draw,
                    before->draw);
    return OK;
}

/* Under the mutex. */
static result check_turn(const struct put *put, const Myelin__DrawRequest *request) {
    if (put->doomed || put->state != PUT_OPEN)
        return FAIL(CONFLICT, "put %s takes no more draws", put->id.hex);
    for (size_t i = 0; i < put->object_count; i++)
        if (put->objects[i].state != OBJECT_AWAITED)
            return FAIL(CONFLICT, "put %s has blocks by the draw before", put->id.hex);
    if (put->is_drawing)
        return FAIL(CONFLICT, "put %s is being drawn for", put->id.hex);
    if (put->drawn != NULL && request->draw <= put->drawn->draw)
        return FAIL(CONFLICT, "draw %u of put %s came before", request->draw, put->id.hex);
    if (!put->creates && request->n_ciphertext > 0)
        return FAIL(PROTOCOL, "ciphertexts for an envelope that the put did not announce");
    if (put->creates && request->n_ciphertext == 0 && put->drawn == NULL)
        return FAIL(PROTOCOL, "the ciphertexts are missing");
    return put->drawn == NULL ? OK : check_same_blocks(put->drawn, request);
}

/* Takes the put's next draw for this request alone; the answer of the very same one again. */
static result claim(struct storage *storage, struct put *put, const Myelin__DrawRequest *request,
                    const uint8_t hash[DIGEST_BYTES], struct bytes *out_answer) {
    pthread_mutex_lock(&storage->mutex);
    const struct put_drawn *before = put->drawn;
    bool again = before != NULL && before->draw == request->draw &&
                 memcmp(before->request, hash, DIGEST_BYTES) == 0;
    result claimed =
        again ? bytes_append(out_answer, bytes_view(&before->answer)) : check_turn(put, request);
    if (claimed == OK && !again)
        put->is_drawing = true;
    pthread_mutex_unlock(&storage->mutex);
    return claimed;
}

/* `drawn` takes its place, where it was made and the put still takes it. */
static result settle(struct storage *storage, struct put *put, result made,
                     struct put_drawn **drawn) {
    pthread_mutex_lock(&storage->mutex);
    put->is_drawing = false;
    if (made == OK && (put->doomed || put->state != PUT_OPEN))
        made = FAIL(CONFLICT, "put %s takes no more draws", put->id.hex);
    if (made == OK) {
        struct put_drawn *before = put->drawn;
        put->drawn = *drawn;
        *drawn = before;
    }
    pthread_mutex_unlock(&storage->mutex);
    return made;
}

/* ------------------------------------------------------------------ drawing */

/* Uniform in 1..255 where the block is held. */
static result draw_rows(struct put_drawn *drawn) {
    drawn->rows = calloc(drawn->row_count, drawn->k);
    if (drawn->rows == NULL)
        return FAIL(NO_MEMORY, "no memory for %u rows", drawn->row_count);
    for (uint32_t i = 0; i < drawn->row_count; i++)
        for (size_t j = 0; j < drawn->held_count; j++) {
            uint8_t *coefficient = &drawn->rows[(size_t)i * drawn->k + drawn->held[j]];
            while (*coefficient == 0)
                secret_random(coefficient, 1);
        }
    return OK;
}

static result read_ciphertexts(const Myelin__DrawRequest *request, struct ciphertext out[]) {
    struct g2 tau;
    TRY(g2_parse("tau", format_view(request->tau), &tau));
    for (unsigned i = 0; i < request->k; i++)
        enc_absent(&tau, &out[i]);
    for (size_t i = 0; i < request->n_ciphertext; i++) {
        const Myelin__Ciphertext *message = request->ciphertext[i];
        struct ciphertext *ciphertext = &out[request->held.data[i]];
        TRY(g1_parse("ciphertext: alpha", format_view(message->alpha), &ciphertext->alpha));
        TRY(gt_parse("ciphertext: gamma", format_view(message->gamma), &ciphertext->gamma));
    }
    return OK;
}

/* Encode, by this server's own coefficients. */
static result encode_symbol(const Myelin__DrawRequest *request, struct put_drawn *drawn) {
    struct scalar coefficients[FORMAT_SERVERS_MAX];
    bool is_held[FORMAT_SERVERS_MAX] = {false};
    for (size_t i = 0; i < request->held.len; i++)
        is_held[request->held.data[i]] = true;
    encode_coefficients(is_held, request->k, coefficients);
    struct ciphertext *ciphertexts = calloc(request->k, sizeof *ciphertexts);
    if (ciphertexts == NULL)
        return FAIL(NO_MEMORY, "no memory for %u ciphertexts", request->k);
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    AUTO_BYTES struct bytes wire = {0};
    uint8_t hash[DIGEST_BYTES];
    result encoded = read_ciphertexts(request, ciphertexts);
    if (encoded == OK)
        encoded = encode(ciphertexts, coefficients, request->k, &symbol);
    free(ciphertexts);
    TRY(encoded);
    TRY(format_symbol_pack(request->slot, &symbol, &wire, hash));
    return format_parse_symbol(bytes_view(&wire), &drawn->symbol);
}

static result copy_symbol(const Myelin__Symbol *symbol, Myelin__Symbol **out_copy) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(symbol, &wire));
    return format_parse_symbol(bytes_view(&wire), out_copy);
}

static result sign_draw(const struct storage *storage, const struct put *put,
                        const Myelin__DrawRequest *request, struct put_drawn *drawn) {
    ProtobufCBinaryData rows[FORMAT_DRAWN_ROWS_MAX];
    char server[FORMAT_NAME_MAX + 1];
    uint8_t symbol_hash[DIGEST_BYTES];
    memcpy(server, storage->server, sizeof server);
    for (uint32_t i = 0; i < drawn->row_count; i++)
        rows[i] = format_bytes(view_of(drawn->rows + (size_t)i * drawn->k, drawn->k));
    Myelin__Draw draw = MYELIN__DRAW__INIT;
    draw.server = server;
    draw.tau = request->tau;
    draw.put = format_bytes(view_of(put->id.bytes, FORMAT_ID_BYTES));
    draw.slot = drawn->slot;
    draw.draw = drawn->draw;
    draw.request = format_bytes(view_of(drawn->request, DIGEST_BYTES));
    draw.n_row = drawn->row_count;
    draw.row = rows;
    if (drawn->symbol != NULL) {
        format_symbol_hash(drawn->symbol, symbol_hash);
        draw.n_coefficient = drawn->symbol->n_coefficient;
        draw.coefficient = drawn->symbol->coefficient;
        draw.symbol_hash = format_bytes(view_of(symbol_hash, sizeof symbol_hash));
    }
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(format_sign(storage->key, &draw, &record));
    return format_pack(record, &drawn->answer);
}

/* The put's draw is claimed: nobody else changes what was drawn before. */
static result make(const struct storage *storage, const struct put *put,
                   const Myelin__DrawRequest *request, const uint8_t hash[DIGEST_BYTES],
                   struct put_drawn **out_drawn) {
    AUTO_PUT_DRAWN struct put_drawn *drawn = calloc(1, sizeof *drawn);
    if (drawn == NULL)
        return FAIL(NO_MEMORY, "no memory for a draw");
    drawn->draw = request->draw;
    drawn->slot = request->slot;
    drawn->k = request->k;
    drawn->held_count = request->held.len;
    memcpy(drawn->held, request->held.data, request->held.len);
    drawn->row_count = request->rows;
    memcpy(drawn->request, hash, DIGEST_BYTES);
    TRY(draw_rows(drawn));
    if (request->n_ciphertext > 0)
        TRY(encode_symbol(request, drawn));
    else if (put->drawn != NULL && put->drawn->symbol != NULL)
        TRY(copy_symbol(put->drawn->symbol, &drawn->symbol));
    TRY(sign_draw(storage, put, request, drawn));
    *out_drawn = drawn;
    drawn = NULL;
    return OK;
}

result put_draw(struct storage *storage, const struct storage_caller *caller,
                const struct image_id *image, const struct short_id *put, struct view body,
                struct bytes *out_answer) {
    AUTO_PUT_USE struct put_use use = {.storage = storage};
    AUTO_FORMAT Myelin__DrawRequest *request = NULL;
    AUTO_PUT_DRAWN struct put_drawn *drawn = NULL;
    struct image_id of_tau;
    uint8_t hash[DIGEST_BYTES];
    size_t before = out_answer->len;
    TRY(put_acquire_own(storage, caller, image, put, &use.put));
    TRY(format_parse_draw_request(body, &request));
    image_id_of_tau(format_view(request->tau), &of_tau);
    if (!image_id_equal(image, &of_tau))
        return FAIL(INVALID, "tau is not of image %s", image->hex);
    digest_sha256(body, hash);
    TRY(claim(storage, use.put, request, hash, out_answer));
    if (out_answer->len > before)
        return OK;
    result made = make(storage, use.put, request, hash, &drawn);
    if (made == OK)
        made = bytes_append(out_answer, bytes_view(&drawn->answer));
    return settle(storage, use.put, made, &drawn);
}
