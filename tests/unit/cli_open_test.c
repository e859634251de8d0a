/* Opening an envelope though key servers lie, refuse or hang: the key or a clear no, and names. */
#include "cli_liars.h"

#include "base/clock.h"

/* ------------------------------------------------------------------ helpers */

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

/* Opens the image as its owner or its recipient; the key, where there is one, must be the right
 * one. */
static result open_as(struct person *person, struct lines *out_warnings) {
    struct image image = world.image; /* borrows */
    image.is_own = person == &world.alice;
    if (!image.is_own)
        assert_int_equal(session_find_user(person->session, "alice", &image.owner), OK);
    AUTO_SECRET struct content_key_secret *key = NULL;
    *out_warnings = (struct lines){0};
    session_take_warnings(person->session, take_line, out_warnings); /* of the tests before */
    *out_warnings = (struct lines){0};
    result opened = flow_open_envelope(person->session, &image, &key);
    if (opened == OK)
        assert_memory_equal(key->bytes, world.content_key->bytes, CONTENT_KEY_BYTES);
    else
        assert_null(key);
    session_take_warnings(person->session, take_line, out_warnings);
    return opened;
}

static struct person *const people[] = {&world.alice, &world.bob};

#define FOR_BOTH(person)                                                                           \
    for (struct person *const *at_ = people, *person; at_ < people + 2 && (person = *at_); at_++)

/* ------------------------------------------------------------------ tests */

/* Openings go on; the one whose log is in doubt is named, and nobody else. */
static void logs_in_doubt_are_named(void **state) {
    (void)state;
    static const struct {
        enum lie lie;
        const char *words;
    } cases[] = {
        {NO_HEAD, "does not sign the head"},
        {OLD_HEAD, "entries are gone"},
        {FOREIGN_HEAD, "head of its access log"},
    };
    struct lines warnings;
    assert_int_equal(open_as(&world.alice, &warnings), OK);
    assert_int_equal(open_as(&world.alice, &warnings), OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world.keys[1].lie = cases[i].lie;
        assert_int_equal(open_as(&world.alice, &warnings), OK);
        world.keys[1].lie = HONEST;
        assert_non_null(strstr(warnings.text, "key-2"));
        assert_non_null(strstr(warnings.text, cases[i].words));
        assert_null(strstr(warnings.text, "key-1"));
    }
    assert_int_equal(open_as(&world.alice, &warnings), OK);
    assert_string_equal(warnings.text, "");
}

/* What a session of alice's says whose certificate lasts `days` from now. */
static void renewed_says(unsigned days, struct lines *out) {
    char manager[PATH_MAX];
    AUTO_CA struct ca *ca = NULL;
    AUTO_KEYSTORE struct keystore keystore = {0};
    struct person again = {0};
    const struct session *session = world.alice.session;
    assert_int_equal(local_manager_path(world.dir, manager, sizeof manager), OK);
    assert_int_equal(ca_load(manager, &ca), OK);
    assert_int_equal(
        ca_renew_user(ca, bytes_view(&world.alice.certificate), days, &keystore.certificate), OK);
    assert_int_equal(secret_new(sizeof *keystore.secrets, (void **)&keystore.secrets), OK);
    *keystore.secrets = *session->keystore.secrets;
    snprintf(keystore.user, sizeof keystore.user, "alice");
    open_session_of(&again, &keystore);
    *out = (struct lines){0};
    session_take_warnings(again.session, take_line, out);
    session_close(again.session);
}

static void the_last_days_of_a_certificate(void **state) {
    (void)state;
    struct lines warnings;
    renewed_says(29, &warnings);
    assert_non_null(strstr(warnings.text, "the certificate of alice expires on 20"));
    assert_non_null(strstr(warnings.text, "myelin enroll alice --renew"));
    renewed_says(31, &warnings);
    assert_string_equal(warnings.text, "");
}

static void honest_servers_open_in_silence(void **state) {
    (void)state;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_string_equal(warnings.text, "");
    }
}

static void a_wrong_partial_is_named(void **state) {
    (void)state;
    world.keys[0].lie = WRONG_PARTIAL;
    world.keys[2].lie = WRONG_PARTIAL;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "key-1: its partial is wrong"));
        assert_non_null(strstr(warnings.text, "key-3: its partial is wrong"));
        assert_null(strstr(warnings.text, "key-2"));
        assert_null(strstr(warnings.text, "key-4"));
    }
}

static void made_up_commitments_do_not_help_a_liar(void **state) {
    (void)state;
    world.keys[0].lie = OWN_COMMITMENTS;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "key-1: its partial is wrong"));
        assert_non_null(strstr(warnings.text, "key-1: its entry of user"));
        assert_null(strstr(warnings.text, "key-2"));
    }
}

static void too_few_right_partials(void **state) {
    (void)state;
    for (unsigned i = 0; i < M - T + 1; i++)
        world.keys[i].lie = WRONG_PARTIAL;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), QUORUM);
        assert_non_null(strstr(error_text(), "1 of the 2 key servers"));
    }
}

static void altered_symbols_are_traced(void **state) {
    (void)state;
    world.keys[0].lie = ALTERED_SYMBOLS;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "key-1: passed on"));
        assert_null(strstr(warnings.text, "key-2"));
        assert_null(strstr(warnings.text, "storage-2:"));
    }
    for (unsigned i = 0; i < M; i++)
        world.keys[i].lie = LYING_STORAGE;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "storage-1: its envelope symbol is not what alice"));
        assert_non_null(strstr(warnings.text, "storage-2: its envelope symbol is not what alice"));
        assert_null(strstr(warnings.text, "storage-3"));
        assert_null(strstr(warnings.text, "key-"));
    }
}

/* Then either of two may have lied, and nobody else. */
static void who_lies_until_proofs_are_asked_for_is_one_of_two(void **state) {
    (void)state;
    world.keys[0].lie = ALTERED_AT_FIRST;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "storage-1 or key-1: "));
        assert_non_null(strstr(warnings.text, "storage-2 or key-1: "));
        assert_null(strstr(warnings.text, "storage-3"));
        assert_null(strstr(warnings.text, "key-2"));
    }
}

static void too_few_symbols(void **state) {
    (void)state;
    for (unsigned i = 0; i < M; i++)
        world.keys[i].lie = FEW_SYMBOLS;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), QUORUM);
        assert_non_null(strstr(error_text(), "1 of the 2 storage servers"));
        assert_non_null(strstr(error_text(), "storage-2 storage-3 storage-4"));
    }
}

static void another_servers_index_is_refused(void **state) {
    (void)state;
    world.keys[0].lie = OTHER_INDEX;
    FOR_BOTH(person) {
        struct lines warnings;
        assert_int_equal(open_as(person, &warnings), OK);
        assert_non_null(strstr(warnings.text, "key-1"));
    }
}

static void a_forged_forward_is_refused(void **state) {
    (void)state;
    struct lines warnings;
    world.keys[1].lie = FORGED_FORWARD;
    assert_int_equal(open_as(&world.bob, &warnings), OK);
    assert_non_null(strstr(warnings.text, "key-2"));
    for (unsigned i = 0; i < M; i++)
        world.keys[i].lie = FORGED_FORWARD;
    assert_int_equal(open_as(&world.bob, &warnings), QUORUM);
}

static void refusals_are_handed_on(void **state) {
    (void)state;
    static const struct {
        enum lie lie;
        result expected;
    } cases[] = {{HAS_NONE, NOT_FOUND}, {REFUSES, DENIED}};
    for (size_t i = 0; i < 2; i++)
        FOR_BOTH(person) {
            struct lines warnings;
            for (unsigned j = 0; j < M; j++)
                world.keys[j].lie = (int)cases[i].lie;
            assert_int_equal(open_as(person, &warnings), cases[i].expected);
            world.keys[0].lie = HONEST; /* one honest server more changes nothing */
            assert_int_equal(open_as(person, &warnings), cases[i].expected);
            world.keys[3].lie = HONEST; /* but t of them do */
            assert_int_equal(open_as(person, &warnings), OK);
        }
}

static void a_hung_server_is_done_without(void **state) {
    (void)state;
    world.keys[3].lie = HANGS;
    FOR_BOTH(person) {
        struct lines warnings;
        uint64_t start = clock_ms();
        assert_int_equal(open_as(person, &warnings), OK);
        assert_true(clock_ms() - start < 3000);
        assert_non_null(strstr(warnings.text, "key-4: no answer in time"));
    }
}

static void a_cancelled_session_opens_nothing(void **state) {
    (void)state;
    struct lines warnings;
    session_cancel(world.alice.session);
    assert_int_equal(open_as(&world.alice, &warnings), INTERNAL);
    assert_string_equal(error_text(), "interrupted");
}

/* The t of the answers counts, whatever the system's is. */
static void a_resharing_is_found_out(void **state) {
    (void)state;
    for (unsigned t = 1; t <= M; t++) {
        struct lines warnings = {0};
        AUTO_SECRET struct key_share *shares = NULL;
        AUTO_COMMITMENTS struct share_commitments commitments = {0};
        assert_int_equal(secret_new(M * sizeof *shares, (void **)&shares), OK);
        assert_int_equal(share_keygen(world.alice.secret, t, M, shares, &commitments), OK);
        swap_shares(&world.alice, &shares, &commitments);
        result opened = open_as(&world.alice, &warnings);
        swap_shares(&world.alice, &shares, &commitments);
        assert_int_equal(opened, OK);
        assert_string_equal(warnings.text, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_days_of_a_certificate),
        cmocka_unit_test_setup(honest_servers_open_in_silence, all_honest),
        /* Before any other that looks at commitments, which a session does once. */
        cmocka_unit_test_setup(made_up_commitments_do_not_help_a_liar, all_honest),
        cmocka_unit_test_setup(logs_in_doubt_are_named, all_honest),
        cmocka_unit_test_setup(a_wrong_partial_is_named, all_honest),
        cmocka_unit_test_setup(too_few_right_partials, all_honest),
        cmocka_unit_test_setup(altered_symbols_are_traced, all_honest),
        cmocka_unit_test_setup(who_lies_until_proofs_are_asked_for_is_one_of_two, all_honest),
        cmocka_unit_test_setup(too_few_symbols, all_honest),
        cmocka_unit_test_setup(another_servers_index_is_refused, all_honest),
        cmocka_unit_test_setup(a_forged_forward_is_refused, all_honest),
        cmocka_unit_test_setup(refusals_are_handed_on, all_honest),
        cmocka_unit_test_setup(a_hung_server_is_done_without, all_honest),
        cmocka_unit_test_setup(a_resharing_is_found_out, all_honest),
        /* The last of alice's session. */
        cmocka_unit_test_setup(a_cancelled_session_opens_nothing, all_honest),
    };
    return cmocka_run_group_tests(tests, start_world, end_world);
}
