/* The purse of a read: what is left of it for questions and for a fetch, nested, and shared by two
 * threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/patience.h"

enum { QUESTIONS_MS = PATIENCE_MS - PATIENCE_FETCH_MS };

static void expect_left(uint64_t questions_ms, uint64_t fetch_ms) {
    assert_int_equal(patience_for_questions_ms(), questions_ms);
    assert_int_equal(patience_for_fetch_ms(), fetch_ms);
}

static void test_without_a_purse_there_is_no_bound(void **state) {
    (void)state;
    expect_left(UINT64_MAX, UINT64_MAX);
    {
        AUTO_PATIENCE struct patience patience;
        patience_begin(&patience, PATIENCE_OF_GET);
        expect_left(QUESTIONS_MS, PATIENCE_MS);
    }
    expect_left(UINT64_MAX, UINT64_MAX);
}

/* A fetch has its part however long the questions took; a list has all of it for questions. */
static void test_questions_leave_a_fetch_its_part(void **state) {
    (void)state;
    struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    patience_spend(QUESTIONS_MS - 1);
    expect_left(1, PATIENCE_FETCH_MS + 1);
    patience_spend(2);
    expect_left(0, PATIENCE_FETCH_MS - 1);
    patience_spend(PATIENCE_MS);
    expect_left(0, 0);
    patience_end(&patience);
    patience_begin(&patience, PATIENCE_OF_LIST);
    expect_left(PATIENCE_MS, PATIENCE_MS);
    patience_end(&patience);
}

/* One purse for the whole of a read: what is read within it, by whatever name, pays from it too. */
static void test_within_another_it_is_that_one(void **state) {
    (void)state;
    struct patience outer;
    patience_begin(&outer, PATIENCE_OF_GET);
    patience_spend(1000);
    {
        AUTO_PATIENCE struct patience inner;
        patience_begin(&inner, PATIENCE_OF_LIST);
        expect_left(QUESTIONS_MS - 1000, PATIENCE_MS - 1000);
        patience_spend(500);
    }
    expect_left(QUESTIONS_MS - 1500, PATIENCE_MS - 1500);
    patience_end(&outer);
    patience_begin(&outer, PATIENCE_OF_GET);
    expect_left(QUESTIONS_MS, PATIENCE_MS);
    patience_end(&outer);
}

/* A second thread of one read; `spends_ms` is how long it waits. */
struct other {
    struct patience_purse purse;
    uint64_t spends_ms, questions_before_ms, questions_after_ms;
};

static void *run_other(void *context) {
    struct other *other = context;
    patience_take(&other->purse);
    other->questions_before_ms = patience_for_questions_ms();
    patience_spend(other->spends_ms);
    other->purse = patience_purse();
    patience_drop();
    other->questions_after_ms = patience_for_questions_ms();
    return NULL;
}

/* Both wait at the same time; gives what the second one saw. */
static struct other wait_both(uint64_t own_ms, uint64_t others_ms) {
    pthread_t thread;
    struct other other = {.purse = patience_purse(), .spends_ms = others_ms};
    assert_int_equal(pthread_create(&thread, NULL, run_other, &other), 0);
    patience_spend(own_ms);
    assert_int_equal(pthread_join(thread, NULL), 0);
    patience_join(&other.purse);
    return other;
}

static void test_two_threads_that_wait_at_once_pay_once(void **state) {
    (void)state;
    struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    patience_spend(100);
    struct other longer = wait_both(1000, 3000);
    assert_int_equal(longer.questions_before_ms, QUESTIONS_MS - 100);
    assert_int_equal(longer.questions_after_ms,
                     UINT64_MAX); /* that thread's next work is another's */
    expect_left(QUESTIONS_MS - 3100, PATIENCE_MS - 3100);
    (void)wait_both(1000, 10);
    expect_left(QUESTIONS_MS - 4100, PATIENCE_MS - 4100);
    patience_end(&patience);
}

/* Without a purse of the first one's, the second has none either. */
static void test_a_second_thread_of_what_has_no_bound(void **state) {
    (void)state;
    struct other other = wait_both(1000, 3000);
    assert_int_equal(other.questions_before_ms, UINT64_MAX);
    expect_left(UINT64_MAX, UINT64_MAX);
    struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    expect_left(QUESTIONS_MS, PATIENCE_MS);
    patience_end(&patience);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_purse_there_is_no_bound),
        cmocka_unit_test(test_questions_leave_a_fetch_its_part),
        cmocka_unit_test(test_within_another_it_is_that_one),
        cmocka_unit_test(test_two_threads_that_wait_at_once_pay_once),
        cmocka_unit_test(test_a_second_thread_of_what_has_no_bound),
    };
    return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
