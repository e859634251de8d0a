/* A key server's routes without HTTP before them: who may open what. */
#include "key_service.h"

#include "format/hash.h"

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
        int server = description_find_storage(&world.description, served->server);
        const uint8_t *identity = world.storage[server].identity.key->public_key;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_owner_opens),
        SERVICE_TEST(test_recipient_opens),
        SERVICE_TEST(test_strangers_open_nothing),
        SERVICE_TEST(test_fan_out_bounds),
        SERVICE_TEST(test_servers_are_drawn_anew),
        SERVICE_TEST(test_symbols_are_signed),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
