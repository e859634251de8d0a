/*
 * The driver of share care against five real key servers on loopback, some of which lie, refuse or
 * stop answering at one of the steps.
 */
#ifndef MYELIN_TESTS_SHARES_FLOW_H
#define MYELIN_TESTS_SHARES_FLOW_H

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
    DISK_IS_FULL,        /* 507 to what it was to keep */
    FINDS_IT_INVALID,    /* 400 */
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

static inline struct keyd *keyd_of(struct server_exchange *exchange) {
    return exchange_context(exchange);
}

static inline result call(struct server_exchange *exchange, care_call care, struct bytes *out) {
    return care(&fleet.service[keyd_of(exchange)->index], exchange_peer(exchange),
                exchange_body(exchange), out);
}

static inline result answer(struct server_exchange *exchange, const void *message) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(message, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static inline result answer_begin(struct server_exchange *exchange) {
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

static inline result answer_check(struct server_exchange *exchange) {
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

static inline result forge_acceptance(struct server_exchange *exchange) {
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

static inline result answer_accept(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    int behaviour = keyd_of(exchange)->behaviour;
    if (behaviour == REFUSES_TO_ACCEPT)
        return FAIL(INTERNAL, "no");
    if (behaviour == FORGES_ACCEPTANCE)
        return forge_acceptance(exchange);
    TRY(call(exchange, service_care_accept, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static inline result answer_finish(struct server_exchange *exchange) {
    if (keyd_of(exchange)->behaviour == IS_DEAD_AT_FINISH)
        return FAIL(INTERNAL, "no");
    return service_care_finish(&fleet.service[keyd_of(exchange)->index], exchange_peer(exchange),
                               exchange_body(exchange));
}

static inline result answer_blind(struct server_exchange *exchange) {
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

static inline result answer_restore(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes wire = {0};
    if (keyd_of(exchange)->behaviour == DISK_IS_FULL)
        return FAIL(IO, "no space left on device");
    if (keyd_of(exchange)->behaviour == FINDS_IT_INVALID)
        return FAIL(INVALID, "no");
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

static inline void keyd_start(unsigned i) {
    struct server_options options = {.listen = world.description.system->key[i]->address,
                                     .identity = fleet.identity[i].tls,
                                     .routes = routes,
                                     .route_count = sizeof routes / sizeof *routes,
                                     .context = &keyds[i]};
    keyds[i].index = i;
    assert_int_equal(server_start(&options, &keyds[i].server), OK);
}

static inline void keyd_stop(unsigned i) {
    server_stop(keyds[i].server, 0);
    keyds[i].server = NULL;
}

static inline int keyds_setup(void **state) {
    if (fleet_setup(state) != 0)
        return -1;
    for (unsigned i = 0; i < M; i++) {
        keyds[i].behaviour = HONEST;
        keyd_start(i);
    }
    return 0;
}

static inline int keyds_teardown(void **state) {
    for (unsigned i = 0; i < M; i++)
        keyd_stop(i);
    return fleet_teardown(state);
}

/* ------------------------------------------------------------------ the driver */

static inline struct session *alices_session(void) {
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

static inline void take_warning(void *context, const char *line) {
    (void)context;
    size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

static inline result refresh(struct shares_done *out_done) {
    AUTO_SESSION struct session *session = alices_session();
    result done = flow_shares_refresh(session, "alice", out_done);
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    warnings[0] = '\0';
    session_take_warnings(session, take_warning, NULL);
    return done == OK ? OK : FAIL(done, "%s", why);
}

static inline result replace(const char *name, struct shares_done *out_done) {
    AUTO_SESSION struct session *session = alices_session();
    result done = flow_shares_replace(session, "alice", name, out_done);
    warnings[0] = '\0';
    session_take_warnings(session, take_warning, NULL);
    return done;
}

static inline uint64_t epoch_of(unsigned i) {
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(fleet.service[i].shares, "alice", &record), OK);
    return record.file->epoch;
}

static inline void lose(unsigned i) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/shares/alice.share", fleet.store[i]);
    assert_int_equal(unlink(path), 0);
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, keyds_setup, keyds_teardown)

#endif
