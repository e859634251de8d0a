/* Large buffers: aligned, writable from end to end, and parts of them can go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/large.h"

static const size_t sizes[] = {
    0, 1, 4095, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (7 << 20) + 12345};

static void all_of_it_can_be_used(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *memory = NULL;
        assert_int_equal(large_new(sizes[i], &memory), OK);
        assert_int_equal((uintptr_t)memory % LARGE_ALIGNMENT, 0);
        memset(memory, 7, sizes[i]);
        large_free(memory, sizes[i]);
    }
    large_free(NULL, 5);
}

static void what_cannot_be_is_said(void **state) {
    uint8_t *memory = NULL;
    (void)state;
    assert_int_equal(large_new(SIZE_MAX - 5, &memory), NO_MEMORY);
    assert_int_equal(large_new(SIZE_MAX / 4, &memory), NO_MEMORY);
}

/* Whether the page of this byte is in memory. */
static bool is_resident(uint8_t *byte) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char in = 0;
    assert_int_equal(mincore(byte - (uintptr_t)byte % page, 1, &in), 0);
    return (in & 1) != 0;
}

static void parts_go_back_and_their_neighbours_stay(void **state) {
    enum { PART = 100000 };
    const size_t whole = 64 * PART;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = NULL;
    (void)state;
    assert_int_equal(large_new(whole, &memory), OK);
    memset(memory, 9, whole);
    large_give(memory, whole, memory + 3 * PART, PART);
    large_give(memory, whole, memory + 63 * PART,
               PART); /* to the end, which is in a page's midst */
    assert_false(is_resident(memory + 3 * PART + page));
    assert_false(is_resident(memory + whole - 1));
    for (size_t i = 0; i < 63 * PART; i++)
        if (i < 3 * PART || i >= 4 * PART)
            assert_int_equal(memory[i], 9);
    large_free(memory, whole);
}

static void what_is_small_stays_whole(void **state) {
    uint8_t *memory = NULL;
    (void)state;
    assert_int_equal(large_new(100000, &memory), OK);
    memset(memory, 9, 100000);
    large_give(memory, 100000, memory, 100000);
    assert_int_equal(memory[50000], 9);
    large_free(memory, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_can_be_used),
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(parts_go_back_and_their_neighbours_stay),
        cmocka_unit_test(what_is_small_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
