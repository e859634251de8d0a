/* Resharing between five key servers: every step with a restart after it, who may, what liars do to
 * it, and servers that hold nothing before or nothing afterwards. */
#include "key_reshare.h"

/* After every durable step of every server, with a restart. Two of {1, 2, 4} from three of five. */
static void test_one_generation_always_works(void **state) {
    AUTO_RESHARING r;
    uint8_t old[DIGEST_BYTES];
    unsigned held = 0, left = M;
    (void)state;
    current(0, old);
    begin_reshare(&r, 7, 2, "124");
    make_reshared(&r);
    for (unsigned i = 0; i < M; i++) {
        assert_int_equal(accept_reshare(&r, i), OK);
        fleet_restart(i);
        held += holders_has(&r.among, i + 1);
        assert_int_equal(able(old, T), M);
        assert_int_equal(able(r.run.generation, 2), held);
    }
    for (unsigned i = 0; i < M; i++) {
        assert_int_equal(able(old, T), left--);
        assert_int_equal(finish_at(&r.run, i), OK);
        fleet_restart(i);
        assert_int_equal(finish_at(&r.run, i), OK); /* again: nothing happens */
        assert_int_equal(able(r.run.generation, 2), 3);
    }
    assert_int_equal(able(old, T), 0);
}

/* Who leaves keeps the user's name and key, and no share; he is asked for none. */
static void test_who_leaves_holds_nothing(void **state) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_BYTES struct bytes answer = {0};
    AUTO_FORMAT Myelin__UserAnswer *user = NULL;
    struct share_choice choice;
    uint8_t identity[SIGN_PUBLIC_BYTES];
    const struct scalar zero = {0};
    (void)state;
    reshare(7, 2, "124");
    struct key_service *service = &fleet.service[4];
    assert_int_equal(share_store_get(service->shares, "alice", &record), OK);
    assert_false(share_file_holds(record.file));
    assert_true(scalar_equal(&record.share->s1, &zero));
    assert_true(scalar_equal(&record.share->s2, &zero));
    assert_int_equal(share_store_choose(service->shares, (struct view){0}, &record, &choice),
                     QUORUM);
    assert_int_equal(share_store_count(service->shares), 0);
    fleet_restart(4);
    assert_int_equal(share_store_count(service->shares), 0);
    assert_int_equal(share_store_count(fleet.service[3].shares), 1);
    assert_int_equal(service_user(service, &world.alice.peer, "alice", &answer), OK);
    assert_int_equal(format_parse_user_answer(bytes_view(&answer), &user), OK);
    assert_int_equal(user->n_commitment1, 0);
    assert_int_equal(caller_identity_of(service, "alice", identity), OK);
    assert_memory_equal(identity, world.alice.peer.identity, sizeof identity);
}

/* Down and up, to one server that has the key itself and back, and to none of those before. */
static void test_again_and_again(void **state) {
    uint8_t generation[DIGEST_BYTES];
    (void)state;
    reshare(7, 2, "12");
    current(0, generation);
    assert_int_equal(able(generation, 2), 2);
    reshare(8, 2, "345");
    current(4, generation);
    assert_int_equal(able(generation, 2), 3);
    reshare(9, 1, "3");
    current(2, generation);
    assert_int_equal(able(generation, 1), 1);
    reshare(10, 5, "12345");
    current(2, generation);
    assert_int_equal(able(generation, 5), 5);
}

/* Enough of those before and enough of those after, each. */
static void test_finish_needs_both_quorums(void **state) {
    AUTO_RESHARING r;
    (void)state;
    begin_reshare(&r, 7, 1, "12"); /* 4 of the 5 before, and both after */
    make_reshared(&r);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(accept_reshare(&r, i), OK);
    assert_int_equal(finish_at(&r.run, 0), QUORUM);
    assert_int_equal(accept_reshare(&r, 3), OK);
    assert_int_equal(accept_reshare(&r, 4), OK);
    Myelin__Signed *without_one[] = {r.run.acceptance[1], r.run.acceptance[2], r.run.acceptance[3],
                                     r.run.acceptance[4]};
    assert_int_equal(finish_with(&r.run, 0, without_one, 4), QUORUM);
    assert_int_equal(finish_at(&r.run, 0), OK);
}

/* The manager may complete what the user began, and begin nothing. */
static void test_only_the_user_himself(void **state) {
    AUTO_RESHARING r;
    AUTO_FORMAT Myelin__CareState *answer = NULL;
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    struct tls_peer manager = world.mallory.peer;
    struct holders one = set_of("1");
    (void)state;
    manager.role = TLS_ROLE_MANAGER;
    assert_int_equal(begin_reshare_at(&manager, 0, 7, 1, &one, &answer), DENIED);
    assert_int_equal(begin_reshare_at(&world.bob.peer, 0, 7, 1, &one, &answer), DENIED);
    begin_reshare(&r, 7, 2, "124");
    make_reshared(&r);
    assert_int_equal(check_reshare(&r, &manager, 0, &complaint), DENIED);
    Myelin__CareBase from = base_of(r.run.state[0]);
    assert_int_equal(accept_from(&r, &world.bob.peer, 0, &from), DENIED);
    assert_int_equal(accept_from(&r, &manager, 0, &from), OK);
}

/* A wrong sub-share, and a polynomial that does not go through the dealer's share. */
static void test_wrong_dealers_are_named(void **state) {
    AUTO_RESHARING r;
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    AUTO_FORMAT Myelin__Dealing *honest = NULL;
    AUTO_FORMAT Myelin__Signed *lie = NULL;
    AUTO_DEALING struct share_dealing dealing = {0};
    AUTO_BYTES struct bytes box = {0};
    struct subshare subs[M];
    uint8_t bytes[SHARE_DEALING_BYTES_MAX], plain[SUBSHARE_BYTES];
    (void)state;
    begin_reshare(&r, 7, 2, "1245");
    AUTO_FORMAT Myelin__Signed *wrong = deal_wrongly(r.run.dealings[1], 1, 2); /* to key-4 */
    struct key_share other = world.alice.shares[2];
    scalar_add(&other.s1, &other.s1, &other.s1);
    uint32_t receivers[FORMAT_SERVERS_MAX];
    holders_list(&r.among, receivers);
    assert_int_equal(
        share_reshare_deal(&world.alice.public_key, &other, 2, receivers, 4, subs, &dealing), OK);
    assert_int_equal(format_parse_dealing(format_view(r.run.dealings[2]->body), &honest), OK);
    share_dealing_to_bytes(&dealing, bytes);
    subshare_to_bytes(&subs[0], plain);
    assert_int_equal(
        sign_box_seal(fleet.identity[0].key->public_key, view_of(plain, sizeof plain), &box), OK);
    ProtobufCBinaryData boxes[M];
    memcpy(boxes, honest->box, honest->n_box * sizeof *boxes);
    boxes[0] = format_bytes(bytes_view(&box));
    Myelin__Dealing altered = *honest;
    altered.commitments = field(bytes, share_dealing_bytes(2));
    altered.box = boxes;
    assert_int_equal(format_sign(fleet.identity[2].key, &altered, &lie), OK);

    r.run.dealings[1] = wrong;
    make_reshared(&r);
    assert_int_equal(check_reshare(&r, &world.alice.peer, 0, &complaint), OK);
    assert_int_equal(complaint->n_server, 0);
    format_free_at(&complaint);
    assert_int_equal(check_reshare(&r, &world.alice.peer, 3, &complaint), OK);
    assert_int_equal(complaint->n_server, 1);
    assert_int_equal(complaint->server[0], 2);
    format_free_at(&complaint);
    assert_int_equal(accept_reshare(&r, 3), INTEGRITY);
    assert_non_null(strstr(error_text(), "key-2 dealt a wrong sub-share"));
    assert_int_equal(accept_reshare(&r, 4), OK);

    r.run.dealings[2] = lie;
    make_reshared(&r);
    assert_int_equal(check_reshare(&r, &world.alice.peer, 0, &complaint), OK);
    assert_int_equal(complaint->n_server, 1);
    assert_int_equal(complaint->server[0], 3);
}

/* Dealings are for one base, one t, one set of receivers and one run; exactly t of them. */
static void test_dealings_are_for_one_purpose(void **state) {
    AUTO_RESHARING r;
    AUTO_RESHARING other;
    (void)state;
    begin_reshare(&r, 7, 2, "124");
    make_reshared(&r);
    Myelin__Signed *own = r.run.dealings[2];
    static const struct {
        unsigned t;
        const char *among;
    } others[] = {{2, "124"}, {3, "124"}, {2, "125"}, {2, "12"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        begin_reshare(&other, 8 + i, others[i].t, others[i].among);
        r.run.ballot = 20;
        r.run.dealings[2] = other.run.dealings[2];
        if (others[i].t == r.t)
            make_reshared(&r); /* the sum is right, what it is for is not */
        assert_int_equal(accept_reshare(&r, 0), INVALID);
        resharing_free(&other);
        other = (struct resharing){.t = 0};
    }
    AUTO_RUN refresh = {.count = 0};
    begin(&refresh, 15, 0);
    r.run.dealings[2] = refresh.dealings[2];
    assert_int_equal(accept_reshare(&r, 0), INVALID);
    r.run.dealings[2] = own;
    make_reshared(&r);
    r.run.dealings[r.run.count++] = r.run.state[3]->dealing;
    assert_int_equal(accept_reshare(&r, 0), INVALID);
    r.run.count = T - 1;
    assert_int_equal(accept_reshare(&r, 0), QUORUM);
    r.run.count = T;
    r.run.generation[0] ^= 1;
    assert_int_equal(accept_reshare(&r, 0), INVALID);
    r.run.generation[0] ^= 1;
    assert_int_equal(accept_reshare(&r, 0), OK);
}

/* A server that has never heard of her believes what is bound to her certificate and signed. */
static void test_who_knows_nobody(void **state) {
    AUTO_RESHARING r;
    struct tls_peer manager = world.mallory.peer;
    (void)state;
    lose(4);
    begin_reshare(&r, 7, 2, "145");
    make_reshared(&r);
    Myelin__CareBase from = base_of(r.run.state[0]), altered = from;
    assert_int_equal(accept_from(&r, &world.alice.peer, 4, NULL), NOT_FOUND);
    manager.role = TLS_ROLE_MANAGER;
    assert_int_equal(accept_from(&r, &manager, 4, &from), DENIED);
    altered.certificate = format_bytes(bytes_view(&world.bob.certificate));
    assert_int_not_equal(accept_from(&r, &world.alice.peer, 4, &altered), OK);
    altered = from;
    altered.epoch++;
    assert_int_equal(accept_from(&r, &world.alice.peer, 4, &altered), CONFLICT);
    altered = from;
    ProtobufCBinaryData commitments[T] = {from.commitment1[0], from.commitment1[2],
                                          from.commitment1[1]};
    altered.commitment1 = commitments;
    assert_int_equal(accept_from(&r, &world.alice.peer, 4, &altered), CONFLICT);
    commitments[0] = from.commitment1[1];
    assert_int_equal(accept_from(&r, &world.alice.peer, 4, &altered), INTEGRITY);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_reshare(&r, i), OK);
    fleet_restart(4);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(finish_at(&r.run, i), OK);
    assert_int_equal(able(r.run.generation, 2), 3);
}

/* One that was away is told by those who hold the shares now, and by nobody else. */
static void test_who_missed_that_he_left(void **state) {
    AUTO_RESHARING r;
    AUTO_RESHARING now;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_SHARE struct share_record record = {0};
    (void)state;
    begin_reshare(&r, 7, 2, "123");
    make_reshared(&r);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(accept_reshare(&r, i), OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(finish_at(&r.run, i), OK);
    begin_reshare(&now, 9, 2, "123");
    memcpy(now.run.generation, r.run.generation, DIGEST_BYTES);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(accept_reshare(&now, i), OK); /* they hold it */
    Myelin__CareBase made = base_of(now.run.state[0]);
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    Myelin__Signed *words[] = {now.run.acceptance[0], now.run.acceptance[1], now.run.acceptance[2]};
    finish.user = world.alice.name;
    finish.generation = field(now.run.generation, DIGEST_BYTES);
    finish.acceptance = words;
    finish.made = &made;
    static const struct {
        size_t words;
        result expected;
    } tries[] = {{2, QUORUM}, {3, OK}};
    for (size_t i = 0; i < 2; i++) {
        wire.len = 0;
        finish.n_acceptance = tries[i].words;
        assert_int_equal(format_pack(&finish, &wire), OK);
        if (i == 0) {
            made.epoch++;
            AUTO_BYTES struct bytes altered = {0};
            assert_int_equal(format_pack(&finish, &altered), OK);
            assert_int_equal(
                service_care_finish(&fleet.service[4], &world.alice.peer, bytes_view(&altered)),
                INVALID);
            made.epoch--;
        }
        assert_int_equal(
            service_care_finish(&fleet.service[4], &world.alice.peer, bytes_view(&wire)),
            tries[i].expected);
    }
    assert_int_equal(share_store_get(fleet.service[4].shares, "alice", &record), OK);
    assert_false(share_file_holds(record.file));
    assert_int_equal(service_care_finish(&fleet.service[4], &world.alice.peer, bytes_view(&wire)),
                     OK); /* again: nothing happens */
}

/* A generation of one holder fits every public key: its word alone takes nobody's share away. */
static void test_one_server_makes_nobody_leave(void **state) {
    AUTO_RUN look = {.count = 0};
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *word = NULL;
    uint8_t generation[DIGEST_BYTES], first = 1;
    char name[] = "key-1";
    struct tls_peer manager = world.mallory.peer;
    (void)state;
    manager.role = TLS_ROLE_MANAGER;
    begin(&look, 7, 0);
    Myelin__CareBase made = base_of(look.state[0]);
    made.n_commitment1 = made.n_commitment2 = 1;
    made.holders = field(&first, 1);
    made.epoch = 1;
    format_generation_id(GENERATION_FIELDS(&made), generation);
    Myelin__Acceptance acceptance = MYELIN__ACCEPTANCE__INIT;
    acceptance.server = name;
    acceptance.user = world.alice.name;
    acceptance.ballot = 7;
    acceptance.generation = field(generation, DIGEST_BYTES);
    assert_int_equal(format_sign(fleet.identity[0].key, &acceptance, &word), OK);
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    finish.user = world.alice.name;
    finish.generation = acceptance.generation;
    finish.n_acceptance = 1;
    finish.acceptance = &word;
    finish.made = &made;
    assert_int_equal(format_pack(&finish, &wire), OK);
    assert_int_equal(service_care_finish(&fleet.service[4], &manager, bytes_view(&wire)), QUORUM);
    current(4, generation);
    assert_int_equal(able(generation, T), M);
}

/* A share comes back by replacement among the holders only, and refreshes stay among them. */
static void test_care_after_it(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_FORMAT Myelin__CareState *answer = NULL;
    uint32_t dealers[] = {1, 4}, with_stranger[] = {1, 3, 4};
    (void)state;
    reshare(7, 2, "124");
    const struct tls_peer *alice = &world.alice.peer;
    assert_int_equal(begin_among(alice, 0, 0, 2, with_stranger, 3, &answer), INVALID);
    assert_int_equal(begin_among(alice, 0, 0, 3, dealers, 2, &answer), INVALID); /* holds none */
    assert_int_equal(begin_among(alice, 0, 0, 2, dealers, 1, &answer), QUORUM);
    assert_int_equal(begin_among(alice, 0, 0, 2, dealers, 2, &answer), OK);
    format_free_at(&answer);
    assert_int_equal(begin_as(alice, 2, 9, 0, &run.state[2]), OK);
    assert_null(run.state[2]->dealing);
    assert_int_equal(begin_as(alice, 0, 9, 0, &run.state[0]), OK);
    AUTO_FORMAT Myelin__Dealing *dealing = NULL;
    assert_int_equal(format_parse_dealing(format_view(run.state[0]->dealing->body), &dealing), OK);
    assert_int_equal(dealing->n_box, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CARE_TEST(test_one_generation_always_works),
        CARE_TEST(test_who_leaves_holds_nothing),
        CARE_TEST(test_again_and_again),
        CARE_TEST(test_finish_needs_both_quorums),
        CARE_TEST(test_only_the_user_himself),
        CARE_TEST(test_wrong_dealers_are_named),
        CARE_TEST(test_dealings_are_for_one_purpose),
        CARE_TEST(test_who_knows_nobody),
        CARE_TEST(test_who_missed_that_he_left),
        CARE_TEST(test_one_server_makes_nobody_leave),
        CARE_TEST(test_care_after_it),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
