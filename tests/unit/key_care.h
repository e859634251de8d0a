/*
 * What the tests of share care among five key servers in one process share: the steps that a driver
 * takes, and what must hold.
 */
#ifndef MYELIN_TESTS_KEY_CARE_H
#define MYELIN_TESTS_KEY_CARE_H

#include "key_fleet.h"

#include "keys/caller.h"

#include "format/generation.h"
#include "scheme/combine.h"
#include "scheme/share_dec.h"
#include "scheme/share_refresh.h"

/* ------------------------------------------------------------------ what a driver does */

struct run {
    Myelin__CareState *state[M];
    Myelin__Signed *dealings[M];
    size_t count;
    uint64_t ballot;
    uint8_t generation[DIGEST_BYTES];
    Myelin__Signed *acceptance[M];
};

static inline void run_free(struct run *run) {
    for (unsigned i = 0; i < M; i++) {
        format_free(run->state[i]);
        format_free(run->acceptance[i]);
    }
}
#define AUTO_RUN __attribute__((cleanup(run_free))) struct run

/* `request` as `peer` sends it to key server i + 1. */
static inline result ask_begin(const struct tls_peer *peer, unsigned i,
                               const Myelin__CareRequest *request, Myelin__CareState **out_state) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    assert_int_equal(format_pack(request, &wire), OK);
    TRY(service_care_begin(&fleet.service[i], peer, bytes_view(&wire), &answer));
    return format_parse_care_state(bytes_view(&answer), out_state);
}

static inline result begin_among(const struct tls_peer *peer, unsigned i, uint64_t ballot,
                                 uint32_t lost, uint32_t dealers[], size_t dealer_count,
                                 Myelin__CareState **out_state) {
    Myelin__CareRequest request = MYELIN__CARE_REQUEST__INIT;
    request.user = world.alice.name;
    request.ballot = ballot;
    request.lost = lost;
    request.dealers = dealers;
    request.n_dealers = dealer_count;
    return ask_begin(peer, i, &request, out_state);
}

/* All but the lost one deal. */
static inline result begin_as(const struct tls_peer *peer, unsigned i, uint64_t ballot,
                              uint32_t lost, Myelin__CareState **out_state) {
    uint32_t dealers[M];
    size_t count = 0;
    for (uint32_t dealer = 1; lost != 0 && dealer <= M; dealer++)
        if (dealer != lost)
            dealers[count++] = dealer;
    return begin_among(peer, i, ballot, lost, dealers, count, out_state);
}

static inline void begin(struct run *run, uint64_t ballot, uint32_t lost) {
    run->ballot = ballot;
    for (unsigned i = 0; i < M; i++) {
        if (i + 1 == lost)
            continue;
        assert_int_equal(begin_as(&world.alice.peer, i, ballot, lost, &run->state[i]), OK);
        run->dealings[run->count++] = run->state[i]->dealing;
    }
}

static inline void parse_commitments_of(const Myelin__CareState *state,
                                        struct share_commitments *out) {
    assert_int_equal(format_commitments_parse(state->n_commitment1, state->commitment1,
                                              state->n_commitment2, state->commitment2, out),
                     OK);
}

/* The generation that all of the run's dealings make. */
static inline void make_generation(struct run *run) {
    AUTO_COMMITMENTS struct share_commitments old = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    struct share_dealing dealings[M] = {{0}};
    parse_commitments_of(run->state[0], &old);
    for (size_t i = 0; i < run->count; i++) {
        AUTO_FORMAT Myelin__Dealing *dealing = NULL;
        assert_int_equal(format_parse_dealing(format_view(run->dealings[i]->body), &dealing), OK);
        assert_int_equal(share_refresh_parse("d", dealing->dealer,
                                             format_view(dealing->commitments), T, &dealings[i]),
                         OK);
    }
    assert_int_equal(share_dealing_sum(&old, dealings, run->count, &fresh), OK);
    assert_int_equal(format_commitment_fields(&fresh, &fields), OK);
    format_generation_id(&(struct generation_fields){.epoch = run->state[0]->epoch + 1,
                                                     .holders = format_view(run->state[0]->holders),
                                                     .t = T,
                                                     .commitment1 = fields.commitment1,
                                                     .commitment2 = fields.commitment2},
                         run->generation);
    for (size_t i = 0; i < run->count; i++)
        share_dealing_free(&dealings[i]);
}

/* `from`: of whom the dealers have their shares; NULL where all have. */
static inline void pack_offer_from(struct run *run, Myelin__CareBase *from, struct bytes *out) {
    Myelin__CareOffer offer = MYELIN__CARE_OFFER__INIT;
    offer.user = world.alice.name;
    offer.ballot = run->ballot;
    offer.generation = field(run->generation, DIGEST_BYTES);
    offer.n_dealing = run->count;
    offer.dealing = run->dealings;
    offer.from = from;
    assert_int_equal(format_pack(&offer, out), OK);
}

static inline void pack_offer(struct run *run, struct bytes *out) {
    pack_offer_from(run, NULL, out);
}

/* What is packed in `wire`, offered by `peer`. */
static inline result ask_accept(struct run *run, const struct tls_peer *peer, unsigned i,
                                const struct bytes *wire) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(service_care_accept(&fleet.service[i], peer, bytes_view(wire), &answer));
    format_free(run->acceptance[i]);
    run->acceptance[i] = NULL;
    return format_parse_signed(bytes_view(&answer), &run->acceptance[i]);
}

static inline result accept_at(struct run *run, unsigned i) {
    AUTO_BYTES struct bytes wire = {0};
    pack_offer(run, &wire);
    return ask_accept(run, &world.alice.peer, i, &wire);
}

static inline result finish_with(struct run *run, unsigned i, Myelin__Signed *words[],
                                 size_t count) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    finish.user = world.alice.name;
    finish.generation = field(run->generation, DIGEST_BYTES);
    finish.n_acceptance = count;
    finish.acceptance = words;
    assert_int_equal(format_pack(&finish, &wire), OK);
    return service_care_finish(&fleet.service[i], &world.alice.peer, bytes_view(&wire));
}

static inline result finish_at(struct run *run, unsigned i) {
    Myelin__Signed *words[M];
    size_t count = 0;
    for (unsigned j = 0; j < M; j++)
        if (run->acceptance[j] != NULL)
            words[count++] = run->acceptance[j];
    return finish_with(run, i, words, count);
}

/* ------------------------------------------------------------------ what must hold */

/* Of each server that can use a share of this generation; how many. */
static inline unsigned partials_of(const uint8_t generation[DIGEST_BYTES],
                                   struct partial partials[M]) {
    unsigned count = 0;
    for (unsigned i = 0; i < M; i++) {
        AUTO_SHARE struct share_record record = {0};
        struct share_choice choice;
        if (share_store_get(fleet.service[i].shares, "alice", &record) == OK &&
            share_store_choose(fleet.service[i].shares, view_of(generation, DIGEST_BYTES), &record,
                               &choice) == OK)
            assert_int_equal(share_dec(record.share, 0, &world.tau, &partials[count++]), OK);
    }
    return count;
}

/* How many servers can use a share of this generation; and whether t of them open alice's. */
static inline unsigned usable(const uint8_t generation[DIGEST_BYTES]) {
    struct partial partials[M];
    unsigned count = partials_of(generation, partials);
    struct g2 d, expected;
    if (count < T)
        return count;
    g2_exp(&world.tau, &world.alice.secret.a1, &expected);
    assert_int_equal(combine_partials(partials, count, T, &d), OK);
    assert_true(g2_equal(&d, &expected));
    return count;
}

static inline void generation_of(const Myelin__CareState *state, uint8_t out[DIGEST_BYTES]) {
    format_generation_id(GENERATION_FIELDS(state), out);
}

static inline void lose(unsigned i) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/shares/alice.share", fleet.store[i]);
    assert_int_equal(unlink(path), 0);
    fleet_restart(i);
    assert_int_equal(share_store_count(fleet.service[i].shares), 0);
}

#define CARE_TEST(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)

#endif
