/* Refreshing and replacing with key servers that lie, refuse or stop answering at one of the steps.
 */
#include "shares_flow.h"

static void test_all_honest(void **state) {
    struct shares_done done;
    (void)state;
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        assert_int_equal(refresh(&done), OK);
        assert_int_equal(done.held, M);
        assert_int_equal(done.epoch, epoch);
        assert_string_equal(warnings, "");
        for (unsigned i = 0; i < M; i++)
            assert_int_equal(epoch_of(i), epoch);
    }
}

/* A liar is named and its part left out; it may keep the new share all the same. */
static void test_who_deals_wrongly_is_left_out(void **state) {
    struct shares_done done;
    (void)state;
    keyds[1].behaviour = DEALS_WRONGLY;
    keyds[1].victim = 3;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, M);
    assert_non_null(strstr(warnings, "key-2: dealt wrong sub-shares, as 1 key server says"));
    keyds[1].behaviour = DEALS_TO_OTHERS;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, M);
    assert_non_null(strstr(warnings, "key-2"));
    assert_int_equal(epoch_of(1), 2);
}

/* Two wrong dealers leave t; three do not, and everything is as it was. */
static void test_how_many_wrong_dealers(void **state) {
    struct shares_done done;
    (void)state;
    keyds[0].behaviour = keyds[1].behaviour = DEALS_WRONGLY;
    keyds[0].victim = keyds[1].victim = 4;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 4); /* one against two: it is the one that goes */
    assert_non_null(strstr(warnings, "key-5: complains of 2 others' sub-shares"));
    keyds[1].victim = 3;
    assert_int_equal(refresh(&done), OK); /* key-5 first gets its share back */
    assert_int_equal(done.held, M);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(epoch_of(i), 2);
    for (unsigned i = 0; i < 3; i++) {
        keyds[i].behaviour = DEALS_WRONGLY;
        keyds[i].victim = i + 1;
    }
    assert_int_equal(refresh(&done), INTEGRITY);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(epoch_of(i), 2);
}

static void test_who_complains_of_all_is_left_out(void **state) {
    struct shares_done done;
    (void)state;
    keyds[2].behaviour = COMPLAINS_OF_ALL;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 4);
    assert_false(done.servers[2].is_new);
    assert_non_null(strstr(warnings, "key-3: complains of 4 others' sub-shares"));
    assert_int_equal(epoch_of(2), 0);
    keyds[2].behaviour = HONEST;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, M);
}

static void test_who_does_not_accept(void **state) {
    static const int kinds[] = {REFUSES_TO_ACCEPT, FORGES_ACCEPTANCE};
    struct shares_done done;
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        uint64_t before = epoch_of(0);
        keyds[0].behaviour = HONEST;
        keyds[3].behaviour = kinds[kind];
        assert_int_equal(refresh(&done), OK);
        assert_int_equal(done.held, 4);
        assert_false(done.servers[3].is_new);
        /* with another one they are too many: the old shares stay */
        keyds[0].behaviour = kinds[kind];
        assert_int_equal(refresh(&done), QUORUM);
        assert_int_equal(epoch_of(0), before + 1);
    }
    keyds[0].behaviour = keyds[3].behaviour = HONEST;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, M);
}

/* Those that did not finish have both, and the next run completes them before its own. */
static void test_a_run_that_stopped_before_its_end(void **state) {
    struct shares_done done;
    (void)state;
    keyds[1].behaviour = keyds[2].behaviour = keyds[3].behaviour = IS_DEAD_AT_FINISH;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 2);
    assert_int_equal(epoch_of(0), 1);
    assert_int_equal(epoch_of(1), 0);
    for (unsigned i = 0; i < M; i++)
        keyds[i].behaviour = HONEST;
    keyd_stop(0); /* one of the two that finished */
    assert_int_equal(refresh(&done), OK);
    assert_non_null(strstr(warnings, "broken off is completed"));
    assert_int_equal(done.epoch, 2);
    assert_int_equal(done.held, 4);
    keyd_start(0);
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, M);
    assert_int_equal(epoch_of(0), 3);
}

static void test_all_stop_before_the_end(void **state) {
    struct shares_done done;
    (void)state;
    for (unsigned i = 0; i < M; i++)
        keyds[i].behaviour = IS_DEAD_AT_FINISH;
    assert_int_not_equal(refresh(&done), OK);
    for (unsigned i = 0; i < M; i++)
        keyds[i].behaviour = HONEST;
    keyd_stop(4);
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.epoch, 2); /* the first was completed, then a second one made */
    assert_int_equal(done.held, 4);
    keyd_start(4);
}

static void test_a_ballot_from_the_future(void **state) {
    struct shares_done done;
    (void)state;
    keyds[2].behaviour = PROMISES_THE_FUTURE;
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 4);
    keyds[0].behaviour = PROMISES_THE_FUTURE;
    assert_int_equal(refresh(&done), QUORUM);
}

static void test_replacing(void **state) {
    struct shares_done done;
    (void)state;
    lose(3);
    keyds[0].behaviour = BLINDS_WRONGLY;
    assert_int_equal(replace("key-4", &done), OK);
    assert_true(done.servers[3].is_new);
    assert_non_null(strstr(warnings, "key-1: blinded its share wrongly"));
    assert_int_equal(epoch_of(3), 0);
    lose(3);
    keyds[0].behaviour = DEALS_WRONGLY;
    keyds[0].victim = 1;
    assert_int_equal(replace("key-4", &done), OK);
    assert_non_null(strstr(warnings, "key-1: dealt wrong sub-shares"));
    lose(3);
    keyds[0].behaviour = keyds[1].behaviour = BLINDS_WRONGLY;
    assert_int_equal(replace("key-4", &done), QUORUM);
    assert_int_equal(replace("key-6", &done), NOT_FOUND);
}

/* It is not the caller's disk that is full, nor his command that is wrong. */
static void test_what_the_lost_one_lacks_is_its_own(void **state) {
    struct shares_done done;
    (void)state;
    lose(3);
    keyds[3].behaviour = DISK_IS_FULL;
    assert_int_equal(replace("key-4", &done), QUORUM);
    keyds[3].behaviour = FINDS_IT_INVALID;
    assert_int_equal(replace("key-4", &done), PROTOCOL);
    keyds[3].behaviour = HONEST;
    assert_int_equal(replace("key-4", &done), OK);
}

/* A share lost while a run is broken off comes back as what the run made. */
static void test_replacing_completes_what_was_broken_off(void **state) {
    struct shares_done done;
    (void)state;
    keyds[1].behaviour = keyds[2].behaviour = keyds[3].behaviour = IS_DEAD_AT_FINISH;
    assert_int_equal(refresh(&done), OK);
    for (unsigned i = 0; i < M; i++)
        keyds[i].behaviour = HONEST;
    lose(4);
    assert_int_equal(replace("key-5", &done), OK);
    assert_int_equal(done.epoch, 1);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(epoch_of(i), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_all_honest),
        FLOW_TEST(test_who_deals_wrongly_is_left_out),
        FLOW_TEST(test_how_many_wrong_dealers),
        FLOW_TEST(test_who_complains_of_all_is_left_out),
        FLOW_TEST(test_who_does_not_accept),
        FLOW_TEST(test_a_run_that_stopped_before_its_end),
        FLOW_TEST(test_all_stop_before_the_end),
        FLOW_TEST(test_a_ballot_from_the_future),
        FLOW_TEST(test_replacing),
        FLOW_TEST(test_what_the_lost_one_lacks_is_its_own),
        FLOW_TEST(test_replacing_completes_what_was_broken_off),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
