/* Which blocks go where, and whether any k servers decode by what they drew. */
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

/* ------------------------------------------------------------------ who gets which blocks */

static struct put_assignment assignment;

static void every_block_has_its_copies(void **state) {
    (void)state;
    static const unsigned shapes[][3] = {
        {6, 3, 6}, {6, 3, 4}, {14, 10, 5},  {14, 10, 14},   {5, 5, 1},     {10, 10, 1},
        {7, 1, 7}, {1, 1, 1}, {40, 20, 30}, {255, 200, 56}, {255, 255, 1}, {255, 1, 255}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        unsigned n = shapes[s][0], k = shapes[s][1], v = shapes[s][2];
        unsigned copies[FORMAT_SERVERS_MAX] = {0};
        assert_int_equal(put_assign(n, k, v, &assignment), OK);
        for (unsigned slot = 0; slot < n; slot++) {
            const struct put_held *held = &assignment.held[slot];
            assert_in_range(held->count, k * v / n, (k * v + n - 1) / n);
            for (unsigned i = 0; i < held->count; i++) {
                assert_true(held->block[i] < k && (i == 0 || held->block[i] > held->block[i - 1]));
                copies[held->block[i]]++;
            }
        }
        for (unsigned block = 0; block < k; block++)
            assert_int_equal(copies[block], v);
    }
}

static void give(unsigned slot, const char *blocks) {
    struct put_held *held = &assignment.held[slot];
    held->count = 0;
    for (; *blocks != '\0'; blocks++)
        held->block[held->count++] = (uint8_t)(*blocks - '0');
}

/* Compared with what random coefficients make of it: any 3 of 5 servers, 3 copies. */
static void assignments_that_cannot_decode_are_known(void **state) {
    (void)state;
    assignment = (struct put_assignment){.n = 5, .k = 3};
    const struct {
        const char *held[5];
        bool can;
    } cases[] = {
        {{"01", "12", "02", "01", "2"}, true},     {{"01", "12", "02", "12", "0"}, true},
        {{"0", "0", "012", "12", "12"}, false}, /* slots 0 and 1 have the same block alone */
        {{"01", "01", "01", "2", "2"}, false},  /* three that lack block 2 */
        {{"01", "01", "012", "2", "2"}, false}, /* 3, 4 */
        {{"012", "012", "012", "12", "12"}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned slot = 0; slot < 5; slot++)
            give(slot, cases[i].held[slot]);
        assert_int_equal(put_assignment_can_decode(&assignment), cases[i].can);
    }
}

static void chance_is_dealt_anew_until_any_k_can_decode(void **state) {
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(put_assign(6, 3, 4, &assignment), OK);
        assert_true(put_assignment_can_decode(&assignment));
    }
}

/* ------------------------------------------------------------------ whether any k decode */

static void a_dependent_row_is_refused_and_another_taken(void **state) {
    (void)state;
    enum { N = 5, K = 3 };
    uint8_t rows[N * K] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 2, 3};
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(N, K, &choices), OK);
    assert_true(choices.is_all);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_int_equal(put_choices_add_bulk(&choices, slot, rows), OK);
    assert_int_equal(put_choices_add_bulk(&choices, 3, rows), CRYPTO); /* 0, 1 and 3 */
    assert_non_null(strstr(error_text(), "slot 3"));
    memcpy(rows + 9, (const uint8_t[]){1, 1, 1}, 3);
    assert_int_equal(put_choices_add_bulk(&choices, 3, rows), OK);
    assert_int_equal(put_choices_add_bulk(&choices, 4, rows), OK);
    memcpy(rows + 12, (const uint8_t[]){2, 2, 1}, 3); /* with 2 and 3: 2 (1 1 1) + (0 0 3) */
    assert_int_equal(put_choices_add_bulk(&choices, 4, rows), CRYPTO);
}

/* The first k - 1 rows alone are no choice of k; what they lack nobody after them can give. */
static void a_dependency_is_met_where_it_arises(void **state) {
    (void)state;
    uint8_t rows[4 * 3] = {1, 2, 3, 2, 4, 6};
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(4, 3, &choices), OK);
    assert_int_equal(put_choices_add_bulk(&choices, 0, rows), OK);
    assert_int_equal(put_choices_add_bulk(&choices, 1, rows), CRYPTO);
}

static void many_choices_are_sampled(void **state) {
    (void)state;
    enum { N = 40, K = 20 };
    static uint8_t rows[N * K];
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(N, K, &choices), OK);
    assert_false(choices.is_all);
    assert_int_equal(choices.count, CHOICES_SAMPLE);
    for (size_t i = 0; i < choices.count; i++)
        for (unsigned j = 1; j < K; j++)
            assert_in_range(choices.samples[i * K + j], choices.samples[i * K + j - 1] + 1, N - 1);
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(code_cauchy_row(K, slot, rows + slot * K), OK);
    for (unsigned slot = 0; slot + 1 < N; slot++)
        assert_int_equal(put_choices_add_bulk(&choices, slot, rows), OK);
    memcpy(rows + (N - 1) * K, rows, K); /* as slot 0's: some choice has both */
    assert_int_equal(put_choices_add_bulk(&choices, N - 1, rows), CRYPTO);
    assert_int_equal(code_cauchy_row(K, N - 1, rows + (N - 1) * K), OK);
    assert_int_equal(put_choices_add_bulk(&choices, N - 1, rows), OK);
}

static void the_envelopes_rows_too(void **state) {
    (void)state;
    struct scalar rows[4][2];
    const struct scalar *pointers[4] = {rows[0], rows[1], rows[2], rows[3]};
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    assert_int_equal(put_choices_init(4, 2, &choices), OK);
    for (unsigned slot = 0; slot < 4; slot++)
        encode_coefficients(NULL, 2, rows[slot]);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_int_equal(put_choices_add_envelope(&choices, slot, pointers), OK);
    for (unsigned i = 0; i < 2; i++)
        scalar_add(&rows[1][i], &rows[1][i], &rows[3][i]);
    assert_int_equal(put_choices_add_envelope(&choices, 3, pointers), CRYPTO);
    encode_coefficients(NULL, 2, rows[3]);
    assert_int_equal(put_choices_add_envelope(&choices, 3, pointers), OK);
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_has_its_copies),
        cmocka_unit_test(assignments_that_cannot_decode_are_known),
        cmocka_unit_test(chance_is_dealt_anew_until_any_k_can_decode),
        cmocka_unit_test(a_dependent_row_is_refused_and_another_taken),
        cmocka_unit_test(a_dependency_is_met_where_it_arises),
        cmocka_unit_test(many_choices_are_sampled),
        cmocka_unit_test(the_envelopes_rows_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
