/* What servers say of their draws: what is taken, what is drawn again, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "code/code.h"
#include "flow/put_draw.h"
#include "format/symbol.h"
#include "scheme/enc.h"
#include "scheme/encode.h"

/* ------------------------------------------------------------------ what servers say */

enum { N = 4, K = 2 };

struct server {
    char name[16];
    struct sign_key key;
    unsigned draws;                  /* so often it drew */
    void (*lie)(Myelin__Draw *draw); /* before it signs */
    bool repeats_row;                /* its row is always (1, 1) */
    bool repeats_coefficients;       /* its coefficients in Zr are always 1 and 1 */
};

static struct world {
    struct server servers[N];
    struct ciphertext ciphertexts[K];
    struct codeword_symbol symbols[N];
    uint8_t rows[N * K];
    struct put_assignment assignment;
    struct draws draws;
    unsigned again;
    struct bytes last[N]; /* each server's last answer */
} world;

static void make_ciphertexts(void) {
    struct secret_key secret;
    struct public_key public_key;
    struct gt messages[K];
    struct g2 tau;
    struct scalar exponent;
    keygen(&secret, &public_key);
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &tau);
    g2_to_bytes(&tau, world.draws.tau);
    enc_random_messages(K, messages);
    enc(&public_key, &tau, messages, K, world.ciphertexts);
}

static int world_open(void **state) {
    (void)state;
    world = (struct world){0};
    if (put_assign(N, K, N, &world.assignment) != OK)
        return -1;
    world.draws = (struct draws){
        .n = N,
        .k = K,
        .assignment = &world.assignment,
        .ciphertexts = world.ciphertexts,
        .symbols = world.symbols,
        .rows = world.rows,
    };
    make_ciphertexts();
    secret_random(world.draws.put, sizeof world.draws.put);
    for (unsigned i = 0; i < N; i++) {
        snprintf(world.servers[i].name, sizeof world.servers[i].name, "storage-%u", i + 1);
        sign_key_random(&world.servers[i].key);
    }
    return 0;
}

static int world_close(void **state) {
    (void)state;
    draws_clean_up(&world.draws);
    for (unsigned i = 0; i < N; i++) {
        codeword_symbol_free(&world.symbols[i]);
        bytes_free(&world.last[i]);
    }
    return 0;
}

/* A server's own coefficients and what it makes of the ciphertexts. */
static void encode_for(const struct server *server, unsigned slot, struct scalar coefficients[],
                       uint8_t hash[DIGEST_BYTES]) {
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    AUTO_BYTES struct bytes wire = {0};
    encode_coefficients(NULL, K, coefficients);
    for (unsigned i = 0; server->repeats_coefficients && i < K; i++)
        scalar_from_u64(1, &coefficients[i]);
    assert_int_equal(encode(world.ciphertexts, coefficients, K, &symbol), OK);
    assert_int_equal(format_symbol_pack(slot, &symbol, &wire, hash), OK);
}

static void answer(unsigned slot, struct view wire, struct bytes *out_answer) {
    struct server *server = &world.servers[slot];
    AUTO_FORMAT Myelin__DrawRequest *request = NULL;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    uint8_t rows[FORMAT_DRAWN_ROWS_MAX][K], bytes[K][SCALAR_BYTES];
    uint8_t digest[DIGEST_BYTES], hash[DIGEST_BYTES];
    ProtobufCBinaryData row_fields[FORMAT_DRAWN_ROWS_MAX], fields[K];
    struct scalar coefficients[K];
    assert_int_equal(format_parse_draw_request(wire, &request), OK);
    digest_sha256(wire, digest);
    server->draws++;
    for (unsigned i = 0; i < request->rows; i++) {
        rows[i][0] = 1;
        rows[i][1] = server->repeats_row ? 1 : (uint8_t)(slot + 2 + 5 * i);
        row_fields[i] = format_bytes(view_of(rows[i], K));
    }
    Myelin__Draw draw = MYELIN__DRAW__INIT;
    draw.server = server->name;
    draw.tau = request->tau;
    draw.put = format_bytes(view_of(world.draws.put, FORMAT_ID_BYTES));
    draw.slot = request->slot;
    draw.draw = request->draw;
    draw.request = format_bytes(view_of(digest, sizeof digest));
    draw.row = row_fields;
    draw.n_row = request->rows;
    if (request->n_ciphertext > 0) {
        encode_for(server, slot, coefficients, hash);
        for (unsigned i = 0; i < K; i++) {
            scalar_to_bytes(&coefficients[i], bytes[i]);
            fields[i] = format_bytes(view_of(bytes[i], SCALAR_BYTES));
        }
        draw.coefficient = fields;
        draw.n_coefficient = K;
        draw.symbol_hash = format_bytes(view_of(hash, sizeof hash));
    } else if (world.symbols[slot].k > 0) { /* it stays */
        AUTO_BYTES struct bytes symbol = {0};
        assert_int_equal(format_symbol_pack(slot, &world.symbols[slot], &symbol, hash), OK);
        for (unsigned i = 0; i < K; i++) {
            scalar_to_bytes(&world.symbols[slot].coefficients[i], bytes[i]);
            fields[i] = format_bytes(view_of(bytes[i], SCALAR_BYTES));
        }
        draw.coefficient = fields;
        draw.n_coefficient = K;
        draw.symbol_hash = format_bytes(view_of(hash, sizeof hash));
    }
    if (server->lie != NULL)
        server->lie(&draw);
    assert_int_equal(format_sign(&server->key, &draw, &record), OK);
    assert_int_equal(format_pack(record, out_answer), OK);
}

static result take(unsigned slot, struct view wire) {
    const struct server *server = &world.servers[slot];
    return draws_take(&world.draws, slot, server->name, server->key.public_key, wire);
}

static result draw(unsigned slot, uint32_t rows, bool with_symbol) {
    AUTO_BYTES struct bytes request = {0};
    bytes_free(&world.last[slot]);
    assert_int_equal(draws_request(&world.draws, slot, rows, with_symbol, &request), OK);
    answer(slot, bytes_view(&request), &world.last[slot]);
    return take(slot, bytes_view(&world.last[slot]));
}

static result draw_again(void *context, unsigned slot, bool with_symbol) {
    (void)context;
    world.again++;
    return draw(slot, DRAWS_ROWS, with_symbol);
}

/* As the flow does it: a server that never fits is done without. */
static result draw_again_or_without(void *context, unsigned slot, bool with_symbol) {
    if (world.draws.drawn[slot].draw < DRAWS_MAX && !world.draws.drawn[slot].is_own)
        return draw_again(context, slot, with_symbol);
    return draws_own(&world.draws, slot, with_symbol);
}

static result settle(draws_again again) {
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(N, K, &choices), OK);
    return draws_settle(&world.draws, &choices, again, NULL);
}

static void assert_any_k_decode(void) {
    for (unsigned a = 0; a < N; a++)
        for (unsigned b = a + 1; b < N; b++) {
            uint8_t rows[K * K];
            struct scalar left, right;
            memcpy(rows, world.rows + a * K, K);
            memcpy(rows + K, world.rows + b * K, K);
            assert_true(code_decodable(K, rows));
            scalar_mul(&world.symbols[a].coefficients[0], &world.symbols[b].coefficients[1], &left);
            scalar_mul(&world.symbols[a].coefficients[1], &world.symbols[b].coefficients[0],
                       &right);
            assert_false(scalar_equal(&left, &right));
        }
}

static void honest_draws_are_taken(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(draw(slot, 1, true), OK);
    assert_int_equal(settle(draw_again), OK);
    assert_int_equal(world.again, 0);
    for (unsigned slot = 0; slot < N; slot++)
        assert_memory_equal(world.rows + slot * K, ((const uint8_t[]){1, (uint8_t)(slot + 2)}), K);
    assert_any_k_decode();
}

/* Slots 1 and 2 draw the same row; the later one draws again, and its envelope symbol stays. */
static void who_does_not_fit_draws_again(void **state) {
    (void)state;
    world.servers[1].repeats_row = world.servers[2].repeats_row = true;
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(draw(slot, 1, true), OK);
    struct scalar before = world.symbols[2].coefficients[0];
    world.servers[2].repeats_row = false;
    assert_int_equal(settle(draw_again), OK);
    assert_int_equal(world.again, 1);
    assert_int_equal(world.servers[2].draws, 2);
    assert_true(scalar_equal(&before, &world.symbols[2].coefficients[0]));
    assert_any_k_decode();
}

static void who_does_not_fit_in_zr_draws_again(void **state) {
    (void)state;
    world.servers[0].repeats_coefficients = world.servers[3].repeats_coefficients = true;
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(draw(slot, 1, true), OK);
    world.servers[3].repeats_coefficients = false;
    assert_int_equal(settle(draw_again), OK);
    assert_int_equal(world.again, 1);
    assert_int_equal(world.servers[3].draws, 2);
    assert_any_k_decode();
}

static void who_never_fits_is_done_without(void **state) {
    (void)state;
    world.servers[1].repeats_row = world.servers[3].repeats_row = true;
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(draw(slot, 1, true), OK);
    assert_int_equal(settle(draw_again_or_without), OK);
    assert_int_equal(world.servers[3].draws, DRAWS_MAX);
    assert_true(world.draws.drawn[3].is_own);
    assert_any_k_decode();
}

static void who_is_absent_is_drawn_for(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(slot == 1 ? draws_own(&world.draws, slot, true) : draw(slot, 1, true), OK);
    assert_int_equal(settle(draw_again_or_without), OK);
    assert_any_k_decode();
}

/* ------------------------------------------------------------------ and what is not believed */

static uint8_t other[DIGEST_BYTES] = {9};
static uint8_t big[SCALAR_BYTES] = {0xff, 0xff};
static uint8_t zero_row[K] = {1, 0};
static uint8_t no_scalar[SCALAR_BYTES];
static char other_name[] = "storage-9";

static void say_other_symbol(Myelin__Draw *d) {
    d->symbol_hash.data = other;
}
static void say_other_request(Myelin__Draw *d) {
    d->request.data = other;
}
static void say_other_put(Myelin__Draw *d) {
    d->put.data = other;
}
static void say_other_draw(Myelin__Draw *d) {
    d->draw++;
}
static void say_other_slot(Myelin__Draw *d) {
    d->slot ^= 1;
}
static void say_other_name(Myelin__Draw *d) {
    d->server = other_name;
}
static void say_more_rows(Myelin__Draw *d) {
    d->row[1] = d->row[0];
    d->n_row = 2;
}
static void say_no_coefficient(Myelin__Draw *d) {
    d->row[0].data = zero_row;
}
static void say_no_scalar(Myelin__Draw *d) {
    d->coefficient[1].data = no_scalar;
}
static void say_large_scalar(Myelin__Draw *d) {
    d->coefficient[0].data = big;
}
static void say_other_scalar(Myelin__Draw *d) {
    d->coefficient[0] = d->coefficient[1];
}
static void say_no_envelope(Myelin__Draw *d) {
    d->n_coefficient = 0;
    d->symbol_hash.len = 0;
}

static void liars_are_named(void **state) {
    (void)state;
    const struct {
        void (*lie)(Myelin__Draw *draw);
        result code;
        const char *text;
    } lies[] = {
        {say_other_symbol, INTEGRITY, "its envelope symbol is not what its coefficients make"},
        {say_other_scalar, INTEGRITY, "its envelope symbol is not what its coefficients make"},
        {say_other_request, PROTOCOL, "for something else"},
        {say_other_put, PROTOCOL, "for something else"},
        {say_other_draw, PROTOCOL, "for something else"},
        {say_other_slot, PROTOCOL, "for something else"},
        {say_other_name, PROTOCOL, "for something else"},
        {say_more_rows, PROTOCOL, "2 rows of 2 coefficients"},
        {say_no_coefficient, PROTOCOL, "row 0: block 1 has no coefficient"},
        {say_no_scalar, PROTOCOL, "in Zr block 1 has no coefficient"},
        {say_large_scalar, PROTOCOL, "coefficient"},
        {say_no_envelope, PROTOCOL, "0 coefficients for an envelope"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        world.servers[2].lie = lies[i].lie;
        assert_int_equal(draw(2, 1, true), lies[i].code);
        assert_non_null(strstr(error_text(), lies[i].text));
        assert_non_null(strstr(error_text(), "storage-3: its draw"));
        assert_null(world.draws.drawn[2].candidates);
        assert_int_equal(world.symbols[2].k, 0);
    }
    world.servers[2].lie = NULL;
    assert_int_equal(draw(2, 1, true), OK);
}

static void forged_draws_are_refused(void **state) {
    (void)state;
    AUTO_BYTES struct bytes request = {0}, signed_by_other = {0}, honest = {0};
    assert_int_equal(draws_request(&world.draws, 0, 1, true, &request), OK);
    struct sign_key own = world.servers[0].key;
    world.servers[0].key = world.servers[1].key;
    answer(0, bytes_view(&request), &signed_by_other);
    world.servers[0].key = own;
    assert_int_equal(take(0, bytes_view(&signed_by_other)), INTEGRITY);
    assert_non_null(strstr(error_text(), "storage-1: its draw"));
    answer(0, bytes_view(&request), &honest);
    for (size_t i = 0; i < honest.len; i++) { /* no byte of it may be another */
        honest.data[i] ^= 0x20;
        result taken = take(0, bytes_view(&honest));
        assert_true(taken == INTEGRITY || taken == PROTOCOL);
        honest.data[i] ^= 0x20;
    }
    assert_int_equal(take(0, view_of(honest.data, honest.len - 1)), PROTOCOL);
    assert_int_equal(take(0, bytes_view(&honest)), OK);
}

/* An answer to an earlier draw, of another put, or of another server. */
static void replayed_draws_are_refused(void **state) {
    (void)state;
    AUTO_BYTES struct bytes first = {0}, request = {0};
    assert_int_equal(draw(0, 1, true), OK);
    assert_int_equal(bytes_append(&first, bytes_view(&world.last[0])), OK);
    assert_int_equal(draws_request(&world.draws, 0, 1, true, &request), OK);
    assert_int_equal(take(0, bytes_view(&first)), PROTOCOL);
    assert_non_null(strstr(error_text(), "for something else"));
    world.draws.drawn[0].draw = 1; /* the same number: the request is another one */
    assert_int_equal(take(0, bytes_view(&first)), PROTOCOL);
    world.draws.put[0] ^= 1;
    assert_int_equal(take(0, bytes_view(&first)), PROTOCOL);
    assert_int_equal(draw(1, 1, true), OK);
    assert_int_equal(take(2, bytes_view(&world.last[1])), INTEGRITY);
}

/* Asked for rows alone, a server may not change what it said of the envelope. */
static void a_symbol_that_changes_is_refused(void **state) {
    (void)state;
    assert_int_equal(draw(0, 1, true), OK);
    assert_int_equal(draw(0, DRAWS_ROWS, false), OK);
    world.servers[0].lie = say_other_symbol;
    assert_int_equal(draw(0, DRAWS_ROWS, false), INTEGRITY);
    assert_non_null(strstr(error_text(), "another one than before"));
}

static void coefficients_without_an_envelope(void **state) {
    (void)state;
    world.draws.ciphertexts = NULL;
    assert_int_equal(draw(0, 1, true), OK); /* none were asked for */
    assert_int_equal(world.symbols[0].k, 0);
    for (unsigned slot = 1; slot < N; slot++)
        assert_int_equal(draw(slot, 1, true), OK);
    assert_int_equal(settle(draw_again), OK);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

/* ------------------------------------------------------------------ rows that leave none */

enum { NARROW = 3 };

static struct narrow {
    struct put_assignment assignment;
    struct draws draws;
    uint8_t rows[NARROW * NARROW];
    unsigned again;
} narrow;

static result draw_own_again(void *context, unsigned slot, bool with_symbol) {
    (void)context;
    narrow.again++;
    return draws_own(&narrow.draws, slot, with_symbol);
}

static void draw_first(unsigned slot, const uint8_t row[NARROW]) {
    assert_int_equal(draws_own(&narrow.draws, slot, false), OK);
    narrow.draws.drawn[slot].row_count = 1;
    memcpy(narrow.draws.drawn[slot].candidates, row, NARROW);
}

/* Slot 2 holds one block, so its row is one alone, and the rows of the others are such that it is
 * in their span: however often it draws. */
static void rows_that_leave_none_to_another_are_drawn_anew(void **state) {
    (void)state;
    narrow = (struct narrow){
        .assignment = {.n = NARROW,
                       .k = NARROW,
                       .held = {{3, {0, 1, 2}}, {3, {0, 1, 2}}, {1, {2}}}},
        .draws = {.n = NARROW, .k = NARROW, .assignment = &narrow.assignment, .rows = narrow.rows},
    };
    draw_first(0, (const uint8_t[]){1, 1, 1});
    draw_first(1, (const uint8_t[]){1, 1, 2});
    draw_first(2, (const uint8_t[]){0, 0, 1});
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(NARROW, NARROW, &choices), OK);
    assert_int_equal(draws_settle(&narrow.draws, &choices, draw_own_again, NULL), OK);
    assert_true(narrow.again >= DRAWS_VAIN + NARROW);
    assert_true(code_decodable(NARROW, narrow.rows));
    draws_clean_up(&narrow.draws);
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        IN_WORLD(honest_draws_are_taken),
        IN_WORLD(who_does_not_fit_draws_again),
        IN_WORLD(who_does_not_fit_in_zr_draws_again),
        IN_WORLD(who_never_fits_is_done_without),
        IN_WORLD(who_is_absent_is_drawn_for),
        IN_WORLD(liars_are_named),
        IN_WORLD(forged_draws_are_refused),
        IN_WORLD(replayed_draws_are_refused),
        IN_WORLD(a_symbol_that_changes_is_refused),
        IN_WORLD(coefficients_without_an_envelope),
        cmocka_unit_test(rows_that_leave_none_to_another_are_drawn_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
