/* A key server's routes without HTTP before them: who may do what, and what the log says of it. */
#include "key_system.h"

#include <signal.h>
#include <sys/resource.h>

#include "format/hash.h"
#include "scheme/key_recover.h"
#include "scheme/partial.h"
#include "scheme/threshold_rekeygen.h"

/* ------------------------------------------------------------------ helpers */

/* The actions and outcomes that a person finds in the log, one "action:outcome " after another. */
static void read_log(const struct person *person, char out[512]) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditPage *page = NULL;
    size_t used = 0;
    assert_int_equal(service_audit(&world.service, &person->peer, NULL, 0, &wire), OK);
    assert_int_equal(format_parse_audit_page(bytes_view(&wire), &page), OK);
    out[0] = '\0';
    for (size_t i = 0; i < page->n_entry; i++) {
        AUTO_FORMAT Myelin__AuditBody *body = NULL;
        assert_int_equal(format_parse_audit_body(format_view(page->entry[i]->body), &body), OK);
        int len = snprintf(out + used, 512 - used, "%s:%s ", body->action, body->outcome);
        assert_true(len > 0 && used + (size_t)len < 512);
        used += (size_t)len;
    }
}

static void assert_log(const struct person *person, const char *expected) {
    char log[512];
    read_log(person, log);
    assert_string_equal(log, expected);
}

static result open_how(const struct person *person, unsigned u, bool prove,
                       Myelin__OpenAnswer **out_answer) {
    AUTO_BYTES struct bytes wire = {0}, answer = {0};
    Myelin__OpenRequest request = MYELIN__OPEN_REQUEST__INIT;
    request.owner = world.alice.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    request.u = u;
    request.prove = prove;
    assert_int_equal(format_pack(&request, &wire), OK);
    TRY(service_open(&world.service, &person->peer, bytes_view(&wire), &answer));
    assert_int_equal(format_parse_open_answer(bytes_view(&answer), out_answer), OK);
    return OK;
}

static result open_as(const struct person *person, unsigned u, Myelin__OpenAnswer **out_answer) {
    return open_how(person, u, true, out_answer);
}

/* Opens and drops the answer. */
static result try_open(const struct person *person, unsigned u) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    return open_as(person, u, &answer);
}

static void assert_partial_holds(const struct person *person, const Myelin__OpenAnswer *answer) {
    struct partial partial;
    struct g2 beta;
    assert_int_equal(g2_parse("beta", format_view(answer->beta), &beta), OK);
    assert_int_equal(
        partial_parse("partial", answer->index, M, format_view(answer->partial), &partial), OK);
    assert_int_equal(partial.j, J);
    assert_int_equal(partial_verify(&person->public_key, &person->commitments, answer->b, &beta,
                                    &partial, format_view(answer->proof)),
                     OK);
}

static void send_revocation(const struct person *caller, const struct person *signer,
                            uint64_t serial_ms, result expected) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_BYTES struct bytes wire = {0};
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = world.alice.name;
    revocation.recipient = world.bob.name;
    revocation.tau = field(world.tau_bytes, G2_BYTES);
    revocation.serial_ms = serial_ms;
    assert_int_equal(format_sign(&signer->identity, &revocation, &record), OK);
    assert_int_equal(format_pack(record, &wire), OK);
    assert_int_equal(service_revoke(&world.service, &caller->peer, bytes_view(&wire)), expected);
}

static void enrol_all(void) {
    enrol(&world.alice);
    enrol(&world.bob);
    enrol(&world.mallory);
}

/* ------------------------------------------------------------------ enrolment */

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

/* ------------------------------------------------------------------ opening */

static void test_owner_opens(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    assert_int_equal(open_as(&world.alice, 0, &answer), OK);
    assert_int_equal(answer->n_symbol, K + 1);
    assert_int_equal(answer->b, 0);
    assert_true(view_equal(format_view(answer->beta), view_of(world.tau_bytes, G2_BYTES)));
    assert_partial_holds(&world.alice, answer);
    assert_log(&world.alice, "enroll:ok open:ok ");
}

static void test_recipient_opens(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    assert_int_equal(open_as(&world.bob, N, &answer), OK);
    assert_int_equal(answer->n_symbol, N);
    assert_int_equal(answer->b, 1);
    assert_true(
        view_equal(format_view(answer->forward->body), format_view(world.current.forward->body)));
    assert_partial_holds(&world.bob, answer);
    assert_log(&world.alice, "enroll:ok open:ok "); /* she sees who opened her image */
    assert_log(&world.bob, "enroll:ok open:ok ");
    assert_log(&world.mallory, "enroll:ok ");
}

static void test_strangers_open_nothing(void **state) {
    (void)state;
    enrol(&world.alice);
    assert_int_equal(try_open(&world.bob, 0), DENIED); /* no share */
    enrol(&world.mallory);
    assert_int_equal(try_open(&world.mallory, 0), DENIED); /* no forward */
    assert_log(&world.mallory, "enroll:ok open:denied ");
    assert_log(&world.alice, "enroll:ok open:denied open:denied ");
}

static void test_fan_out_bounds(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    (void)state;
    enrol_all();
    assert_int_equal(try_open(&world.alice, N + 1), INVALID);
    assert_int_equal(open_as(&world.alice, 1, &answer), OK);
    assert_int_equal(answer->n_symbol, 1);
}

/* Every kind of liar is passed over, and blamed. */
/* Each opening asks u servers of its own: no two are preferred, and none is left out. */
static void test_servers_are_drawn_anew(void **state) {
    bool drawn[N][N] = {{false}};
    unsigned pairs = 0, openings = 400;
    (void)state;
    enrol_all();
    for (unsigned opening = 0; opening < openings; opening++) {
        AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
        unsigned number[2];
        assert_int_equal(open_how(&world.alice, 2, false, &answer), OK);
        assert_int_equal(answer->n_symbol, 2);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(sscanf(answer->symbol[i]->server, "storage-%u", &number[i]), 1);
        unsigned low = number[0] < number[1] ? number[0] : number[1];
        unsigned high = number[0] + number[1] - low;
        pairs += !drawn[low - 1][high - 1];
        drawn[low - 1][high - 1] = true;
    }
    assert_int_equal(pairs, N * (N - 1) / 2); /* but for a chance of 15 (14/15)^400, one in 10^11 */
}

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

/* A symbol is passed on with its server's word for it, where proofs are asked for, else without. */
static void test_symbols_are_signed(void **state) {
    AUTO_FORMAT Myelin__OpenAnswer *proven = NULL, *plain = NULL;
    uint8_t image[DIGEST_BYTES];
    (void)state;
    enrol_all();
    format_image_id(world.tau_bytes, image);
    assert_int_equal(open_as(&world.bob, N, &proven), OK);
    for (size_t i = 0; i < proven->n_symbol; i++) {
        const Myelin__ServedSymbol *served = proven->symbol[i];
        const uint8_t *identity = world.storage[served->symbol->slot].identity.key->public_key;
        struct format_statement statement = {served->server, "bob", image, served->symbol};
        assert_int_equal(
            format_statement_verify(identity, &statement, format_view(served->signature)), OK);
        statement.user = "alice";
        assert_int_equal(
            format_statement_verify(identity, &statement, format_view(served->signature)),
            INTEGRITY);
    }
    assert_int_equal(open_how(&world.bob, N, false, &plain), OK);
    assert_int_equal(plain->symbol[0]->signature.len, 0);
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

/* ------------------------------------------------------------------ forwards */

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

/* ------------------------------------------------------------------ damage and log */

static void test_damaged_share_concerns_its_user(void **state) {
    char path[PATH_MAX];
    (void)state;
    enrol_all();
    snprintf(path, sizeof path, "%.2000s/shares/bob.share", world.store);
    flip_bit(path, 300, 2);
    assert_int_equal(try_open(&world.bob, 0), INTEGRITY);
    assert_error_has("share file of bob");
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.bob, "enroll:ok open:integrity error ");
}

static void test_damaged_log_is_told(void **state) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes text = {0};
    (void)state;
    enrol_all();
    snprintf(path, sizeof path, "%.2000s/access.log", world.store);
    flip_bit(path, 30, 1);
    service_reopen();
    assert_int_equal(service_metrics(&world.service, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    assert_non_null(strstr((char *)text.data, "myelin_key_log_damaged 1\n"));
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.alice, "open:ok ");
}

/* Nothing is opened that is not in the log. */
static void test_no_log_no_opening(void **state) {
    struct rlimit before, none;
    (void)state;
    enrol_all();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 1;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    result opened = try_open(&world.alice, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(opened, IO);
    assert_error_has("access log");
    assert_int_equal(try_open(&world.alice, 0), OK);
    assert_log(&world.alice, "enroll:ok open:ok ");
}

static void test_audit_of_an_image(void **state) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditPage *page = NULL;
    uint8_t image[DIGEST_BYTES];
    char digits[2 * DIGEST_BYTES + 1];
    (void)state;
    enrol_all();
    assert_int_equal(try_open(&world.bob, 0), OK);
    format_image_id(world.tau_bytes, image);
    hex_encode(view_of(image, sizeof image), digits);
    assert_int_equal(service_audit(&world.service, &world.alice.peer, digits, 0, &wire), OK);
    assert_int_equal(format_parse_audit_page(bytes_view(&wire), &page), OK);
    assert_int_equal(page->n_entry, 1);
    assert_int_equal(service_audit(&world.service, &world.alice.peer, "xy", 0, &wire), INVALID);
}

static void test_metrics(void **state) {
    AUTO_BYTES struct bytes text = {0};
    (void)state;
    enrol_all();
    storage_stop(2);
    assert_int_equal(try_open(&world.alice, N), OK);
    assert_int_equal(try_open(&world.mallory, 0), DENIED);
    assert_int_equal(service_metrics(&world.service, &text), OK);
    assert_int_equal(bytes_append(&text, view_of("", 1)), OK);
    static const char *const lines[] = {
        "myelin_key_opens_total{outcome=\"ok\"} 1\n",
        "myelin_key_opens_total{outcome=\"refused\"} 1\n",
        "myelin_key_open_seconds_count 2\n",
        "myelin_key_shares 3\n",
        "myelin_key_log_entries 5\n",
        "myelin_key_log_damaged 0\n",
        "myelin_key_storage_failures_total{server=\"storage-1\"} 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr((char *)text.data, lines[i]) == NULL)
            fail_msg("no line %s in %s", lines[i], (char *)text.data);
    assert_null(strstr((char *)text.data, "{server=\"storage-3\"} 0\n"));
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, service_setup, service_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_enrol),
        SERVICE_TEST(test_active_share_stays),
        SERVICE_TEST(test_enrol_refuses),
        SERVICE_TEST(test_roles_and_systems),
        SERVICE_TEST(test_swapped_identity_opens_nothing),
        SERVICE_TEST(test_users_page),
        SERVICE_TEST(test_owner_opens),
        SERVICE_TEST(test_recipient_opens),
        SERVICE_TEST(test_strangers_open_nothing),
        SERVICE_TEST(test_fan_out_bounds),
        SERVICE_TEST(test_servers_are_drawn_anew),
        SERVICE_TEST(test_liars_are_passed_over),
        SERVICE_TEST(test_all_lie),
        SERVICE_TEST(test_slots_are_distinct),
        SERVICE_TEST(test_dead_and_hanging_servers),
        SERVICE_TEST(test_symbols_are_signed),
        SERVICE_TEST(test_proofs_are_waited_for),
        SERVICE_TEST(test_spares_that_hang_are_not_waited_for),
        SERVICE_TEST(test_few_are_left),
        SERVICE_TEST(test_nobody_answers),
        SERVICE_TEST(test_absent_and_refused),
        SERVICE_TEST(test_generations_are_not_mixed),
        SERVICE_TEST(test_revoked_forward_is_refused),
        SERVICE_TEST(test_only_the_owner_revokes),
        SERVICE_TEST(test_damaged_revocation_fails_closed),
        SERVICE_TEST(test_rekey),
        SERVICE_TEST(test_recover),
        SERVICE_TEST(test_damaged_share_concerns_its_user),
        SERVICE_TEST(test_damaged_log_is_told),
        SERVICE_TEST(test_no_log_no_opening),
        SERVICE_TEST(test_audit_of_an_image),
        SERVICE_TEST(test_metrics),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
