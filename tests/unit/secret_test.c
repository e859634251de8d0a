/* Secret memory: zeroed whenever it is handed out, whoever had it before, and never to two at once.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/secret.h"

enum { MANY = 100 };

static uint8_t *new_block(size_t size) {
    static const uint8_t zeros[4096];
    void *block = NULL;
    assert_int_equal(secret_new(size, &block), OK);
    assert_memory_equal(block, zeros, size);
    memset(block, 0xa5, size);
    return block;
}

static void blocks_are_zeroed(void **state) {
    static const size_t sizes[] = {1, 32, 33, 120, 512, 513, 4096};
    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            secret_free(new_block(sizes[s]));
    secret_free(NULL);
}

/* Many at once, of several sizes, freed in another order than they were made. */
static void blocks_are_nobody_elses(void **state) {
    uint8_t *blocks[MANY];
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            blocks[i] = new_block(16 + i % 7);
            memset(blocks[i], (int)i, 16);
        }
        for (unsigned i = 0; i < MANY; i++) {
            unsigned j = i * 37 % MANY;
            uint8_t expected[16];
            memset(expected, (int)j, sizeof expected);
            assert_memory_equal(blocks[j], expected, sizeof expected);
            secret_free(blocks[j]);
        }
    }
}

/* The signal that ends a child which does `work`; 0: none. */
static int death_of(void (*work)(void)) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
        signal(SIGABRT, SIG_DFL);
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void write_past_the_end(void) {
    volatile uint8_t *block = new_block(100);
    block[100] = 1;
}

static void look_after_the_end(void) {
    volatile uint8_t *block = new_block(100);
    secret_free((void *)(uintptr_t)block);
    (void)block[0];
}

static void free_twice(void) {
    uint8_t *block = new_block(64);
    secret_free(block);
    secret_free(block);
}

static void misuse_ends_the_program(void **state) {
    (void)state;
    assert_int_equal(death_of(write_past_the_end), SIGSEGV);
    assert_int_equal(death_of(look_after_the_end), SIGSEGV);
    assert_int_not_equal(death_of(free_twice), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed),
        cmocka_unit_test(blocks_are_nobody_elses),
        cmocka_unit_test(misuse_ends_the_program),
    };
    return secret_start() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
