/* Resharing with key servers that lie, refuse or stop answering at one of the steps. */
#include "shares_flow.h"

static result reshare(unsigned t, const char *among, struct shares_done *out_done) {
    AUTO_SESSION struct session *session = alices_session();
    struct shares_target target = {.t = t};
    for (; *among != '\0'; among++)
        holders_add(&target.among, (uint32_t)(*among - '0'));
    result done = flow_shares_reshare(session, &target, out_done);
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    warnings[0] = '\0';
    session_take_warnings(session, take_warning, NULL);
    return done == OK ? OK : FAIL(done, "%s", why);
}

static bool holds(unsigned i) {
    AUTO_SHARE struct share_record record = {0};
    return share_store_get(fleet.service[i].shares, "alice", &record) == OK &&
           share_file_holds(record.file);
}

static uint64_t accepted(unsigned i) {
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(fleet.service[i].shares, "alice", &record), OK);
    return record.file->accepted;
}

static void be(int behaviour, const char *who) {
    for (unsigned i = 0; i < M; i++)
        keyds[i].behaviour = HONEST;
    for (; *who != '\0'; who++)
        keyds[*who - '1'].behaviour = behaviour;
}

/* ------------------------------------------------------------------ tests */

static void test_all_honest(void **state) {
    struct shares_done done;
    (void)state;
    assert_int_equal(reshare(2, "124", &done), OK);
    assert_int_equal(done.t, 2);
    assert_int_equal(done.held, 3);
    assert_string_equal(warnings, "");
    assert_true(holds(0) && holds(1) && holds(3));
    assert_false(holds(2) || holds(4));
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 3);
    assert_string_equal(warnings, "");
    lose(1);
    assert_int_equal(replace("key-2", &done), OK);
    assert_int_equal(replace("key-3", &done), NOT_FOUND);
    assert_int_equal(reshare(4, "12345", &done), OK);
    assert_int_equal(done.held, M);
    assert_int_equal(done.epoch, 3);
}

static void test_impossible_targets(void **state) {
    struct shares_done done;
    (void)state;
    assert_int_equal(reshare(3, "12", &done), INVALID);
    assert_int_equal(reshare(0, "12", &done), INVALID);
    assert_int_equal(reshare(1, "", &done), INVALID);
    assert_int_equal(reshare(1, "6", &done), INVALID);
    assert_int_equal(epoch_of(0), 0);
}

/* Liars among the dealers are named and left out as long as t are left, and may get new shares. */
static void test_who_deals_wrongly_is_left_out(void **state) {
    struct shares_done done;
    (void)state;
    be(DEALS_WRONGLY, "2");
    keyds[1].victim = 3; /* the third of {2, 3, 4, 5}: key-5 has the fourth box */
    assert_int_equal(reshare(2, "2345", &done), OK);
    assert_int_equal(done.held, 4);
    assert_non_null(strstr(warnings, "key-2: dealt wrong sub-shares, as 1 key server says"));
    be(DEALS_TO_OTHERS, "3");
    assert_int_equal(reshare(3, "12345", &done), OK);
    assert_int_equal(done.held, M);
    assert_non_null(strstr(warnings, "key-3"));
    be(DEALS_WRONGLY, "123"); /* two of five deal rightly, three are needed */
    for (unsigned i = 0; i < 3; i++)
        keyds[i].victim = i + 1;
    assert_int_equal(reshare(2, "12345", &done), INTEGRITY);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(epoch_of(i), 2);
}

static void test_who_does_not_accept(void **state) {
    struct shares_done done;
    (void)state;
    be(REFUSES_TO_ACCEPT, "4");
    assert_int_equal(reshare(2, "1345", &done), OK); /* 4 of 5 give up, 3 of 4 keep */
    assert_int_equal(done.held, 3);
    be(HONEST, "");
    assert_int_equal(reshare(2, "1345", &done), OK);
    assert_int_equal(done.held, 4);
    be(FORGES_ACCEPTANCE, "15");
    assert_int_equal(reshare(2, "12345", &done), QUORUM); /* 2 of 4 give up, 3 are needed */
    be(HONEST, "");
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(done.held, 4);
}

/* Newcomers come first: while too few of them take a share, no holder is bound to anything. */
static void test_newcomers_that_refuse_bind_nobody(void **state) {
    struct shares_done done;
    (void)state;
    assert_int_equal(reshare(2, "12", &done), OK);
    be(REFUSES_TO_ACCEPT, "45");
    assert_int_equal(reshare(2, "345", &done), QUORUM);
    assert_int_equal(accepted(0), 0);
    assert_int_equal(reshare(2, "123", &done), OK);
    assert_string_equal(warnings, "");
    assert_int_equal(done.held, 3);
    /* the one newcomer that had taken a share drops it with the next change */
    assert_int_equal(accepted(2), 0);
    assert_int_equal(refresh(&done), OK);
    be(HONEST, "");
    be(REFUSES_TO_ACCEPT, "5");
    assert_int_equal(reshare(2, "45", &done), QUORUM);
    assert_int_not_equal(accepted(3), 0);
    assert_int_equal(reshare(2, "12", &done), OK);
    assert_int_equal(refresh(&done), OK);
    assert_int_equal(accepted(3), 0);
}

/* Of those who are dead at the end some have both; the next run, whatever it is, completes it. */
static void test_a_run_that_stopped_before_its_end(void **state) {
    struct shares_done done;
    (void)state;
    be(IS_DEAD_AT_FINISH, "1235");
    assert_int_equal(reshare(2, "2345", &done), OK);
    assert_int_equal(done.held, 1);
    assert_true(holds(0));
    be(HONEST, "");
    assert_int_equal(refresh(&done), OK);
    assert_non_null(strstr(warnings, "broken off is completed"));
    assert_int_equal(done.epoch, 2);
    assert_int_equal(done.t, 2);
    assert_int_equal(done.held, 4);
    assert_false(holds(0));

    be(IS_DEAD_AT_FINISH, "12345");
    assert_int_not_equal(reshare(3, "12345", &done), OK);
    be(HONEST, "");
    lose(2);
    assert_int_equal(replace("key-3", &done), OK); /* of what was completed */
    assert_int_equal(done.t, 3);
    assert_true(holds(0));
}

/* One that was away has its share still, and drops it at the next run. */
static void test_who_missed_that_he_left(void **state) {
    struct shares_done done;
    (void)state;
    keyd_stop(4);
    assert_int_equal(reshare(2, "123", &done), OK);
    keyd_start(4);
    assert_true(holds(4));
    assert_int_equal(refresh(&done), OK);
    assert_false(holds(4));
    assert_int_equal(done.held, 3);
    assert_int_equal(reshare(3, "12345", &done), OK);
    assert_true(holds(4));
}

/* A server that forgot everything, and one that never knew anything, can be given shares. */
static void test_who_knows_nobody(void **state) {
    struct shares_done done;
    (void)state;
    assert_int_equal(reshare(2, "123", &done), OK);
    lose(3);
    lose(4);
    assert_int_equal(reshare(2, "2345", &done), OK);
    assert_int_equal(done.held, 4);
    assert_true(holds(3) && holds(4));
}

static void test_a_ballot_from_the_future(void **state) {
    struct shares_done done;
    (void)state;
    be(PROMISES_THE_FUTURE, "3");
    assert_int_equal(reshare(2, "124", &done), OK);
    be(HONEST, "");
    be(PROMISES_THE_FUTURE, "14");
    assert_int_equal(reshare(3, "12345", &done), QUORUM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_all_honest),
        FLOW_TEST(test_impossible_targets),
        FLOW_TEST(test_who_deals_wrongly_is_left_out),
        FLOW_TEST(test_who_does_not_accept),
        FLOW_TEST(test_newcomers_that_refuse_bind_nobody),
        FLOW_TEST(test_a_run_that_stopped_before_its_end),
        FLOW_TEST(test_who_missed_that_he_left),
        FLOW_TEST(test_who_knows_nobody),
        FLOW_TEST(test_a_ballot_from_the_future),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
