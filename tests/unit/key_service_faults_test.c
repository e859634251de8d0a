/* A key server that opens while storage servers lie, hang or are dead. */
#include "key_service.h"

/* Every kind of liar is passed over, and blamed. */
static void test_liars_are_passed_over(void **state) {
    static const int kinds[] = {SAYS_NONSENSE, LIES_ON_BETA,   LIES_ON_GAMMA,
                                NO_FORWARD,    OTHERS_FORWARD, UNSIGNED};
    (void)state;
    enrol_all();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
        all_storage(GOOD);
        world.storage[1].behaviour = world.storage[4].behaviour = kinds[i];
        uint64_t before = storage_fleet_failures(world.service.fleet, 1);
        assert_int_equal(open_as(&world.bob, N, &answer), OK);
        assert_int_equal(answer->n_symbol, N - 2);
        for (size_t j = 0; j < answer->n_symbol; j++) {
            assert_string_not_equal(answer->symbol[j]->server, "storage-2");
            assert_string_not_equal(answer->symbol[j]->server, "storage-5");
        }
        assert_int_equal(storage_fleet_failures(world.service.fleet, 1), before + 1);
    }
}

static void test_all_lie(void **state) {
    (void)state;
    enrol_all();
    all_storage(LIES_ON_GAMMA);
    assert_int_equal(try_open(&world.alice, 0), QUORUM);
    assert_log(&world.alice, "enroll:ok open:too few servers ");
}

/* Two servers claim one slot: the one whose place it is counts. Who asks for proofs gets both. */
static void test_slots_are_distinct(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL, *proven = NULL;
    (void)state;
    enrol_all();
    world.storage[2].behaviour = LIES_ON_SLOT;
    assert_int_equal(open_as(&world.alice, N, &proven), OK);
    assert_int_equal(proven->n_symbol, N);
    assert_int_equal(open_how(&world.alice, N, false, &answer), OK);
    assert_int_equal(answer->n_symbol, N - 1);
    for (size_t i = 0; i < answer->n_symbol; i++)
        assert_string_not_equal(answer->symbol[i]->server, "storage-3");
}

static void test_dead_and_hanging_servers(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    storage_stop(0);
    storage_stop(3);
    world.storage[5].behaviour = HANGS;
    uint64_t started = test_clock_ms();
    assert_int_equal(open_as(&world.alice, K, &answer), OK);
    assert_int_equal(answer->n_symbol, K);
    assert_true(test_clock_ms() - started < 2000); /* the hanging one was not waited for */
}

/* Where proofs are asked for, servers that hang may be those that tell the truth. */
static void test_proofs_are_waited_for(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    for (unsigned i = K; i < N; i++)
        world.storage[i].behaviour = IS_SLOW;
    assert_int_equal(open_as(&world.bob, N, &answer), OK);
    assert_int_equal(answer->n_symbol, N);
}

/* With k symbols there, nobody waits for servers that hang. */
static void test_spares_that_hang_are_not_waited_for(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    for (unsigned i = K; i < N; i++)
        world.storage[i].behaviour = HANGS;
    uint64_t started = test_clock_ms();
    assert_int_equal(open_how(&world.bob, N, false, &answer), OK);
    assert_int_equal(answer->n_symbol, K);
    assert_true(test_clock_ms() - started < FLEET_CALL_TIMEOUT_MS - 200);
}

/* Fewer than asked for is still an answer. */
static void test_few_are_left(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    for (unsigned i = 1; i < N; i++)
        storage_stop(i);
    assert_int_equal(open_as(&world.alice, 0, &answer), OK);
    assert_int_equal(answer->n_symbol, 1);
}

static void test_nobody_answers(void **state) {
    (void)state;
    enrol_all();
    for (unsigned i = 0; i < N; i++)
        storage_stop(i);
    assert_int_equal(try_open(&world.alice, 0), TIMEOUT);
    for (unsigned i = 0; i < N; i++)
        storage_start(i);
    all_storage(HANGS);
    uint64_t started = test_clock_ms();
    assert_int_equal(try_open(&world.alice, 0), TIMEOUT);
    assert_true(test_clock_ms() - started < GATHER_DEADLINE_MS + 500);
}

static void test_absent_and_refused(void **state) {
    (void)state;
    enrol_all();
    all_storage(HAS_NONE);
    assert_int_equal(try_open(&world.alice, 0), NOT_FOUND);
    storage_stop(0);
    assert_int_equal(try_open(&world.alice, 0), NOT_FOUND);
    world.storage[1].behaviour = REFUSES;
    assert_int_equal(try_open(&world.alice, 0), DENIED);
    world.storage[2].behaviour = GOOD;
    assert_int_equal(try_open(&world.alice, 0), OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_liars_are_passed_over),
        SERVICE_TEST(test_all_lie),
        SERVICE_TEST(test_slots_are_distinct),
        SERVICE_TEST(test_dead_and_hanging_servers),
        SERVICE_TEST(test_proofs_are_waited_for),
        SERVICE_TEST(test_spares_that_hang_are_not_waited_for),
        SERVICE_TEST(test_few_are_left),
        SERVICE_TEST(test_nobody_answers),
        SERVICE_TEST(test_absent_and_refused),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
