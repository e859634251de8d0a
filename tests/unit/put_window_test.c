/* The window of segments on their way out: order, bounds, slow slots, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "flow/put_window.h"

enum { SLOTS = 4, SEGMENTS = 500, ENTRIES = 5, CODERS = 3, PLAIN = 64, SLICE = 32 };

struct run {
    struct put_window *window;
    uint64_t in_order; /* segments seen by the order callback */
    bool is_out_of_order;
    uint64_t got[SLOTS];
    bool is_wrong[SLOTS];
    unsigned pause_us[SLOTS];
};

static void note_order(void *context, const struct put_segment *segment) {
    struct run *run = context;
    run->is_out_of_order |= segment->number != run->in_order++;
}

static struct put_window *new_window(struct run *run) {
    struct put_window_options options = {
        .slots = SLOTS,
        .pieces = SLOTS,
        .entries = ENTRIES,
        .plain_buffers = CODERS + 1,
        .plain_capacity = PLAIN,
        .piece_capacity = SLICE,
        .in_order = note_order,
        .context = run,
    };
    struct put_window *window;
    assert_int_equal(put_window_new(&options, &window), OK);
    return window;
}

static uint8_t pattern(uint64_t number, unsigned slot) {
    return (uint8_t)(number * 7 + slot * 31 + 1);
}

static void *read_all(void *argument) {
    struct run *run = argument;
    for (uint64_t i = 0; i < SEGMENTS; i++) {
        struct put_segment *segment;
        if (put_window_claim(run->window, &segment) != OK)
            return NULL;
        segment->number = i;
        segment->plain_len = PLAIN;
        memset(segment->plain, (int)(i & 0xff), PLAIN);
        put_window_submit(run->window);
    }
    put_window_end(run->window);
    return NULL;
}

static void *code_all(void *argument) {
    struct run *run = argument;
    struct put_segment *segment;
    while (put_window_take(run->window, &segment) == OK && segment != NULL) {
        if (segment->plain[PLAIN - 1] != (uint8_t)segment->number)
            put_window_fail(run->window, FAIL(INTERNAL, "another segment's plaintext"));
        for (unsigned slot = 0; slot < SLOTS; slot++)
            memset(segment->pieces + slot * SLICE, pattern(segment->number, slot), SLICE);
        segment->piece_len = SLICE;
        put_window_coded(run->window, segment);
    }
    return NULL;
}

struct slot_run {
    struct run *run;
    unsigned slot;
    result end;
};

static void *send_all(void *argument) {
    struct slot_run *self = argument;
    struct run *run = self->run;
    const struct put_segment *segment;
    while ((self->end = put_window_next(run->window, self->slot, &segment)) == OK &&
           segment != NULL) {
        const uint8_t *slice = segment->pieces + self->slot * SLICE;
        run->is_wrong[self->slot] |= segment->number != run->got[self->slot] ||
                                     slice[0] != pattern(segment->number, self->slot) ||
                                     slice[SLICE - 1] != slice[0];
        run->got[self->slot]++;
        if (run->pause_us[self->slot] > 0)
            nanosleep(&(struct timespec){.tv_nsec = run->pause_us[self->slot] * 1000L}, NULL);
        put_window_release(run->window, self->slot);
    }
    return NULL;
}

static void run_all(struct run *run, struct slot_run slots[SLOTS]) {
    pthread_t reader, coders[CODERS], senders[SLOTS];
    run->window = new_window(run);
    assert_int_equal(pthread_create(&reader, NULL, read_all, run), 0);
    for (unsigned i = 0; i < CODERS; i++)
        assert_int_equal(pthread_create(&coders[i], NULL, code_all, run), 0);
    for (unsigned i = 0; i < SLOTS; i++) {
        slots[i] = (struct slot_run){.run = run, .slot = i};
        assert_int_equal(pthread_create(&senders[i], NULL, send_all, &slots[i]), 0);
    }
    pthread_join(reader, NULL);
    for (unsigned i = 0; i < CODERS; i++)
        pthread_join(coders[i], NULL);
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_join(senders[i], NULL);
}

static void test_every_slot_gets_every_segment_in_order(void **state) {
    (void)state;
    struct run run = {.pause_us = {0, 50, 0, 200}};
    struct slot_run slots[SLOTS];
    run_all(&run, slots);
    assert_int_equal(run.in_order, SEGMENTS);
    assert_false(run.is_out_of_order);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(slots[i].end, OK);
        assert_int_equal(run.got[i], SEGMENTS);
        assert_false(run.is_wrong[i]);
    }
    assert_int_equal(put_window_check(run.window), OK);
    put_window_free(run.window);
}

/* One coder, no threads: fills the window as far as it goes. */
static uint64_t fill(struct put_window *window, uint64_t from, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        struct put_segment *segment;
        assert_int_equal(put_window_claim(window, &segment), OK);
        segment->number = from + i;
        put_window_submit(window);
        assert_int_equal(put_window_take(window, &segment), OK);
        segment->piece_len = SLICE;
        put_window_coded(window, segment);
    }
    return from + count;
}

static void release_all(struct put_window *window, unsigned slot, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        const struct put_segment *segment;
        assert_int_equal(put_window_next(window, slot, &segment), OK);
        assert_non_null(segment);
        put_window_release(window, slot);
    }
}

static void test_a_slot_that_holds_all_up_is_told_and_dropped(void **state) {
    (void)state;
    struct run run = {0};
    struct put_window *window = new_window(&run);
    uint64_t next = fill(window, 0, ENTRIES);
    for (unsigned slot = 0; slot < SLOTS - 1; slot++)
        release_all(window, slot, ENTRIES);
    unsigned laggards[SLOTS];
    assert_int_equal(put_window_laggards(window, SLOTS - 1, 1000, laggards), 0);
    nanosleep(&(struct timespec){.tv_nsec = 30 * 1000000L}, NULL);
    assert_int_equal(put_window_laggards(window, SLOTS, 10, laggards), 0);
    assert_int_equal(put_window_laggards(window, SLOTS - 1, 10, laggards), 1);
    assert_int_equal(laggards[0], SLOTS - 1);

    put_window_drop(window, SLOTS - 1);
    const struct put_segment *segment;
    assert_int_equal(put_window_next(window, SLOTS - 1, &segment), TIMEOUT);
    fill(window, next, ENTRIES); /* there is room again */
    assert_int_equal(put_window_laggards(window, SLOTS - 1, 0, laggards), 0);
    put_window_free(window);
}

static void *claim_one(void *argument) {
    struct run *run = argument;
    struct put_segment *segment;
    run->is_out_of_order = put_window_claim(run->window, &segment) == IO;
    return NULL;
}

static void test_a_failure_reaches_whoever_waits(void **state) {
    (void)state;
    struct run run = {0};
    run.window = new_window(&run);
    fill(run.window, 0, ENTRIES);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, claim_one, &run), 0);
    put_window_fail(run.window, FAIL(IO, "the disk is gone"));
    put_window_fail(run.window, FAIL(QUORUM, "later"));
    pthread_join(reader, NULL);
    assert_true(run.is_out_of_order); /* claim gave IO */
    const struct put_segment *segment;
    assert_int_equal(put_window_next(run.window, 0, &segment), IO);
    assert_int_equal(put_window_check(run.window), IO);
    assert_string_equal(error_text(), "the disk is gone");
    put_window_free(run.window);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_slot_gets_every_segment_in_order),
        cmocka_unit_test(test_a_slot_that_holds_all_up_is_told_and_dropped),
        cmocka_unit_test(test_a_failure_reaches_whoever_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
