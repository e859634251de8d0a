/* The erasure code: every k of n slots decode, repair gives the lost slice back, singular rows are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "code/code.h"
#include "code/span.h"

enum { MAX = CODE_SYMBOLS_MAX };

static uint8_t *cauchy_rows(unsigned n, unsigned k) {
    uint8_t *rows = malloc((size_t)n * k);
    assert_non_null(rows);
    for (unsigned slot = 0; slot < n; slot++)
        assert_int_equal(code_cauchy_row(k, slot, rows + slot * k), OK);
    return rows;
}

/* A segment and its n slices. */
struct sample {
    unsigned n, k;
    size_t len, block_len;
    uint8_t *segment, *rows;
    uint8_t *slices[MAX];
};

static void sample_make(unsigned n, unsigned k, size_t len, struct sample *out) {
    *out = (struct sample){.n = n, .k = k, .len = len, .block_len = code_block_len(len, k)};
    out->rows = cauchy_rows(n, k);
    out->segment = malloc(out->block_len * k);
    secret_random(out->segment, out->block_len * k);
    const uint8_t *blocks[MAX];
    code_cut(out->segment, len, k, blocks);
    for (unsigned i = 0; i < n; i++)
        out->slices[i] = malloc(out->block_len);
    AUTO_CODE_MAP struct code_map encoder = {0};
    assert_int_equal(code_encoder_init(n, k, out->rows, &encoder), OK);
    code_apply(&encoder, blocks, out->block_len, out->slices);
}

static void sample_free(struct sample *sample) {
    for (unsigned i = 0; i < sample->n; i++)
        free(sample->slices[i]);
    free(sample->segment);
    free(sample->rows);
}

/* Decodes from the slots in `chosen` and compares with the segment, padding included. */
static void assert_decodes(const struct sample *sample, const unsigned chosen[]) {
    unsigned k = sample->k;
    uint8_t *rows = calloc(k, k);
    const uint8_t *inputs[MAX];
    for (unsigned i = 0; i < k; i++) {
        memcpy(rows + i * k, sample->rows + chosen[i] * k, k);
        inputs[i] = sample->slices[chosen[i]];
    }
    AUTO_CODE_MAP struct code_map decoder = {0};
    assert_int_equal(code_decoder_init(k, rows, &decoder), OK);
    uint8_t *decoded = malloc(sample->block_len * k), *blocks[MAX];
    for (unsigned i = 0; i < k; i++)
        blocks[i] = decoded + i * sample->block_len;
    code_apply(&decoder, inputs, sample->block_len, blocks);
    assert_memory_equal(decoded, sample->segment, sample->block_len * k);
    free(decoded);
    free(rows);
}

/* Visits every k-subset of n slots in lexicographic order. */
static bool next_subset(unsigned n, unsigned k, unsigned chosen[]) {
    unsigned i = k;
    while (i > 0 && chosen[i - 1] == n - k + i - 1)
        i--;
    if (i == 0)
        return false;
    chosen[i - 1]++;
    for (; i < k; i++)
        chosen[i] = chosen[i - 1] + 1;
    return true;
}

static void every_subset_decodes(void **state) {
    (void)state;
    static const struct {
        unsigned n, k;
    } codes[] = {{1, 1}, {2, 1}, {3, 2}, {6, 3}, {6, 6}, {9, 4}, {14, 10}};
    for (size_t c = 0; c < sizeof codes / sizeof *codes; c++) {
        struct sample sample;
        sample_make(codes[c].n, codes[c].k, 1000 + c, &sample);
        unsigned chosen[MAX], subsets = 0;
        for (unsigned i = 0; i < sample.k; i++)
            chosen[i] = i;
        do {
            assert_decodes(&sample, chosen);
            subsets++;
        } while (next_subset(sample.n, sample.k, chosen));
        assert_true(subsets >= sample.n / sample.k);
        sample_free(&sample);
    }
}

/* The largest codes, unit rows included: random k-subsets, and the k last slots. */
static void large_codes_decode(void **state) {
    (void)state;
    static const unsigned ks[] = {1, 2, 127, 128, 200, 254, 255};
    for (size_t c = 0; c < sizeof ks / sizeof *ks; c++) {
        struct sample sample;
        sample_make(MAX, ks[c], 600, &sample);
        for (unsigned round = 0; round < 5; round++) {
            unsigned slots[MAX];
            for (unsigned i = 0; i < MAX; i++)
                slots[i] = MAX - 1 - i;
            for (unsigned i = 0; round > 0 && i < sample.k; i++) {
                uint32_t draw;
                secret_random(&draw, sizeof draw);
                unsigned other = i + draw % (MAX - i), kept = slots[i];
                slots[i] = slots[other];
                slots[other] = kept;
            }
            assert_decodes(&sample, slots);
        }
        sample_free(&sample);
    }
}

static void rows_do_not_depend_on_the_number_of_slots(void **state) {
    (void)state;
    uint8_t row[3];
    assert_int_equal(code_cauchy_row(3, 0, row), OK);
    /* 1/3, 1/2, 1/1 in GF(2^8) modulo 0x11d: a change would make stored slices unreadable. */
    static const uint8_t first[3] = {0xf4, 0x8e, 0x01};
    assert_memory_equal(row, first, 3);
    for (unsigned slot = 0; slot < MAX; slot++) {
        assert_int_equal(code_cauchy_row(3, slot, row), OK);
        bool is_unit = slot >= 253;
        assert_int_equal(row[0] == 0 || row[1] == 0 || row[2] == 0, is_unit);
    }
    assert_int_equal(code_cauchy_row(3, MAX, row), INVALID);
    assert_int_equal(code_cauchy_row(0, 0, row), INVALID);
}

static void odd_lengths_round_trip(void **state) {
    (void)state;
    for (size_t len = 16; len < 16 + 3 * 70; len++) {
        struct sample sample;
        sample_make(6, 3, len, &sample);
        assert_decodes(&sample, (const unsigned[]){5, 0, 3}); /* in no particular order */
        sample_free(&sample);
    }
}

static void repair_gives_the_lost_slices(void **state) {
    (void)state;
    struct sample sample;
    sample_make(7, 4, 9000, &sample);
    static const unsigned kept[4] = {6, 1, 3, 4}, lost[2] = {5, 0};
    uint8_t rows[16], lost_rows[8];
    const uint8_t *inputs[4];
    for (unsigned i = 0; i < 4; i++) {
        memcpy(rows + 4 * i, sample.rows + 4 * kept[i], 4);
        inputs[i] = sample.slices[kept[i]];
    }
    for (unsigned i = 0; i < 2; i++)
        memcpy(lost_rows + 4 * i, sample.rows + 4 * lost[i], 4);
    AUTO_CODE_MAP struct code_map recoder = {0};
    assert_int_equal(code_recoder_init(4, rows, 2, lost_rows, &recoder), OK);
    uint8_t *rebuilt[2] = {malloc(sample.block_len), malloc(sample.block_len)};
    code_apply(&recoder, inputs, sample.block_len, rebuilt);
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(rebuilt[i], sample.slices[lost[i]], sample.block_len);
        free(rebuilt[i]);
    }
    sample_free(&sample);
}

static void singular_rows_are_refused(void **state) {
    (void)state;
    static const uint8_t twice[4] = {1, 2, 1, 2}, zero[4] = {0, 0, 1, 2}, regular[4] = {0, 1, 1, 0};
    struct code_map map;
    assert_int_equal(code_decoder_init(2, twice, &map), CRYPTO);
    assert_int_equal(code_decoder_init(2, zero, &map), CRYPTO);
    assert_int_equal(code_recoder_init(2, twice, 1, regular, &map), CRYPTO);
    assert_false(code_decodable(2, twice));
    assert_true(code_decodable(2, regular));
}

/* The paper's servers draw their rows at random: about 0.4 % of square matrices are singular, and
 * those that are not decode. */
static void random_rows_decode_or_are_singular(void **state) {
    (void)state;
    unsigned singular = 0;
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t rows[25], segment[5 * 40], sliced[5 * 40], decoded[5 * 40];
        secret_random(rows, sizeof rows);
        secret_random(segment, sizeof segment);
        const uint8_t *blocks[5], *slices_in[5];
        uint8_t *slices[5], *out[5];
        code_cut(segment, sizeof segment, 5, blocks);
        for (unsigned i = 0; i < 5; i++) {
            slices_in[i] = slices[i] = sliced + 40 * i;
            out[i] = decoded + 40 * i;
        }
        AUTO_CODE_MAP struct code_map encoder = {0}, decoder = {0};
        assert_int_equal(code_encoder_init(5, 5, rows, &encoder), OK);
        code_apply(&encoder, blocks, 40, slices);
        result prepared = code_decoder_init(5, rows, &decoder);
        if (prepared == CRYPTO) {
            singular++;
            continue;
        }
        assert_int_equal(prepared, OK);
        code_apply(&decoder, slices_in, 40, out);
        assert_memory_equal(decoded, segment, sizeof segment);
    }
    assert_in_range(singular, 0, 40); /* 8 expected */
}

static void bounds(void **state) {
    (void)state;
    assert_int_equal(code_check(6, 3), OK);
    assert_int_equal(code_check(255, 255), OK);
    assert_int_equal(code_check(256, 3), INVALID);
    assert_int_equal(code_check(3, 4), INVALID);
    assert_int_equal(code_check(3, 0), INVALID);
    assert_int_equal(code_block_len(0, 3), 0);
    assert_int_equal(code_block_len(1, 3), 1);
    assert_int_equal(code_block_len(3, 3), 1);
    assert_int_equal(code_block_len(4, 3), 2);
    uint8_t segment[6] = {1, 2, 3, 4, 9, 9};
    const uint8_t *blocks[3];
    code_cut(segment, 4, 3, blocks);
    assert_memory_equal(segment, ((const uint8_t[]){1, 2, 3, 4, 0, 0}), 6);
    assert_ptr_equal(blocks[2], segment + 4);
}

/* One server's own encoding of some blocks is the slice of a row that is 0 elsewhere. */
static void a_row_of_its_own(void **state) {
    (void)state;
    struct sample sample;
    sample_make(6, 4, 1000, &sample);
    const uint8_t *blocks[MAX];
    code_cut(sample.segment, sample.len, 4, blocks);
    const uint8_t whole[4] = {7, 0, 0, 201}, held[2] = {7, 201};
    uint8_t *expected = malloc(sample.block_len), *slice = malloc(sample.block_len);
    uint8_t *outputs[2][1] = {{expected}, {slice}};
    AUTO_CODE_MAP struct code_map all = {0}, some = {0};
    assert_int_equal(code_row_init(4, whole, &all), OK);
    assert_int_equal(code_row_init(2, held, &some), OK);
    code_apply(&all, blocks, sample.block_len, outputs[0]);
    code_apply(&some, (const uint8_t *[]){blocks[0], blocks[3]}, sample.block_len, outputs[1]);
    assert_memory_equal(slice, expected, sample.block_len);
    struct code_map none;
    assert_int_equal(code_row_init(0, held, &none), INVALID);
    assert_int_equal(code_row_init(256, held, &none), INVALID);
    free(expected);
    free(slice);
    sample_free(&sample);
}

static void a_span_agrees_with_the_decoder(void **state) {
    (void)state;
    enum { K = 3 };
    unsigned singular = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t rows[K * K];
        secret_random(rows, sizeof rows);
        for (unsigned j = 0; j < sizeof rows; j++)
            rows[j] &= 3; /* so that many are singular */
        AUTO_CODE_SPAN struct code_span span = {0};
        assert_int_equal(code_span_init(K, &span), OK);
        bool all = true;
        for (unsigned j = 0; j < K; j++) {
            unsigned rank = span.rank;
            bool added = code_span_add(&span, rows + j * K);
            assert_int_equal(span.rank, rank + added);
            all = all && added;
            if (added && j == 1) { /* taken back and added again: the same */
                code_span_drop(&span);
                assert_false(rank > 0 && code_span_add(&span, rows));
                assert_true(code_span_add(&span, rows + K));
            }
        }
        assert_int_equal(all, code_decodable(K, rows));
        assert_false(all && code_span_add(&span, rows));
        singular += !all;
    }
    assert_in_range(singular, 1000, 19000);
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subset_decodes),
        cmocka_unit_test(large_codes_decode),
        cmocka_unit_test(rows_do_not_depend_on_the_number_of_slots),
        cmocka_unit_test(odd_lengths_round_trip),
        cmocka_unit_test(repair_gives_the_lost_slices),
        cmocka_unit_test(singular_rows_are_refused),
        cmocka_unit_test(random_rows_decode_or_are_singular),
        cmocka_unit_test(bounds),
        cmocka_unit_test(a_row_of_its_own),
        cmocka_unit_test(a_span_agrees_with_the_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
