/* A share made anew by four key servers for a fifth that lost its own, and what liars do to it. */
#include "key_care.h"

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

static void swap_with_alice(struct person *person) {
    struct person before = world.alice;
    world.alice = *person;
    *person = before;
}

/* A certificate in alice's name for another key, with shares of that key's own, of a later
 * generation, at all other key servers: hers stays. */
static void test_a_namesake_replaces_nothing(void **state) {
    static struct person namesake;
    AUTO_RUN refresh = {.count = 0};
    AUTO_RUN run = {.count = 0};
    AUTO_RESTORING restoring = {.count = 0};
    AUTO_FORMAT Myelin__CareComplaint *complaint = NULL;
    AUTO_SHARE struct share_record record = {0};
    (void)state;
    assert_int_equal(ca_withdraw(world.ca, "alice"), OK);
    person_make("alice", &namesake);
    swap_with_alice(&namesake);
    for (unsigned i = 0; i < M; i++) {
        lose(i);
        enrol_at(i, &world.alice);
    }
    begin(&refresh, 7, 0);
    make_generation(&refresh);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(accept_at(&refresh, i), OK);
    for (unsigned i = 0; i < M; i++)
        assert_int_equal(finish_at(&refresh, i), OK);
    lose(1);
    enrol_at(1, &namesake); /* the real one */
    begin(&run, 0, 2);
    blind_all(&run, 2, &restoring);
    assert_int_equal(restore_at(&run, 2, restoring.blinded, restoring.count, &complaint), DENIED);
    swap_with_alice(&namesake);
    assert_int_equal(share_store_get(fleet.service[1].shares, "alice", &record), OK);
    assert_true(scalar_equal(&record.share->s1, &world.alice.shares[1].s1));
    person_free(&namesake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CARE_TEST(test_a_lost_share_is_made_anew),
        CARE_TEST(test_lying_helpers),
        CARE_TEST(test_a_newer_share_stays),
        CARE_TEST(test_dealings_mask_with_one_set_only),
        CARE_TEST(test_what_sets_give_together),
        CARE_TEST(test_who_deals_for_whom),
        CARE_TEST(test_the_manager_replaces_nothing),
        CARE_TEST(test_a_namesake_replaces_nothing),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
