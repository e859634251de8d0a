/* Refreshing shares between five key servers: every step, what liars do to it, and a restart after
 * each step. */
#include "base/clock.h"
#include "key_care.h"

/* After every durable step of every server, with a restart: t servers open with the old shares or
 * with the new ones, and before the first one finishes always with the old ones. */
static void test_one_generation_always_works(void **state) {
    AUTO_RUN run = {.count = 0};
    uint8_t old[DIGEST_BYTES];
    (void)state;
    begin(&run, 7, 0);
    generation_of(run.state[0], old);
    make_generation(&run);
    assert_int_equal(usable(old), M);
    for (unsigned i = 0; i < M; i++) {
        assert_int_equal(usable(run.generation), i);
        assert_int_equal(accept_at(&run, i), OK);
        fleet_restart(i);
        assert_int_equal(usable(old), M);
    }
    for (unsigned i = 0; i < M; i++) {
        assert_int_equal(usable(old), M - i);
        assert_int_equal(finish_at(&run, i), OK);
        fleet_restart(i);
        assert_int_equal(usable(run.generation), M);
        assert_int_equal(finish_at(&run, i), OK); /* again: nothing happens */
    }
    assert_int_equal(usable(old), 0);
}

/* The old share's bytes are nowhere in the store afterwards, nor is the next one beside it. */
static void test_the_old_share_is_gone(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_BYTES struct bytes before = {0};
    AUTO_BYTES struct bytes after = {0};
    char path[PATH_MAX + 32];
    (void)state;
    snprintf(path, sizeof path, "%s/shares/alice.share", fleet.store[2]);
    begin(&run, 7, 0);
    make_generation(&run);
    read_whole(path, &before);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&run, i), OK);
    assert_int_equal(finish_at(&run, 2), OK);
    read_whole(path, &after);
    assert_true(after.len < before.len + 32);
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(fleet.service[2].shares, "alice", &record), OK);
    assert_int_equal(record.file->epoch, 1);
    assert_int_equal(record.file->accepted, 0);
    assert_false(scalar_equal(&record.share->s1, &world.alice.shares[2].s1));
    assert_false(scalar_equal(&record.share->s2, &world.alice.shares[2].s2));
}

/* Not before enough key servers say so themselves, all under one ballot. */
static void test_finish_needs_a_quorum(void **state) {
    AUTO_RUN run = {.count = 0};
    uint8_t old[DIGEST_BYTES];
    (void)state;
    begin(&run, 7, 0);
    generation_of(run.state[0], old);
    make_generation(&run);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(accept_at(&run, i), OK);
    assert_int_equal(format_generation_quorum(M, T), 4);
    assert_int_equal(finish_at(&run, 0), QUORUM);
    Myelin__Signed *twice[] = {run.acceptance[0], run.acceptance[1], run.acceptance[2],
                               run.acceptance[2]};
    assert_int_equal(finish_with(&run, 0, twice, 4), QUORUM);

    Myelin__Acceptance forged = MYELIN__ACCEPTANCE__INIT;
    AUTO_FORMAT Myelin__Signed *word = NULL;
    char name[] = "key-4";
    forged.server = name;
    forged.user = world.alice.name;
    forged.ballot = 7;
    forged.generation = field(run.generation, DIGEST_BYTES);
    assert_int_equal(format_sign(fleet.identity[2].key, &forged, &word), OK);
    Myelin__Signed *with_forged[] = {run.acceptance[0], run.acceptance[1], run.acceptance[2], word};
    assert_int_equal(finish_with(&run, 0, with_forged, 4), INTEGRITY);
    format_free_at(&word);
    forged.ballot = 6;
    assert_int_equal(format_sign(fleet.identity[3].key, &forged, &word), OK);
    Myelin__Signed *another_ballot[] = {run.acceptance[0], run.acceptance[1], run.acceptance[2],
                                        word};
    assert_int_equal(finish_with(&run, 0, another_ballot, 4), INVALID);
    assert_int_equal(usable(old), M);

    assert_int_equal(accept_at(&run, 4), OK);
    assert_int_equal(finish_at(&run, 3), CONFLICT); /* did not accept it */
    assert_int_equal(finish_at(&run, 0), OK);
}

/* A higher ballot shuts a lower one out, and takes its place only where it was accepted last. */
static void test_ballots(void **state) {
    AUTO_RUN first = {.count = 0};
    AUTO_RUN second = {.count = 0};
    (void)state;
    begin(&first, 7, 0);
    make_generation(&first);
    assert_int_equal(accept_at(&first, 0), OK);
    begin(&second, 9, 0);
    make_generation(&second);
    assert_int_equal(second.state[0]->accepted, 7);
    assert_memory_equal(second.state[0]->next.data, first.generation, DIGEST_BYTES);
    assert_int_equal(second.state[0]->n_next_dealing, M);
    assert_int_equal(second.state[1]->accepted, 0);
    assert_int_equal(accept_at(&first, 1), CONFLICT);
    assert_int_equal(accept_at(&second, 0), OK);
    second.ballot = 8;
    assert_int_equal(accept_at(&second, 1), CONFLICT);
    /* one generation a ballot */
    memcpy(second.dealings, first.dealings, sizeof second.dealings);
    memcpy(second.generation, first.generation, sizeof second.generation);
    second.ballot = 9;
    assert_int_equal(accept_at(&second, 0), CONFLICT);
    fleet_restart(1);
    AUTO_FORMAT Myelin__CareState *again = NULL;
    assert_int_equal(begin_as(&world.alice.peer, 1, 8, 0, &again), OK);
    assert_int_equal(again->promised, 9);
}

/* Nobody promises away all ballots that are to come, neither at begin nor at accept. */
static void test_ballots_are_bound_to_time(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_RUN after = {.count = 0};
    AUTO_FORMAT Myelin__CareState *none = NULL;
    const uint64_t moment = UINT64_C(1) << FORMAT_BALLOT_RANDOM_BITS;
    const uint64_t day = UINT64_C(24) * 60 * 60 * 1000 * moment;
    uint64_t now = clock_date_ms() * moment;
    struct tls_peer manager = world.mallory.peer;
    manager.role = TLS_ROLE_MANAGER;
    (void)state;
    assert_int_equal(begin_as(&manager, 0, INT64_MAX, 0, &none), INVALID);
    assert_int_equal(begin_as(&manager, 0, now + 2 * day, 0, &none), INVALID);
    begin(&run, 7, 0);
    assert_int_equal(run.state[0]->promised, 7);
    make_generation(&run);
    run.ballot = INT64_MAX;
    assert_int_equal(accept_at(&run, 0), INVALID);
    run.ballot = now + 3 * day;
    assert_int_equal(accept_at(&run, 0), INVALID);
    uint64_t most = now + day - moment;
    for (unsigned i = 0; i < M; i++) {
        AUTO_FORMAT Myelin__CareState *promised = NULL;
        assert_int_equal(begin_as(&manager, i, most, 0, &promised), OK);
        assert_int_equal(promised->promised, most);
    }
    /* However far ahead that is, a next one is free, and carries a refresh through. */
    AUTO_FORMAT Myelin__CareState *far = NULL;
    assert_int_equal(begin_as(&manager, 0, most + 3 * day, 0, &far), INVALID);
    begin(&after, most + 2 * moment - 1, 0);
    make_generation(&after);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&after, i), OK);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(finish_at(&after, i), OK);
    assert_int_equal(usable(after.generation), M);
}

/* A promise from when a clock was wrong, here of the year 2100: the next one is free all the same.
 */
static void test_a_promise_from_far_ahead(void **state) {
    const uint64_t moment = UINT64_C(1) << FORMAT_BALLOT_RANDOM_BITS;
    const uint64_t ahead = UINT64_C(4102444800000) * moment;
    (void)state;
    for (unsigned i = 0; i < M; i++) {
        AUTO_SHARE struct share_record record = {0};
        assert_int_equal(share_store_promise(fleet.service[i].shares, "alice", ahead, &record), OK);
    }
    AUTO_RUN run = {.count = 0};
    AUTO_FORMAT Myelin__CareState *none = NULL;
    assert_int_equal(begin_as(&world.alice.peer, 0, ahead + 2 * moment, 0, &none), INVALID);
    begin(&run, ahead + moment, 0);
    make_generation(&run);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&run, i), OK);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(finish_at(&run, i), OK);
}

/* What was accepted somewhere can be given to the others by somebody else, from what is stored. */
static void test_a_broken_run_is_taken_up(void **state) {
    AUTO_RUN first = {.count = 0};
    AUTO_RUN second = {.count = 0};
    (void)state;
    begin(&first, 7, 0);
    make_generation(&first);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(accept_at(&first, i), OK);
    assert_int_equal(finish_at(&first, 0), OK);
    begin(&second, 9, 0);
    second.count = second.state[1]->n_next_dealing;
    memcpy(second.dealings, second.state[1]->next_dealing, second.count * sizeof *second.dealings);
    memcpy(second.generation, second.state[1]->next.data, DIGEST_BYTES);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&second, i), OK); /* the first has it as its share */
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(finish_at(&second, i), OK);
    assert_int_equal(usable(first.generation), M);
}

static void test_wrong_dealers_are_named(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    (void)state;
    begin(&run, 7, 0);
    AUTO_FORMAT Myelin__Signed *wrong = deal_wrongly(run.dealings[1], 1, 3);
    run.dealings[1] = wrong;
    make_generation(&run);
    pack_offer(&run, &wire);
    assert_int_equal(
        service_care_check(&fleet.service[3], &world.alice.peer, bytes_view(&wire), &answer), OK);
    assert_int_equal(format_parse_care_complaint(bytes_view(&answer), &complaint), OK);
    assert_int_equal(complaint->n_server, 1);
    assert_int_equal(complaint->server[0], 2);
    assert_int_equal(accept_at(&run, 3), INTEGRITY);
    assert_non_null(strstr(error_text(), "key-2 dealt a wrong sub-share"));
    assert_int_equal(accept_at(&run, 0), OK);
}

static void test_wrong_offers_are_refused(void **state) {
    AUTO_RUN run = {.count = 0};
    (void)state;
    begin(&run, 7, 0);
    make_generation(&run);
    run.generation[0] ^= 1;
    assert_int_equal(accept_at(&run, 0), INVALID);
    run.generation[0] ^= 1;
    Myelin__Signed *first = run.dealings[0];
    run.dealings[0] = run.dealings[1];
    assert_int_equal(accept_at(&run, 0), INVALID); /* a dealer twice */
    run.dealings[0] = first;
    first->signature.data[0] ^= 1;
    assert_int_equal(accept_at(&run, 0), INTEGRITY);
    first->signature.data[0] ^= 1;
    run.count = T - 1;
    assert_int_equal(accept_at(&run, 0), QUORUM);
    run.count = M;
    assert_int_equal(accept_at(&run, 0), OK);
}

static void test_who_may(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_FORMAT Myelin__CareState *answer = NULL;
    (void)state;
    assert_int_equal(begin_as(&world.bob.peer, 0, 7, 0, &answer), DENIED);
    assert_int_equal(begin_as(&world.mallory.peer, 0, 7, 0, &answer), DENIED);
    struct tls_peer peer = world.mallory.peer;
    peer.role = TLS_ROLE_STORAGE;
    assert_int_equal(begin_as(&peer, 0, 7, 0, &answer), DENIED);
    peer.role = TLS_ROLE_KEY;
    assert_int_equal(begin_as(&peer, 0, 7, 0, &answer), DENIED);
    peer = world.alice.peer; /* her name, another key */
    peer.identity[0] ^= 1;
    assert_int_equal(begin_as(&peer, 0, 7, 0, &answer), DENIED);
    peer = world.mallory.peer;
    peer.role = TLS_ROLE_MANAGER;
    assert_int_equal(begin_as(&peer, 0, 7, 0, &answer), OK);
    format_free_at(&answer);
    assert_int_equal(begin_as(&peer, 0, 0, 2, &answer), DENIED); /* a replacement */
    peer.system[0] ^= 1;
    assert_int_equal(begin_as(&peer, 0, 8, 0, &answer), DENIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CARE_TEST(test_one_generation_always_works), CARE_TEST(test_the_old_share_is_gone),
        CARE_TEST(test_finish_needs_a_quorum),       CARE_TEST(test_ballots),
        CARE_TEST(test_ballots_are_bound_to_time),   CARE_TEST(test_a_promise_from_far_ahead),
        CARE_TEST(test_a_broken_run_is_taken_up),    CARE_TEST(test_wrong_dealers_are_named),
        CARE_TEST(test_wrong_offers_are_refused),    CARE_TEST(test_who_may),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
