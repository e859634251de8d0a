/* The manager's changes: what each makes of the description, and what they refuse. */
#include "system_fixture.h"

#include "system/change.h"
#include "system/placement.h"

/* The fixture's system: three storage servers, three slots, two needed. */
static struct description now;

static int start(void **state) {
    (void)state;
    return description_load(fixture_dir, NULL, &now) == OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    description_free(&now);
    return 0;
}

static struct change_server server_of(const char *name) {
    struct change_server server = {.name = name, .address = "127.0.0.1:4000", .domain = ""};
    memset(server.identity, name[strlen(name) - 1], sizeof server.identity);
    return server;
}

/* What the change makes takes the place of `now`. */
static void sign(struct change *change) {
    struct description next = {0};
    EXPECT_OK(change_sign(change, fixture_ca, &next));
    description_free(&now);
    now = next;
}

static void add(const char *name) {
    struct change change;
    struct change_server server = server_of(name);
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_add_storage(&change, &server));
    sign(&change);
}

static void settle(void) {
    struct change change;
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_settle(&change));
    sign(&change);
}

/* How many slots of 200 images a server has. */
static unsigned load_of(const char *name) {
    const char *servers[FORMAT_SERVERS_MAX];
    uint8_t image[FORMAT_HASH_BYTES] = {0};
    unsigned load = 0;
    for (unsigned i = 0; i < 200; i++) {
        store_be32(image, i);
        unsigned n = placement_slots_by_id(&now, image, servers);
        for (unsigned slot = 0; slot < n; slot++)
            load += strcmp(servers[slot], name) == 0;
    }
    return load;
}

static void a_server_is_added(void **state) {
    (void)state;
    add("storage-4");
    assert_int_equal(now.system->version, 2);
    assert_int_equal(now.system->n, 3);
    assert_int_equal(now.system->n_storage, 4);
    assert_int_equal(now.system->n_seat, 4);
    assert_int_equal(now.system->seat[0]->came, 1);
    assert_int_equal(now.system->seat[3]->came, 2);
    assert_int_equal(now.system->previous->version, 1);
    assert_int_equal(now.system->previous->n_storage, 3);
    assert_in_range(load_of("storage-4"), 120, 180); /* 150 */
}

static void one_change_at_a_time(void **state) {
    (void)state;
    struct change change;
    struct change_server fifth = server_of("storage-5");
    add("storage-4");
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_add_storage(&change, &fifth), CONFLICT, "on their way since version 2");
    EXPECT_OK(change_begin(&now, true, &change));
    EXPECT_OK(change_add_storage(&change, &fifth));
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_add_key(&change, &fifth)); /* moves no slot */
    sign(&change);
    assert_non_null(now.system->previous);
    settle();
    assert_null(now.system->previous);
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_settle(&change), CONFLICT, "is settled");
}

static void a_server_is_drained_and_removed(void **state) {
    (void)state;
    struct change change;
    add("storage-4");
    settle();
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_remove(&change, "storage-2"), CONFLICT, "drain storage-2");
    EXPECT(change_drain(&change, "storage-9"), NOT_FOUND, "storage-9");
    EXPECT_OK(change_drain(&change, "storage-2"));
    sign(&change);
    assert_int_equal(load_of("storage-2"), 0);
    settle();
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_drain(&change, "storage-2"), CONFLICT, "draining already");
    EXPECT(change_drain(&change, "storage-1"), INVALID, "2 active storage servers");
    EXPECT(change_weight(&change, "storage-2", 50), CONFLICT, "draining");
    EXPECT_OK(change_remove(&change, "storage-2"));
    sign(&change);
    assert_int_equal(now.system->n_storage, 3);
    assert_null(now.system->previous); /* nothing moved by it */
    assert_int_equal(now.system->n_seat, 4);
}

static void a_drained_server_comes_back(void **state) {
    (void)state;
    struct change change;
    add("storage-4");
    settle();
    unsigned before = load_of("storage-2");
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_activate(&change, "storage-2"), CONFLICT, "active already");
    EXPECT_OK(change_drain(&change, "storage-2"));
    sign(&change);
    settle();
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_activate(&change, "storage-2"));
    sign(&change);
    assert_int_equal(load_of("storage-2"), before);
}

static void a_replacement_has_the_seat(void **state) {
    (void)state;
    struct change change;
    struct change_server heir = server_of("storage-8");
    unsigned before = load_of("storage-3");
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_replace(&change, "storage-3", &heir));
    memset(&heir.identity, 0x77, sizeof heir.identity); /* borrowed until it is signed */
    sign(&change);
    assert_int_equal(now.system->storage[2]->identity.data[5], 0x77);
    assert_int_equal(load_of("storage-8"), before);
    assert_string_equal(now.system->seat[2]->label, "storage-3");
    assert_null(strstr(now.system->storage[2]->name, "storage-3"));
    assert_true(description_has_storage(&now, "storage-3",
                                        now.system->previous->storage[2]->identity.data));
    const Myelin__Server *all[FORMAT_SERVERS_MAX];
    assert_int_equal(description_storage(&now, all), 4); /* it still has its slots */
    assert_string_equal(all[3]->name, "storage-3");
}

static void a_weight_is_changed(void **state) {
    (void)state;
    struct change change;
    add("storage-4");
    settle();
    unsigned before = load_of("storage-1");
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT(change_weight(&change, "storage-1", 0), INVALID, "weight 0");
    EXPECT(change_weight(&change, "storage-1", 20000), INVALID, "weight 20000");
    EXPECT_OK(change_weight(&change, "storage-1", 20));
    sign(&change);
    assert_true(load_of("storage-1") < before / 2);
    settle();
    EXPECT_OK(change_begin(&now, false, &change));
    EXPECT_OK(change_weight(&change, "storage-1", 100));
    sign(&change);
    assert_int_equal(load_of("storage-1"), before);
}

static void a_dead_server_goes_by_force(void **state) {
    (void)state;
    struct change change;
    EXPECT_OK(change_begin(&now, true, &change));
    EXPECT(change_remove(&change, "storage-1"), INVALID, "2 active storage servers");
    add("storage-4");
    EXPECT_OK(change_begin(&now, true, &change));
    EXPECT_OK(change_remove(&change, "storage-1"));
    sign(&change);
    assert_int_equal(load_of("storage-1"), 0);
    assert_int_equal(now.system->previous->version, 2);
}

static void bad_servers_are_refused(void **state) {
    (void)state;
    struct change change;
    struct change_server server = server_of("storage-4");
    EXPECT_OK(change_begin(&now, false, &change));
    server.name = "Storage";
    EXPECT(change_add_storage(&change, &server), INVALID, "is not a name");
    server.name = "key-1";
    EXPECT(change_add_storage(&change, &server), CONFLICT, "already");
    server.name = "storage-4";
    server.address = "nowhere";
    EXPECT(change_add_storage(&change, &server), INVALID, "HOST:PORT");
    server.address = "h:1";
    server.domain = "No Name";
    EXPECT(change_add_storage(&change, &server), INVALID, "domain");
    server.domain = "";
    server.weight = 10001;
    EXPECT(change_add_storage(&change, &server), INVALID, "weight 10001");
}

/* The history of seats has an end, and says so. */
static void seats_are_bounded(void **state) {
    (void)state;
    struct change change;
    add("storage-4");
    settle();
    for (unsigned i = now.system->n_seat < 4 ? 0 : (unsigned)now.system->n_seat;
         i < FORMAT_SEATS_MAX; i++) {
        EXPECT_OK(change_begin(&now, true, &change));
        EXPECT_OK(change_weight(&change, "storage-1", 1 + i % 200));
        sign(&change);
    }
    EXPECT_OK(change_begin(&now, true, &change));
    EXPECT(change_weight(&change, "storage-1", 7), INVALID, "no more fit");
    EXPECT_OK(change_drain(&change, "storage-2"));
    assert_true(load_of("storage-3") > 0);
}

#define CHANGE_TEST(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CHANGE_TEST(a_server_is_added),
        CHANGE_TEST(one_change_at_a_time),
        CHANGE_TEST(a_server_is_drained_and_removed),
        CHANGE_TEST(a_drained_server_comes_back),
        CHANGE_TEST(a_replacement_has_the_seat),
        CHANGE_TEST(a_weight_is_changed),
        CHANGE_TEST(a_dead_server_goes_by_force),
        CHANGE_TEST(bad_servers_are_refused),
        CHANGE_TEST(seats_are_bounded),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
