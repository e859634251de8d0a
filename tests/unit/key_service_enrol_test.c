/* A key server's routes without HTTP before them: who enrols, and who is who. */
#include "key_service.h"

static void test_enrol(void **state) {
    struct offer offer;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__UserAnswer *answer = NULL;
    (void)state;
    offer_make(&world.alice, &offer);
    assert_int_equal(service_activate(&world.service, &world.alice.peer), NOT_FOUND);
    assert_int_equal(offer_send(&offer, &world.alice.peer), OK);
    assert_int_equal(service_user(&world.service, &world.bob.peer, "alice", &wire), NOT_FOUND);
    assert_int_equal(try_open(&world.alice, 0), DENIED);
    assert_int_equal(service_activate(&world.service, &world.alice.peer), OK);
    assert_int_equal(service_user(&world.service, &world.bob.peer, "alice", &wire), OK);
    assert_int_equal(format_parse_user_answer(bytes_view(&wire), &answer), OK);
    assert_true(view_equal(format_view(answer->certificate), world.alice.peer.certificate));
    assert_int_equal(answer->n_commitment1, T);
    assert_int_equal(offer_send(&offer, &world.alice.peer), OK); /* the same again */
    assert_log(&world.alice, "enroll:not found open:denied enroll:ok ");
}

static void test_active_share_stays(void **state) {
    struct offer offer;
    struct person again = world.alice;
    (void)state;
    enrol(&world.alice);
    assert_int_equal(share_keygen(&again.secret, T, M, again.shares, &again.commitments), OK);
    offer_make(&again, &offer);
    assert_int_equal(offer_send(&offer, &world.alice.peer), CONFLICT);
    share_commitments_free(&again.commitments);
    assert_log(&world.alice, "enroll:ok enroll:conflict ");
}

static void test_enrol_refuses(void **state) {
    struct offer good, bad;
    (void)state;
    offer_make(&world.alice, &good);

    assert_int_equal(offer_send(&good, &world.bob.peer), DENIED);

    offer_make(&world.alice, &bad);
    bad.message.index = J + 1;
    assert_int_equal(offer_send(&bad, &world.alice.peer), INVALID);

    offer_make(&world.alice, &bad);
    bad.s1[31] ^= 1;
    assert_int_equal(offer_send(&bad, &world.alice.peer), INTEGRITY);

    offer_make(&world.alice, &bad);
    bad.s2[31] ^= 1;
    assert_int_equal(offer_send(&bad, &world.alice.peer), INTEGRITY);

    offer_make(&world.alice, &bad);
    bad.message.n_commitment1 = bad.message.n_commitment2 = T - 1;
    assert_int_equal(offer_send(&bad, &world.alice.peer), PROTOCOL);

    offer_make(&world.alice, &bad);
    bad.f1[1][5] ^= 1;
    assert_int_not_equal(offer_send(&bad, &world.alice.peer), OK);

    offer_make(&world.alice, &bad);
    bad.proof[95] ^= 1;
    assert_int_equal(offer_send(&bad, &world.alice.peer), INTEGRITY);

    /* Bob's whole offer, under alice's certificate: his commitments are not her PK's. */
    struct person bob = world.bob;
    snprintf(bob.name, sizeof bob.name, "alice");
    offer_make(&bob, &bad);
    assert_int_equal(offer_send(&bad, &world.alice.peer), INTEGRITY);
    assert_int_equal(service_activate(&world.service, &world.alice.peer), NOT_FOUND);
}

static void test_roles_and_systems(void **state) {
    struct offer offer;
    AUTO_BYTES struct bytes wire = {0};
    struct tls_peer server = world.alice.peer, stranger = world.alice.peer;
    (void)state;
    server.role = TLS_ROLE_STORAGE;
    snprintf(stranger.system, sizeof stranger.system, "00000000000000000000000000000000");
    enrol_all();
    offer_make(&world.alice, &offer);
    struct person as_server = world.alice, as_stranger = world.alice;
    as_server.peer = server;
    as_stranger.peer = stranger;
    const struct person *refused[] = {&as_server, &as_stranger};
    for (size_t i = 0; i < 2; i++) {
        const struct tls_peer *peer = &refused[i]->peer;
        assert_int_equal(offer_send(&offer, peer), DENIED);
        assert_int_equal(service_activate(&world.service, peer), DENIED);
        assert_int_equal(try_open(refused[i], 0), DENIED);
        assert_int_equal(service_audit(&world.service, peer, NULL, 0, &wire), DENIED);
        send_revocation(refused[i], &world.alice, 5000, DENIED);
    }
    assert_int_equal(service_user(&world.service, &server, "alice", &wire), OK);
    wire.len = 0;
    assert_int_equal(service_user(&world.service, &stranger, "alice", &wire), DENIED);
    assert_int_equal(service_users(&world.service, &stranger, "", &wire), DENIED);
}

/* A second certificate for alice's name, with another identity key, from the manager himself. */
static void test_swapped_identity_opens_nothing(void **state) {
    struct person impostor = world.alice;
    char manager[PATH_MAX];
    (void)state;
    enrol_all();
    assert_int_equal(local_manager_path(world.dir, manager, sizeof manager), OK);
    assert_int_equal(ca_withdraw(world.ca, "alice"), OK);
    impostor.certificate = (struct bytes){0};
    sign_key_random(&impostor.identity);
    person_certify(&impostor);
    assert_int_equal(try_open(&impostor, 0), DENIED);
    assert_error_has("another identity key");
    AUTO_BYTES struct bytes page = {0};
    assert_int_equal(service_audit(&world.service, &impostor.peer, NULL, 0, &page), DENIED);
    assert_error_has("another identity key");
    struct offer offer;
    offer_make(&impostor, &offer);
    assert_int_equal(offer_send(&offer, &impostor.peer), CONFLICT);
    bytes_free(&impostor.certificate);
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_int_equal(ca_withdraw(world.ca, "alice"), OK);
    struct person renewed = world.alice; /* the same keys, a new certificate */
    renewed.certificate = (struct bytes){0};
    person_certify(&renewed);
    assert_int_equal(try_open(&renewed, 0), OK);
    assert_int_equal(offer_send(&offer, &renewed.peer), OK);
    bytes_free(&renewed.certificate);
}

static bool shows_certificate(const struct person *person) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__UserAnswer *answer = NULL;
    assert_int_equal(service_user(&world.service, &world.bob.peer, "alice", &wire), OK);
    assert_int_equal(format_parse_user_answer(bytes_view(&wire), &answer), OK);
    return view_equal(format_view(answer->certificate), person->peer.certificate);
}

/* `person` with the certificate that he gets for `days` from now; free its certificate. */
static struct person renewed_for(const struct person *person, unsigned days) {
    struct person renewed = *person;
    renewed.certificate = (struct bytes){0};
    assert_int_equal(
        ca_renew_user(world.ca, bytes_view(&person->certificate), days, &renewed.certificate), OK);
    assert_int_equal(tls_peer_check(bytes_view(&renewed.certificate), ca_certificate(world.ca),
                                    time(NULL), &renewed.peer),
                     OK);
    return renewed;
}

/* A later certificate for the same keys is shown from then on; an earlier one never again. */
static void test_a_certificate_is_renewed(void **state) {
    (void)state;
    enrol(&world.alice);
    struct person earlier = renewed_for(&world.alice, 5), renewed = renewed_for(&world.alice, 800);
    assert_int_equal(service_activate(&world.service, &earlier.peer), CONFLICT);
    assert_true(shows_certificate(&world.alice));
    assert_int_equal(service_activate(&world.service, &renewed.peer), OK);
    assert_true(shows_certificate(&renewed));
    assert_int_equal(service_activate(&world.service, &renewed.peer), OK);
    assert_int_equal(service_activate(&world.service, &world.alice.peer), CONFLICT);
    assert_true(shows_certificate(&renewed));
    assert_int_equal(try_open(&renewed, 0), OK);
    bytes_free(&renewed.certificate);
    bytes_free(&earlier.certificate);
}

static void test_users_page(void **state) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__UserPage *page = NULL;
    (void)state;
    enrol_all();
    assert_int_equal(service_users(&world.service, &world.bob.peer, "alice", &wire), OK);
    assert_int_equal(format_parse_user_page(bytes_view(&wire), &page), OK);
    assert_int_equal(page->n_user, 2);
    assert_string_equal(page->user[0], "bob");
    assert_int_equal(service_users(&world.service, &world.bob.peer, "No Name", &wire), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_enrol),
        SERVICE_TEST(test_active_share_stays),
        SERVICE_TEST(test_enrol_refuses),
        SERVICE_TEST(test_roles_and_systems),
        SERVICE_TEST(test_swapped_identity_opens_nothing),
        SERVICE_TEST(test_a_certificate_is_renewed),
        SERVICE_TEST(test_users_page),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
