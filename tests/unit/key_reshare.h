/*
 * Resharing as its driver does it, step by step, and which generations of shares work.
 */
#ifndef MYELIN_TESTS_KEY_RESHARE_H
#define MYELIN_TESTS_KEY_RESHARE_H

#include "key_care.h"

#include "scheme/share_reshare.h"

/* ------------------------------------------------------------------ what a driver does */

/* `run` with what it is for. */
struct resharing {
    struct run run;
    unsigned t;
    struct holders among;
    unsigned base;   /* a server that holds a share of before */
    unsigned base_t; /* how many deal */
};

static inline void resharing_free(struct resharing *resharing) {
    run_free(&resharing->run);
}
#define AUTO_RESHARING __attribute__((cleanup(resharing_free))) struct resharing

static inline struct holders set_of(const char *digits) {
    struct holders holders = {.count = 0};
    for (; *digits != '\0'; digits++)
        holders_add(&holders, (uint32_t)(*digits - '0'));
    return holders;
}

static inline result begin_reshare_at(const struct tls_peer *peer, unsigned i, uint64_t ballot,
                                      unsigned t, const struct holders *among,
                                      Myelin__CareState **out_state) {
    Myelin__CareRequest request = MYELIN__CARE_REQUEST__INIT;
    request.user = world.alice.name;
    request.ballot = ballot;
    request.t = t;
    request.holders = format_bytes(holders_view(among));
    return ask_begin(peer, i, &request, out_state);
}

/* The first that hold shares deal, as many as are needed. */
static inline void begin_reshare(struct resharing *r, uint64_t ballot, unsigned t,
                                 const char *among) {
    *r = (struct resharing){.t = t, .among = set_of(among), .base = M};
    r->run.ballot = ballot;
    for (unsigned i = 0; i < M; i++) {
        result begun =
            begin_reshare_at(&world.alice.peer, i, ballot, t, &r->among, &r->run.state[i]);
        if (begun == NOT_FOUND)
            continue;
        assert_int_equal(begun, OK);
        if (r->run.state[i]->shareless) {
            assert_null(r->run.state[i]->dealing);
            continue;
        }
        if (r->base == M)
            r->base = i;
        r->base_t = (unsigned)r->run.state[r->base]->n_commitment1;
        if (r->run.count < r->base_t)
            r->run.dealings[r->run.count++] = r->run.state[i]->dealing;
    }
}

static inline void make_reshared(struct resharing *r) {
    AUTO_COMMITMENTS struct share_commitments old = {0};
    AUTO_COMMITMENTS struct share_commitments fresh = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    struct share_dealing dealings[M] = {{0}};
    const Myelin__CareState *state = r->run.state[r->base];
    parse_commitments_of(state, &old);
    for (size_t i = 0; i < r->run.count; i++) {
        AUTO_FORMAT Myelin__Dealing *dealing = NULL;
        assert_int_equal(format_parse_dealing(format_view(r->run.dealings[i]->body), &dealing), OK);
        assert_int_equal(share_reshare_parse("d", dealing->dealer, &old,
                                             format_view(dealing->commitments), r->t, &dealings[i]),
                         OK);
    }
    assert_int_equal(share_reshare_commitments(&world.alice.public_key, dealings, r->run.count,
                                               r->base_t, &fresh),
                     OK);
    assert_int_equal(format_commitment_fields(&fresh, &fields), OK);
    format_generation_id(&(struct generation_fields){.epoch = state->epoch + 1,
                                                     .holders = holders_view(&r->among),
                                                     .t = fields.t,
                                                     .commitment1 = fields.commitment1,
                                                     .commitment2 = fields.commitment2},
                         r->run.generation);
    for (size_t i = 0; i < r->run.count; i++)
        share_dealing_free(&dealings[i]);
}

static inline Myelin__CareBase base_of(const Myelin__CareState *state) {
    Myelin__CareBase from = MYELIN__CARE_BASE__INIT;
    from.certificate = state->certificate;
    from.enrolled_ms = state->enrolled_ms;
    from.epoch = state->epoch;
    from.n_commitment1 = from.n_commitment2 = state->n_commitment1;
    from.commitment1 = state->commitment1;
    from.commitment2 = state->commitment2;
    from.holders = state->holders;
    return from;
}

static inline result accept_from(struct resharing *r, const struct tls_peer *peer, unsigned i,
                                 Myelin__CareBase *from) {
    AUTO_BYTES struct bytes wire = {0};
    pack_offer_from(&r->run, from, &wire);
    return ask_accept(&r->run, peer, i, &wire);
}

static inline result accept_reshare(struct resharing *r, unsigned i) {
    Myelin__CareBase from = base_of(r->run.state[r->base]);
    return accept_from(r, &world.alice.peer, i, &from);
}

static inline result check_reshare(struct resharing *r, const struct tls_peer *peer, unsigned i,
                                   Myelin__CareComplaint **out_complaint) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    Myelin__CareBase from = base_of(r->run.state[r->base]);
    pack_offer_from(&r->run, &from, &wire);
    TRY(service_care_check(&fleet.service[i], peer, bytes_view(&wire), &answer));
    return format_parse_care_complaint(bytes_view(&answer), out_complaint);
}

/* A whole run. */
static inline void reshare(uint64_t ballot, unsigned t, const char *among) {
    AUTO_RESHARING r;
    begin_reshare(&r, ballot, t, among);
    make_reshared(&r);
    for (unsigned i = 0; i < M; i++)
        if (holders_has(&r.among, i + 1) || (r.run.state[i] != NULL && !r.run.state[i]->shareless))
            assert_int_equal(accept_reshare(&r, i), OK);
    for (unsigned i = 0; i < M; i++)
        if (r.run.acceptance[i] != NULL)
            assert_int_equal(finish_at(&r.run, i), OK);
}

/* ------------------------------------------------------------------ what must hold */

/* How many servers can use a share of this generation; and whether any t of them open alice's, and
 * t - 1 do not. */
static inline unsigned able(const uint8_t generation[DIGEST_BYTES], unsigned t) {
    struct partial partials[M];
    unsigned count = partials_of(generation, partials);
    struct g2 d, expected;
    g2_exp(&world.tau, &world.alice.secret.a1, &expected);
    for (unsigned first = 0; first + t <= count; first++) {
        assert_int_equal(combine_partials(partials + first, t, t, &d), OK);
        assert_true(g2_equal(&d, &expected));
        if (t == 1)
            continue;
        assert_int_equal(combine_partials(partials + first, t - 1, t - 1, &d), OK);
        assert_false(g2_equal(&d, &expected));
    }
    return count;
}

static inline void current(unsigned i, uint8_t out[DIGEST_BYTES]) {
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(fleet.service[i].shares, "alice", &record), OK);
    share_file_generation(record.file, out);
}

#endif
