/* Share care between five key servers in one process: every step, what liars do to it, and a
 * restart after each step. */
#include "key_fleet.h"

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

static void run_free(struct run *run) {
    for (unsigned i = 0; i < M; i++) {
        format_free(run->state[i]);
        format_free(run->acceptance[i]);
    }
}
#define AUTO_RUN __attribute__((cleanup(run_free))) struct run

static result begin_among(const struct tls_peer *peer, unsigned i, uint64_t ballot, uint32_t lost,
                          uint32_t dealers[], size_t dealer_count, Myelin__CareState **out_state) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    Myelin__CareRequest request = MYELIN__CARE_REQUEST__INIT;
    request.user = world.alice.name;
    request.ballot = ballot;
    request.lost = lost;
    request.dealers = dealers;
    request.n_dealers = dealer_count;
    assert_int_equal(format_pack(&request, &wire), OK);
    TRY(service_care_begin(&fleet.service[i], peer, bytes_view(&wire), &answer));
    return format_parse_care_state(bytes_view(&answer), out_state);
}

/* All but the lost one deal. */
static result begin_as(const struct tls_peer *peer, unsigned i, uint64_t ballot, uint32_t lost,
                       Myelin__CareState **out_state) {
    uint32_t dealers[M];
    size_t count = 0;
    for (uint32_t dealer = 1; lost != 0 && dealer <= M; dealer++)
        if (dealer != lost)
            dealers[count++] = dealer;
    return begin_among(peer, i, ballot, lost, dealers, count, out_state);
}

static void begin(struct run *run, uint64_t ballot, uint32_t lost) {
    run->ballot = ballot;
    for (unsigned i = 0; i < M; i++) {
        if (i + 1 == lost)
            continue;
        assert_int_equal(begin_as(&world.alice.peer, i, ballot, lost, &run->state[i]), OK);
        run->dealings[run->count++] = run->state[i]->dealing;
    }
}

static void parse_commitments_of(const Myelin__CareState *state, struct share_commitments *out) {
    assert_int_equal(format_commitments_parse(state->n_commitment1, state->commitment1,
                                              state->n_commitment2, state->commitment2, out),
                     OK);
}

/* The generation that all of the run's dealings make. */
static void make_generation(struct run *run) {
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

static void pack_offer(struct run *run, struct bytes *out) {
    Myelin__CareOffer offer = MYELIN__CARE_OFFER__INIT;
    offer.user = world.alice.name;
    offer.ballot = run->ballot;
    offer.generation = field(run->generation, DIGEST_BYTES);
    offer.n_dealing = run->count;
    offer.dealing = run->dealings;
    assert_int_equal(format_pack(&offer, out), OK);
}

static result accept_at(struct run *run, unsigned i) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    pack_offer(run, &wire);
    TRY(service_care_accept(&fleet.service[i], &world.alice.peer, bytes_view(&wire), &answer));
    format_free(run->acceptance[i]);
    run->acceptance[i] = NULL;
    return format_parse_signed(bytes_view(&answer), &run->acceptance[i]);
}

static result finish_with(struct run *run, unsigned i, Myelin__Signed *words[], size_t count) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__CareFinish finish = MYELIN__CARE_FINISH__INIT;
    finish.user = world.alice.name;
    finish.generation = field(run->generation, DIGEST_BYTES);
    finish.n_acceptance = count;
    finish.acceptance = words;
    assert_int_equal(format_pack(&finish, &wire), OK);
    return service_care_finish(&fleet.service[i], &world.alice.peer, bytes_view(&wire));
}

static result finish_at(struct run *run, unsigned i) {
    Myelin__Signed *words[M];
    size_t count = 0;
    for (unsigned j = 0; j < M; j++)
        if (run->acceptance[j] != NULL)
            words[count++] = run->acceptance[j];
    return finish_with(run, i, words, count);
}

/* ------------------------------------------------------------------ what must hold */

/* How many servers can use a share of this generation; and whether t of them open alice's. */
static unsigned usable(const uint8_t generation[DIGEST_BYTES]) {
    struct partial partials[M];
    unsigned count = 0;
    struct g2 d, expected;
    for (unsigned i = 0; i < M; i++) {
        AUTO_SHARE struct share_record record = {0};
        struct share_choice choice;
        if (share_store_get(fleet.service[i].shares, "alice", &record) == OK &&
            share_store_choose(fleet.service[i].shares, view_of(generation, DIGEST_BYTES), &record,
                               &choice) == OK)
            assert_int_equal(share_dec(record.share, 0, &world.tau, &partials[count++]), OK);
    }
    if (count < T)
        return count;
    g2_exp(&world.tau, &world.alice.secret.a1, &expected);
    assert_int_equal(combine_partials(partials, count, T, &d), OK);
    assert_true(g2_equal(&d, &expected));
    return count;
}

static void generation_of(const Myelin__CareState *state, uint8_t out[DIGEST_BYTES]) {
    format_generation_id(GENERATION_FIELDS(state), out);
}

/* ------------------------------------------------------------------ tests */

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

/* ------------------------------------------------------------------ replacing */

struct restoring {
    Myelin__Signed *blinded[M];
    size_t count;
};

static void restoring_free(struct restoring *restoring) {
    for (size_t i = 0; i < restoring->count; i++)
        format_free(restoring->blinded[i]);
}
#define AUTO_RESTORING __attribute__((cleanup(restoring_free))) struct restoring

static void blind_all(struct run *run, uint32_t lost, struct restoring *out) {
    AUTO_BYTES struct bytes wire = {0};
    generation_of(run->state[lost == 1 ? 1 : 0], run->generation);
    pack_offer(run, &wire);
    for (unsigned i = 0; i < M; i++) {
        AUTO_BYTES struct bytes answer = {0};
        if (i + 1 == lost)
            continue;
        assert_int_equal(
            service_care_blind(&fleet.service[i], &world.alice.peer, bytes_view(&wire), &answer),
            OK);
        assert_int_equal(format_parse_signed(bytes_view(&answer), &out->blinded[out->count]), OK);
        out->count++;
    }
}

static result restore_as(const struct tls_peer *peer, struct run *run, uint32_t lost,
                         Myelin__Signed *blinded[], size_t count,
                         Myelin__CareComplaint **out_complaint) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    const Myelin__CareState *state = run->state[lost == 1 ? 1 : 0];
    Myelin__CareRestore restore = MYELIN__CARE_RESTORE__INIT;
    restore.user = world.alice.name;
    restore.certificate = state->certificate;
    restore.enrolled_ms = state->enrolled_ms;
    restore.epoch = state->epoch;
    restore.n_commitment1 = restore.n_commitment2 = T;
    restore.commitment1 = state->commitment1;
    restore.commitment2 = state->commitment2;
    restore.holders = state->holders;
    restore.n_dealing = run->count;
    restore.dealing = run->dealings;
    restore.n_blinded = count;
    restore.blinded = blinded;
    assert_int_equal(format_pack(&restore, &wire), OK);
    TRY(service_care_restore(&fleet.service[lost - 1], peer, bytes_view(&wire), &answer));
    return format_parse_care_complaint(bytes_view(&answer), out_complaint);
}

static result restore_at(struct run *run, uint32_t lost, Myelin__Signed *blinded[], size_t count,
                         Myelin__CareComplaint **out_complaint) {
    return restore_as(&world.alice.peer, run, lost, blinded, count, out_complaint);
}

static void lose(unsigned i) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/shares/alice.share", fleet.store[i]);
    assert_int_equal(unlink(path), 0);
    fleet_restart(i);
    assert_int_equal(share_store_count(fleet.service[i].shares), 0);
}

static void test_a_lost_share_is_made_anew(void **state) {
    (void)state;
    for (uint32_t lost = 1; lost <= M; lost += 2) {
        AUTO_RUN run = {.count = 0};
        AUTO_RESTORING restoring = {.count = 0};
        AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
        AUTO_SHARE struct share_record record = {0};
        lose(lost - 1);
        begin(&run, 0, lost);
        blind_all(&run, lost, &restoring);
        assert_int_equal(restore_at(&run, lost, restoring.blinded, T - 1, &complaint), QUORUM);
        assert_int_equal(restore_at(&run, lost, restoring.blinded, restoring.count, &complaint),
                         OK);
        assert_int_equal(complaint->n_server, 0);
        fleet_restart(lost - 1);
        assert_int_equal(share_store_count(fleet.service[lost - 1].shares), 1);
        assert_int_equal(share_store_get(fleet.service[lost - 1].shares, "alice", &record), OK);
        assert_true(scalar_equal(&record.share->s1, &world.alice.shares[lost - 1].s1));
        assert_true(scalar_equal(&record.share->s2, &world.alice.shares[lost - 1].s2));
    }
}

/* A helper that lies in its box is named and done without; one whose word is not its own refused.
 */
static void test_lying_helpers(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_RESTORING restoring = {.count = 0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    AUTO_FORMAT Myelin__Blinded *honest = NULL;
    AUTO_FORMAT Myelin__Signed *lie = NULL;
    AUTO_BYTES struct bytes box = {0};
    uint8_t wrong[SUBSHARE_BYTES] = {0};
    (void)state;
    lose(1);
    begin(&run, 0, 2);
    blind_all(&run, 2, &restoring);
    wrong[SCALAR_BYTES - 1] = wrong[SUBSHARE_BYTES - 1] = 1;
    assert_int_equal(format_parse_blinded(format_view(restoring.blinded[0]->body), &honest), OK);
    assert_int_equal(
        sign_box_seal(fleet.identity[1].key->public_key, view_of(wrong, sizeof wrong), &box), OK);
    Myelin__Blinded altered = *honest;
    altered.box = format_bytes(bytes_view(&box));
    assert_int_equal(format_sign(fleet.identity[0].key, &altered, &lie), OK);
    Myelin__Signed *with_lie[] = {lie, restoring.blinded[1], restoring.blinded[2],
                                  restoring.blinded[3]};
    assert_int_equal(restore_at(&run, 2, with_lie, 3, &complaint), QUORUM);
    assert_non_null(strstr(error_text(), "key-1"));
    assert_int_equal(restore_at(&run, 2, with_lie, 4, &complaint), OK);
    assert_int_equal(complaint->n_server, 1);
    assert_int_equal(complaint->server[0], 1);
    restoring.blinded[1]->signature.data[3] ^= 1;
    assert_int_equal(restore_at(&run, 2, restoring.blinded, 4, &complaint), INTEGRITY);
}

/* Nobody's share is set back to an earlier generation. */
static void test_a_newer_share_stays(void **state) {
    AUTO_RUN old = {.count = 0};
    AUTO_RESTORING restoring = {.count = 0};
    AUTO_RUN run = {.count = 0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    (void)state;
    begin(&old, 0, 2);
    blind_all(&old, 2, &restoring);
    begin(&run, 7, 0);
    make_generation(&run);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&run, i), OK);
    assert_int_equal(restore_at(&old, 2, restoring.blinded, 4, &complaint), OK); /* has it */
    assert_int_equal(usable(run.generation), M);
    assert_int_equal(finish_at(&run, 1), OK);
    assert_int_equal(restore_at(&old, 2, restoring.blinded, 4, &complaint), CONFLICT);
    assert_int_equal(usable(run.generation), M);
}

/* Dealings that server 2, which says that it lost its share, had made for `dealers`. */
static void begin_set(struct run *run, uint32_t dealers[], size_t count) {
    *run = (struct run){.count = count};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(
            begin_among(&world.alice.peer, dealers[i] - 1, 0, 2, dealers, count, &run->state[i]),
            OK);
        run->dealings[i] = run->state[i]->dealing;
    }
    generation_of(run->state[0], run->generation);
}

/* What it reads of helper `i`'s share under them. */
static result read_blinded(struct run *run, unsigned i, struct scalar *out) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    AUTO_BYTES struct bytes opened = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Blinded *blinded = NULL;
    pack_offer(run, &wire);
    TRY(service_care_blind(&fleet.service[i], &world.alice.peer, bytes_view(&wire), &answer));
    assert_int_equal(format_parse_signed(bytes_view(&answer), &record), OK);
    assert_int_equal(format_parse_blinded(format_view(record->body), &blinded), OK);
    assert_int_equal(sign_box_open(fleet.service[1].signing, format_view(blinded->box), &opened),
                     OK);
    return scalar_parse("b", view_of(opened.data, SCALAR_BYTES), out);
}

/* A lost one that had the same dealings summed over several sets would compute f: the sums over the
 * four triples of four dealers less three times the sum over all four are f, without a mask. */
static void test_dealings_mask_with_one_set_only(void **state) {
    uint32_t dealers[] = {1, 3, 4, 5};
    struct scalar b;
    AUTO_RUN all = {.count = 0};
    AUTO_RUN three = {.count = 0};
    (void)state;
    begin_set(&all, dealers, 4);
    begin_set(&three, dealers, 3);
    Myelin__Signed *fourth = all.dealings[3];
    for (unsigned left_out = 0; left_out < 4; left_out++) {
        struct run part = {.count = 0};
        memcpy(part.generation, all.generation, sizeof part.generation);
        for (unsigned i = 0; i < 4; i++)
            if (i != left_out)
                part.dealings[part.count++] = all.dealings[i];
        assert_int_equal(read_blinded(&part, 0, &b), INVALID);
    }
    Myelin__Signed *own = three.dealings[0];
    three.dealings[0] = all.dealings[0]; /* one of a larger set among them */
    assert_int_equal(read_blinded(&three, 0, &b), INVALID);
    three.dealings[0] = own;
    three.dealings[three.count++] = fourth;
    assert_int_equal(read_blinded(&three, 0, &b), INVALID);
    three.count--;
    three.dealings[2] = fourth; /* as many as were announced, another one among them */
    assert_int_equal(read_blinded(&three, 0, &b), INVALID);
    assert_int_equal(read_blinded(&all, 0, &b), OK);
}

/* With dealings made for each set the same sums give something else. */
static void test_what_sets_give_together(void **state) {
    uint32_t dealers[] = {1, 3, 4, 5};
    struct scalar sum = {0}, b;
    AUTO_RUN all = {.count = 0};
    (void)state;
    begin_set(&all, dealers, 4);
    for (unsigned left_out = 0; left_out < 4; left_out++) {
        AUTO_RUN part = {.count = 0};
        uint32_t set[3];
        size_t count = 0;
        for (unsigned i = 0; i < 4; i++)
            if (i != left_out)
                set[count++] = dealers[i];
        begin_set(&part, set, count);
        assert_int_equal(read_blinded(&part, 0, &b), OK);
        scalar_add(&sum, &b, &sum);
    }
    assert_int_equal(read_blinded(&all, 0, &b), OK);
    for (unsigned i = 0; i < 3; i++)
        scalar_sub(&sum, &b, &sum);
    assert_false(scalar_equal(&sum, &world.alice.shares[0].s1));
}

static void test_who_deals_for_whom(void **state) {
    uint32_t two[] = {1, 3}, without[] = {3, 4, 5}, unknown[] = {1, 3, 6}, three[] = {1, 3, 5};
    AUTO_FORMAT Myelin__CareState *answer = NULL;
    const struct tls_peer *alice = &world.alice.peer;
    (void)state;
    assert_int_equal(begin_among(alice, 0, 0, 2, two, 2, &answer), QUORUM);
    assert_int_equal(begin_among(alice, 0, 0, 2, without, 3, &answer), INVALID);
    assert_int_equal(begin_among(alice, 0, 0, 2, unknown, 3, &answer), INVALID);
    assert_int_equal(begin_among(alice, 0, 0, 2, three, 3, &answer), OK);
}

/* Nor any of its later steps, on the manager's word. */
static void test_the_manager_replaces_nothing(void **state) {
    AUTO_RUN run = {.count = 0};
    AUTO_RESTORING restoring = {.count = 0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes answer = {0};
    struct tls_peer manager = world.mallory.peer;
    manager.role = TLS_ROLE_MANAGER;
    (void)state;
    lose(1);
    begin(&run, 0, 2);
    blind_all(&run, 2, &restoring);
    pack_offer(&run, &wire);
    assert_int_equal(service_care_check(&fleet.service[0], &manager, bytes_view(&wire), &answer),
                     DENIED);
    assert_int_equal(service_care_blind(&fleet.service[0], &manager, bytes_view(&wire), &answer),
                     DENIED);
    assert_int_equal(restore_as(&manager, &run, 2, restoring.blinded, T, &complaint), DENIED);
    assert_int_equal(restore_at(&run, 2, restoring.blinded, T, &complaint), OK);
}

#define CARE_TEST(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CARE_TEST(test_one_generation_always_works),
        CARE_TEST(test_the_old_share_is_gone),
        CARE_TEST(test_finish_needs_a_quorum),
        CARE_TEST(test_ballots),
        CARE_TEST(test_a_broken_run_is_taken_up),
        CARE_TEST(test_wrong_dealers_are_named),
        CARE_TEST(test_wrong_offers_are_refused),
        CARE_TEST(test_who_may),
        CARE_TEST(test_a_lost_share_is_made_anew),
        CARE_TEST(test_lying_helpers),
        CARE_TEST(test_a_newer_share_stays),
        CARE_TEST(test_the_manager_replaces_nothing),
        CARE_TEST(test_dealings_mask_with_one_set_only),
        CARE_TEST(test_what_sets_give_together),
        CARE_TEST(test_who_deals_for_whom),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
