/* The driver of share care against five real key servers on loopback, some of which lie, refuse or
 * stop answering at one of the steps. */
#include "key_fleet.h"

#include "flow/shares.h"

enum behaviour_of_key {
    HONEST,
    DEALS_WRONGLY,       /* to `victim` */
    DEALS_TO_OTHERS,     /* its dealing is of another user's shares */
    COMPLAINS_OF_ALL,    /* without a reason */
    REFUSES_TO_ACCEPT,   /* 500 */
    FORGES_ACCEPTANCE,   /* accepts nothing, and signs another generation */
    IS_DEAD_AT_FINISH,   /* 500, its disk as it was */
    BLINDS_WRONGLY,      /* well signed */
    PROMISES_THE_FUTURE, /* a ballot that none can be above */
};

struct keyd {
    struct server *server;
    unsigned index; /* from 0 */
    atomic_int behaviour;
    unsigned victim;
};

static struct keyd keyds[M];

/* ------------------------------------------------------------------ the servers */

typedef result (*care_call)(struct key_service *, const struct tls_peer *, struct view,
                            struct bytes *);

static struct keyd *keyd_of(struct server_exchange *exchange) {
    return exchange_context(exchange);
}

static result call(struct server_exchange *exchange, care_call care, struct bytes *out) {
    return care(&fleet.service[keyd_of(exchange)->index], exchange_peer(exchange),
                exchange_body(exchange), out);
}

static result answer(struct server_exchange *exchange, const void *message) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(message, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static result answer_begin(struct server_exchange *exchange) {
    struct keyd *keyd = keyd_of(exchange);
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CareState *state = NULL;
    AUTO_FORMAT Myelin__Signed *altered = NULL;
    TRY(call(exchange, service_care_begin, &wire));
    TRY(format_parse_care_state(bytes_view(&wire), &state));
    Myelin__CareState told = *state;
    if (keyd->behaviour == DEALS_WRONGLY && state->dealing != NULL)
        told.dealing = altered = deal_wrongly(state->dealing, keyd->index, keyd->victim);
    if (keyd->behaviour == DEALS_TO_OTHERS && state->dealing != NULL) {
        AUTO_FORMAT Myelin__Dealing *dealing = NULL;
        TRY(format_parse_dealing(format_view(state->dealing->body), &dealing));
        Myelin__Dealing other = *dealing;
        other.user = world.bob.name;
        TRY(format_sign(fleet.identity[keyd->index].key, &other, &altered));
        told.dealing = altered;
    }
    if (keyd->behaviour == PROMISES_THE_FUTURE)
        told.promised = INT64_MAX;
    return answer(exchange, &told);
}

static result answer_check(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    uint32_t all[M];
    Myelin__CareComplaint complaint = MYELIN__CARE_COMPLAINT__INIT;
    if (keyd_of(exchange)->behaviour != COMPLAINS_OF_ALL) {
        TRY(call(exchange, service_care_check, &wire));
        return exchange_answer(exchange, "application/protobuf", &wire);
    }
    complaint.server = all;
    for (uint32_t i = 1; i <= M; i++)
        if (i != keyd_of(exchange)->index + 1)
            all[complaint.n_server++] = i;
    return answer(exchange, &complaint);
}

static result forge_acceptance(struct server_exchange *exchange) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_FORMAT Myelin__Signed *word = NULL;
    char name[16];
    const struct keyd *keyd = keyd_of(exchange);
    TRY(format_parse_care_offer(exchange_body(exchange), &offer));
    snprintf(name, sizeof name, "key-%u", keyd->index + 1);
    offer->generation.data[0] ^= 1;
    Myelin__Acceptance acceptance = MYELIN__ACCEPTANCE__INIT;
    acceptance.server = name;
    acceptance.user = offer->user;
    acceptance.ballot = offer->ballot;
    acceptance.generation = offer->generation;
    TRY(format_sign(fleet.identity[keyd->index].key, &acceptance, &word));
    return answer(exchange, word);
}

static result answer_accept(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    int behaviour = keyd_of(exchange)->behaviour;
    if (behaviour == REFUSES_TO_ACCEPT)
        return FAIL(INTERNAL, "no");
    if (behaviour == FORGES_ACCEPTANCE)
        return forge_acceptance(exchange);
    TRY(call(exchange, service_care_accept, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static result answer_finish(struct server_exchange *exchange) {
    if (keyd_of(exchange)->behaviour == IS_DEAD_AT_FINISH)
        return FAIL(INTERNAL, "no");
    return service_care_finish(&fleet.service[keyd_of(exchange)->index], exchange_peer(exchange),
                               exchange_body(exchange));
}

static result answer_blind(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes box = {0};
    AUTO_FORMAT Myelin__Signed *word = NULL;
    AUTO_FORMAT Myelin__Signed *lie = NULL;
    AUTO_FORMAT Myelin__Blinded *blinded = NULL;
    const struct keyd *keyd = keyd_of(exchange);
    uint8_t wrong[2 * SCALAR_BYTES] = {0};
    TRY(call(exchange, service_care_blind, &wire));
    if (keyd->behaviour != BLINDS_WRONGLY)
        return exchange_answer(exchange, "application/protobuf", &wire);
    wrong[SCALAR_BYTES - 1] = wrong[sizeof wrong - 1] = 1;
    TRY(format_parse_signed(bytes_view(&wire), &word));
    TRY(format_parse_blinded(format_view(word->body), &blinded));
    TRY(sign_box_seal(fleet.identity[blinded->lost - 1].key->public_key,
                      view_of(wrong, sizeof wrong), &box));
    Myelin__Blinded altered = *blinded;
    altered.box = format_bytes(bytes_view(&box));
    TRY(format_sign(fleet.identity[keyd->index].key, &altered, &lie));
    return answer(exchange, lie);
}

static result answer_restore(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(call(exchange, service_care_restore, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static const struct server_route routes[] = {
    {"POST", "/v1/care/begin", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_begin},
    {"POST", "/v1/care/check", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_check},
    {"POST", "/v1/care/accept", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_accept},
    {"POST", "/v1/care/finish", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_finish},
    {"POST", "/v1/care/blind", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_blind},
    {"POST", "/v1/care/restore", SERVER_BODY_BUFFERED, 1 << 20, .end = answer_restore},
};

static void keyd_start(unsigned i) {
    struct server_options options = {.listen = world.description.system->key[i]->address,
                                     .identity = fleet.identity[i].tls,
                                     .routes = routes,
                                     .route_count = sizeof routes / sizeof *routes,
                                     .context = &keyds[i]};
    keyds[i].index = i;
    assert_int_equal(server_start(&options, &keyds[i].server), OK);
}

static void keyd_stop(unsigned i) {
    server_stop(keyds[i].server, 0);
    keyds[i].server = NULL;
}

static int keyds_setup(void **state) {
    if (fleet_setup(state) != 0)
        return -1;
    for (unsigned i = 0; i < M; i++) {
        keyds[i].behaviour = HONEST;
        keyd_start(i);
    }
    return 0;
}

static int keyds_teardown(void **state) {
    for (unsigned i = 0; i < M; i++)
        keyd_stop(i);
    return fleet_teardown(state);
}

/* ------------------------------------------------------------------ the driver */

static struct session *alices_session(void) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_KEYSTORE struct keystore keystore = {0};
    struct session *session = NULL;
    assert_int_equal(secret_new(sizeof *keystore.secrets, (void **)&keystore.secrets), OK);
    keystore.secrets->identity = world.alice.identity;
    keystore.secrets->a3 = world.alice.secret.a3;
    snprintf(keystore.user, sizeof keystore.user, "alice");
    memcpy(keystore.trust.ca_key, world.description.ca_key, FORMAT_IDENTITY_BYTES);
    memcpy(keystore.trust.system_id, world.description.system->id.data, FORMAT_ID_BYTES);
    assert_int_equal(bytes_append(&keystore.certificate, bytes_view(&world.alice.certificate)), OK);
    assert_int_equal(description_load(world.dir, &keystore.trust, &description), OK);
    assert_int_equal(session_new(&description, &keystore, &session), OK);
    return session;
}

static char warnings[4096];

static void take_warning(void *context, const char *line) {
    (void)context;
    size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

static result refresh(struct shares_done *out_done) {
    AUTO_SESSION struct session *session = alices_session();
    result done = flow_shares_refresh(session, "alice", out_done);
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    warnings[0] = '\0';
    session_take_warnings(session, take_warning, NULL);
    return done == OK ? OK : FAIL(done, "%s", why);
}

static result replace(const char *name, struct shares_done *out_done) {
    AUTO_SESSION struct session *session = alices_session();
    result done = flow_shares_replace(session, "alice", name, out_done);
    warnings[0] = '\0';
    session_take_warnings(session, take_warning, NULL);
    return done;
}

static uint64_t epoch_of(unsigned i) {
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(fleet.service[i].shares, "alice", &record), OK);
    return record.file->epoch;
}

static void lose(unsigned i) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/shares/alice.share", fleet.store[i]);
    assert_int_equal(unlink(path), 0);
}

/* ------------------------------------------------------------------ tests */

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

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, keyds_setup, keyds_teardown)

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
        FLOW_TEST(test_replacing_completes_what_was_broken_off),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
