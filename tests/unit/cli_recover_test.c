/* A re-encryption key by KeyRecover though key servers lie, refuse or hang: the right one or a
 * clear no, and names. */
#include "cli_liars.h"

#include "flow/forward_recover.h"

static int all_honest(void **state) {
    (void)state;
    for (unsigned i = 0; i < M; i++)
        world.keys[i].lie = HONEST;
    return 0;
}

struct lines {
    char text[2048];
};

static void take_line(void *context, const char *line) {
    struct lines *lines = context;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%s\n", line);
}

/* rk1^(1/a2_B) = rk2 tau^a1: what the recipient's key servers use of it opens the image. */
static void assert_opens(const struct rekey *rekey) {
    AUTO_SCALAR struct scalar inverse = {0};
    struct g2 left, right;
    scalar_inverse(&world.bob.secret->a2, &inverse);
    g2_exp(&rekey->rk1, &inverse, &left);
    g2_exp(&world.image.tau, &world.alice.secret->a1, &right);
    g2_mul(&right, &rekey->rk2, &right);
    assert_true(g2_equal(&left, &right));
}

/* Alice recovers her key to forward to bob; what comes out must be right. */
static result recover(struct lines *out_warnings) {
    struct session *session = world.alice.session;
    const struct session_user *bob = NULL;
    struct rekey rekey = {0};
    uint64_t bytes = 0;
    session_take_warnings(session, take_line, out_warnings); /* of the tests before */
    *out_warnings = (struct lines){0};
    assert_int_equal(session_find_user(session, "bob", &bob), OK);
    result recovered = forward_recover(session, &world.image, "scan", bob, &rekey, &bytes);
    if (recovered == OK) {
        assert_opens(&rekey);
        assert_true(bytes > 0);
    }
    session_take_warnings(session, take_line, out_warnings);
    return recovered;
}

static void honest_servers_recover_in_silence(void **state) {
    (void)state;
    struct lines warnings = {0};
    assert_int_equal(recover(&warnings), OK);
    assert_string_equal(warnings.text, "");
}

/* The liars alone are named, whatever the lie. */
static void assert_names(const struct lines *warnings, const char *says) {
    char name[16];
    for (unsigned i = 0; i < M; i++) {
        snprintf(name, sizeof name, "key-%u:", i + 1);
        const char *named = strstr(warnings->text, name);
        if ((named != NULL) != (world.keys[i].lie != HONEST))
            fail_msg("%s %s", name, warnings->text);
    }
    assert_non_null(strstr(warnings->text, says));
}

static void up_to_m_minus_t_liars_are_named_and_done_without(void **state) {
    const struct {
        enum lie lie;
        const char *says;
    } lies[] = {{WRONG_SHARE, "the key share that it gave is wrong"},
                {OTHERS_BOX, "a sealed box does not open"},
                {OTHER_INDEX, "it answers as key server"},
                {REFUSES, "not to you"}};
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        for (unsigned liar = 0; liar < M; liar++) {
            struct lines warnings = {0};
            all_honest(NULL);
            world.keys[liar].lie = world.keys[(liar + 1) % M].lie = lies[i].lie;
            assert_int_equal(recover(&warnings), OK);
            assert_names(&warnings, lies[i].says);
        }
}

static void too_many_liars_leave_nothing(void **state) {
    struct lines warnings = {0};
    (void)state;
    for (unsigned i = 0; i < M - T + 1; i++)
        world.keys[i].lie = WRONG_SHARE;
    assert_int_equal(recover(&warnings), QUORUM);
    assert_non_null(strstr(error_text(), "1 of the 2 key servers needed gave a right share"));
    assert_names(&warnings, "the key share that it gave is wrong");
    for (unsigned i = 0; i < M - T + 1; i++)
        world.keys[i].lie = REFUSES;
    assert_int_equal(recover(&warnings), DENIED);
}

static void one_that_hangs_is_not_waited_for(void **state) {
    struct lines warnings = {0};
    (void)state;
    world.keys[2].lie = HANGS;
    assert_int_equal(recover(&warnings), OK);
    assert_names(&warnings, "no answer in time");
}

/* What the session was told of the user is of before the resharing: it asks again. */
static void a_resharing_is_found_out(void **state) {
    struct lines warnings = {0};
    const struct session_user *before = NULL, *after = NULL;
    (void)state;
    assert_int_equal(session_find_user(world.alice.session, "alice", &before), OK);
    for (unsigned t = 1; t <= M; t++) {
        AUTO_SECRET struct key_share *shares = NULL;
        AUTO_COMMITMENTS struct share_commitments commitments = {0};
        assert_int_equal(secret_new(M * sizeof *shares, (void **)&shares), OK);
        assert_int_equal(share_keygen(world.alice.secret, t, M, shares, &commitments), OK);
        swap_shares(&world.alice, &shares, &commitments);
        result recovered = recover(&warnings);
        swap_shares(&world.alice, &shares, &commitments);
        assert_int_equal(recovered, OK);
        assert_string_equal(warnings.text, "");
        assert_int_equal(session_find_user(world.alice.session, "alice", &after), OK);
        assert_int_equal(after->shares.commitments.t, t);
    }
    assert_int_equal(before->shares.commitments.t, T); /* whoever holds it still can */
    assert_int_equal(recover(&warnings), OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(honest_servers_recover_in_silence, all_honest),
        cmocka_unit_test_setup(up_to_m_minus_t_liars_are_named_and_done_without, all_honest),
        cmocka_unit_test_setup(too_many_liars_leave_nothing, all_honest),
        cmocka_unit_test_setup(one_that_hangs_is_not_waited_for, all_honest),
        cmocka_unit_test_setup(a_resharing_is_found_out, all_honest),
    };
    return cmocka_run_group_tests(tests, start_world, end_world);
}
