/* A key server's routes without HTTP before them: forwards, revocations, the owner's recovery. */
#include "key_service.h"

#include "scheme/key_recover.h"
#include "scheme/threshold_rekeygen.h"

static void test_generations_are_not_mixed(void **state) {
    (void)state;
    enrol_all();
    for (unsigned i = 0; i < N; i++)
        world.storage[i].behaviour = i < 2 ? OLD_FORWARD : GOOD;
    AUTO_FORMAT Myelin__OpenAnswer *most = NULL;
    assert_int_equal(open_as(&world.bob, N, &most), OK);
    assert_int_equal(most->n_symbol, 4);
    assert_partial_holds(&world.bob, most);
    world.storage[2].behaviour = OLD_FORWARD;
    AUTO_FORMAT Myelin__OpenAnswer *newest = NULL;
    assert_int_equal(open_as(&world.bob, N, &newest), OK);
    assert_int_equal(newest->n_symbol, 3);
    assert_true(
        view_equal(format_view(newest->forward->body), format_view(world.current.forward->body)));
}

static void test_revoked_forward_is_refused(void **state) {
    (void)state;
    enrol_all();
    assert_int_equal(try_open(&world.bob, 0), OK);
    send_revocation(&world.alice, &world.alice, 1500, OK);
    assert_int_equal(try_open(&world.bob, 0), OK); /* the forward is younger */
    all_storage(OLD_FORWARD);
    assert_int_equal(try_open(&world.bob, 0), DENIED);
    assert_error_has("revoked");
    all_storage(GOOD);
    send_revocation(&world.alice, &world.alice, 2000, OK);
    assert_int_equal(try_open(&world.bob, 0), DENIED);
    send_revocation(&world.alice, &world.alice, 1600, OK); /* the highest stays */
    assert_int_equal(try_open(&world.bob, 0), DENIED);
    service_reopen();
    assert_int_equal(try_open(&world.bob, 0), DENIED);
    assert_int_equal(try_open(&world.alice, 0), OK); /* her own is not concerned */
}

static void test_only_the_owner_revokes(void **state) {
    (void)state;
    enrol_all();
    send_revocation(&world.mallory, &world.mallory, 9000, DENIED);
    send_revocation(&world.mallory, &world.alice, 9000, DENIED);
    send_revocation(&world.alice, &world.mallory, 9000, INTEGRITY);
    assert_int_equal(try_open(&world.bob, 0), OK);
}

/* Damage to what says "revoked" does not open anything. */
static void test_damaged_revocation_fails_closed(void **state) {
    char command_path[PATH_MAX];
    uint8_t name[DIGEST_BYTES];
    char digits[2 * DIGEST_BYTES + 1];
    struct digest digest;
    (void)state;
    enrol_all();
    send_revocation(&world.alice, &world.alice, 1500, OK);
    digest_start(&digest);
    digest_update(&digest, view_of("alice\0bob", sizeof "alice\0bob"));
    digest_update(&digest, view_of(world.tau_bytes, G2_BYTES));
    digest_finish(&digest, name);
    hex_encode(view_of(name, sizeof name), digits);
    snprintf(command_path, sizeof command_path, "%.2000s/revocations/%s.revocation", world.store,
             digits);
    flip_bit(command_path, 12, 1);
    assert_int_equal(try_open(&world.bob, 0), INTEGRITY);
    send_revocation(&world.alice, &world.alice, 1500, OK); /* she says it again */
    assert_int_equal(try_open(&world.bob, 0), OK);
}

static void test_rekey(void **state) {
    AUTO_BYTES struct bytes wire = {0}, out = {0}, refused = {0};
    AUTO_FORMAT Myelin__RekeyAnswer *answer = NULL;
    Myelin__RekeyRequest request = MYELIN__REKEY_REQUEST__INIT;
    struct rekey_request question;
    struct rekey_part part;
    uint8_t p[G2_BYTES], q[G2_BYTES];
    (void)state;
    enrol_all();
    assert_int_equal(threshold_rekeygen_request(&world.alice.secret.a3, view_of_string("a study"),
                                                &world.bob.public_key, &question),
                     OK);
    g2_to_bytes(&question.p, p);
    g2_to_bytes(&question.q, q);
    request.recipient = world.bob.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    request.p = field(p, sizeof p);
    request.q = field(q, sizeof q);
    assert_int_equal(format_pack(&request, &wire), OK);
    assert_int_equal(service_rekey(&world.service, &world.alice.peer, bytes_view(&wire), &out), OK);
    assert_int_equal(format_parse_rekey_answer(bytes_view(&out), &answer), OK);
    assert_int_equal(rekey_part_parse("part", answer->index, M, format_view(answer->p),
                                      format_view(answer->q), &part),
                     OK);
    assert_int_equal(threshold_rekeygen_check_part(&world.alice.commitments, &question, &part), OK);

    memset(p, 0, sizeof p);
    p[0] = 0xc0; /* the identity */
    wire.len = 0;
    assert_int_equal(format_pack(&request, &wire), OK);
    assert_int_equal(service_rekey(&world.service, &world.alice.peer, bytes_view(&wire), &refused),
                     PROTOCOL);
    assert_int_equal(refused.len, 0);
    assert_log(&world.alice, "enroll:ok rekey:ok rekey:protocol error ");
}

static void test_recover(void **state) {
    AUTO_BYTES struct bytes wire = {0}, out = {0}, refused = {0};
    AUTO_FORMAT Myelin__RecoverAnswer *answer = NULL;
    Myelin__RecoverRequest request = MYELIN__RECOVER_REQUEST__INIT;
    AUTO_SECRET uint8_t *s1 = NULL;
    AUTO_SECRET struct key_share *share = NULL;
    (void)state;
    assert_int_equal(secret_new(SCALAR_BYTES, (void **)&s1), OK);
    assert_int_equal(secret_new(sizeof *share, (void **)&share), OK);
    request.recipient = world.bob.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    assert_int_equal(format_pack(&request, &wire), OK);
    assert_int_equal(
        service_recover(&world.service, &world.alice.peer, bytes_view(&wire), &refused),
        DENIED); /* she has not enrolled */
    enrol_all();
    assert_int_equal(service_recover(&world.service, &world.alice.peer, bytes_view(&wire), &out),
                     OK);
    assert_int_equal(format_parse_recover_answer(bytes_view(&out), &answer), OK);
    struct view box = format_view(answer->box);
    assert_int_equal(sign_box_open_secret(&world.bob.identity, box, SCALAR_BYTES, s1), INTEGRITY);
    assert_int_equal(sign_box_open_secret(&world.alice.identity, box, SCALAR_BYTES, s1), OK);
    share->j = answer->index;
    assert_int_equal(scalar_parse("s1", view_of(s1, SCALAR_BYTES), &share->s1), OK);
    assert_int_equal(key_recover_check(&world.alice.commitments, share), OK);
    assert_int_equal(key_recover_check(&world.bob.commitments, share), INTEGRITY);
    struct tls_peer server = world.alice.peer;
    server.role = TLS_ROLE_STORAGE;
    assert_int_equal(service_recover(&world.service, &server, bytes_view(&wire), &refused), DENIED);
    assert_int_equal(refused.len, 0);
    assert_log(&world.alice, "recover:denied enroll:ok recover:ok recover:denied ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_generations_are_not_mixed),
        SERVICE_TEST(test_revoked_forward_is_refused),
        SERVICE_TEST(test_only_the_owner_revokes),
        SERVICE_TEST(test_damaged_revocation_fails_closed),
        SERVICE_TEST(test_rekey),
        SERVICE_TEST(test_recover),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
