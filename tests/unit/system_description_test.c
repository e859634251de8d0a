/* The system description: written, verified, refused, and taken while programs run. */
#include "system_fixture.h"

#include "base/digest.h"

#include <fcntl.h>

#include "format/hash.h"
#include "system/current.h"

static void description_survives_writing(void **state) {
    (void)state;
    AUTO_DESCRIPTION struct description loaded = {0};
    const char *copy = fixture_path("copy.myelin");
    EXPECT_OK(description_write(&fixture_description, copy));
    EXPECT_OK(description_load(copy, NULL, &loaded));
    assert_string_equal(loaded.id, fixture_description.id);
    assert_memory_equal(loaded.ca_key, fixture_description.ca_key, 32);
    assert_int_equal(description_find_storage(&loaded, "storage-2"), 1);
    assert_int_equal(description_find_storage(&loaded, "key-1"), -1);
    assert_int_equal(description_find_key(&loaded, "key-2"), 1);
    const uint8_t *second = loaded.system->key[1]->identity.data;
    assert_true(description_has_key(&loaded, "key-2", second));
    assert_false(description_has_key(&loaded, "key-1", second));
    assert_false(description_has_key(&loaded, "storage-1", second));
}

static void missing_description_says_what_to_do(void **state) {
    (void)state;
    AUTO_DESCRIPTION struct description loaded = {0};
    EXPECT(description_load(fixture_path("nothing"), NULL, &loaded), NOT_FOUND, "myelin up DIR");
    EXPECT(description_load(fixture_root, NULL, &loaded), NOT_FOUND, "system.myelin");
    fixture_says("--system");
    EXPECT(description_load("", NULL, &loaded), INVALID, "empty path");
}

/* A flip of any bit and a cut at any place is noticed. */
static void damaged_description_is_refused(void **state) {
    (void)state;
    const char *file = fixture_path("damaged.myelin");
    AUTO_BYTES struct bytes wire = fixture_read(fixture_path("system/system.myelin"));
    for (size_t i = 0; i < wire.len; i++) {
        AUTO_DESCRIPTION struct description loaded = {0};
        wire.data[i] ^= (uint8_t)(1 << (i % 8));
        EXPECT(description_parse(file, bytes_view(&wire), NULL, &loaded), INTEGRITY,
               "damaged.myelin is damaged or was altered");
        wire.data[i] ^= (uint8_t)(1 << (i % 8));
        EXPECT(description_parse(file, view_of(wire.data, i), NULL, &loaded), INTEGRITY,
               "damaged.myelin is damaged or was altered");
    }
    AUTO_DESCRIPTION struct description loaded = {0};
    EXPECT_OK(description_parse(file, bytes_view(&wire), NULL, &loaded));
    fixture_write(file, view_of(wire.data, wire.len / 2));
    AUTO_DESCRIPTION struct description again = {0};
    EXPECT(description_load(file, NULL, &again), INTEGRITY, file);
    assert_null(again.system);
}

static void oversized_description_is_refused(void **state) {
    (void)state;
    AUTO_BYTES struct bytes huge = {0};
    AUTO_DESCRIPTION struct description loaded = {0};
    EXPECT_OK(bytes_reserve(&huge, FORMAT_LIMIT_SIGNED + 1));
    memset(huge.data, 0, huge.capacity);
    fixture_write(fixture_path("huge.myelin"), view_of(huge.data, FORMAT_LIMIT_SIGNED + 1));
    EXPECT(description_load(fixture_path("huge.myelin"), NULL, &loaded), INTEGRITY, "huge.myelin");
}

/* Another manager signs the same servers into a description of his own. */
static void other_managers_are_denied(void **state) {
    (void)state;
    AUTO_CA struct ca *other = NULL;
    AUTO_DESCRIPTION struct description forged = {0};
    AUTO_DESCRIPTION struct description loaded = {0};
    struct description_trust trust;
    memcpy(trust.ca_key, fixture_description.ca_key, sizeof trust.ca_key);
    memcpy(trust.system_id, fixture_description.system->id.data, sizeof trust.system_id);
    EXPECT_OK(ca_create(fixture_path("other-manager"), trust.system_id, &other));
    EXPECT_OK(description_create(other, fixture_description.system, &forged));
    EXPECT_OK(description_write(&forged, fixture_path("forged.myelin")));
    EXPECT_OK(description_load(fixture_path("forged.myelin"), NULL, &loaded));
    description_free(&loaded);
    EXPECT(description_load(fixture_path("forged.myelin"), &trust, &loaded), DENIED,
           "another manager");
    EXPECT_OK(description_load(fixture_dir, &trust, &loaded));
    description_free(&loaded);
    trust.system_id[0] ^= 1;
    EXPECT(description_load(fixture_dir, &trust, &loaded), DENIED, "another system");
}

/* The CA certificate inside must be the signer's, a CA's, and of this system. */
static void description_needs_its_own_ca(void **state) {
    (void)state;
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_DESCRIPTION struct description loaded = {0};
    struct sign_key key;
    sign_key_random(&key);
    EXPECT_OK(
        ca_issue_server(fixture_ca, "impostor", TLS_ROLE_MANAGER, key.public_key, 0, &certificate));
    Myelin__System system = *fixture_description.system;
    system.ca_certificate = format_bytes(bytes_view(&certificate));
    EXPECT_OK(format_sign(&key, &system, &record));
    EXPECT_OK(format_pack(record, &wire));
    EXPECT(description_parse("it", bytes_view(&wire), NULL, &loaded), INTEGRITY, "not a CA's");
}

static void older_versions_are_refused(void **state) {
    (void)state;
    char folder[256];
    snprintf(folder, sizeof folder, "%s", fixture_path("home/seen"));
    AUTO_DESCRIPTION struct description newer = {0};
    Myelin__System system = *fixture_description.system;
    system.version = 7;
    EXPECT_OK(description_create(fixture_ca, &system, &newer));
    EXPECT_OK(description_check_version(&fixture_description, folder));
    EXPECT_OK(description_check_version(&newer, folder));
    EXPECT_OK(description_check_version(&newer, folder));
    EXPECT(description_check_version(&fixture_description, folder), INTEGRITY,
           "version 1, but version 7 was seen");
    char seen[128];
    snprintf(seen, sizeof seen, "home/seen/%s.seen", newer.id);
    static const char *const damaged[] = {"",
                                          "x\n",
                                          "7",
                                          "-7\n",
                                          "7\n8\n",
                                          "0\n",
                                          " 7\n",
                                          "99999999999999999999\n",
                                          "1234567890123456789012345\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        fixture_write(fixture_path(seen), view_of_string(damaged[i]));
        EXPECT_OK(description_check_version(&newer, folder)); /* counts as none, and is replaced */
        EXPECT(description_check_version(&fixture_description, folder), INTEGRITY,
               "version 1, but version 7 was seen");
    }
}

/* Two of one number: whoever has one keeps it, and says so. */
static void two_of_one_number_are_told_apart(void **state) {
    (void)state;
    char folder[256], given[256], seen[128], old[160];
    snprintf(folder, sizeof folder, "%s", fixture_path("forked"));
    snprintf(given, sizeof given, "%s", fixture_path("fork.myelin"));
    AUTO_DESCRIPTION struct description first = {0};
    AUTO_DESCRIPTION struct description second = {0};
    AUTO_DESCRIPTION struct description loaded = {0};
    AUTO_DESCRIPTION struct description higher = {0};
    Myelin__System system = *fixture_description.system;
    system.version = 7;
    EXPECT_OK(description_create(fixture_ca, &system, &first));
    system.t = 1;
    EXPECT_OK(description_create(fixture_ca, &system, &second));
    system.version = 8;
    EXPECT_OK(description_create(fixture_ca, &system, &higher));
    assert_true(first.mark != 0 && second.mark != 0 && first.mark != second.mark);
    EXPECT(description_check_next(&first, &second), INTEGRITY, "signed two");
    EXPECT(description_check_next(&first, &first), CONFLICT, "no newer");
    EXPECT_OK(description_check_next(&second, &higher));
    EXPECT_OK(description_check_version(&first, folder));
    EXPECT(description_check_version(&second, folder), INTEGRITY, "another than the version 7");
    EXPECT_OK(description_check_version(&first, folder));
    /* Started with the other one: the one that it kept stays; without that, it is refused. */
    EXPECT_OK(description_write(&second, given));
    EXPECT(description_load_newest(given, folder, NULL, &loaded), INTEGRITY, "signed two");
    EXPECT_OK(description_keep(&first, folder));
    EXPECT_OK(description_keep(&second, folder)); /* changes nothing */
    EXPECT_OK(description_load_newest(given, folder, NULL, &loaded));
    assert_true(loaded.mark == first.mark);
    /* A file from before there were marks takes the first that comes. */
    uint8_t digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    digest_sha256(view_of_string("7"), digest);
    hex_encode(view_of(digest, sizeof digest), hex);
    snprintf(old, sizeof old, "7 %s\n", hex);
    snprintf(seen, sizeof seen, "forked/%s.seen", first.id);
    fixture_write(fixture_path(seen), view_of_string(old));
    EXPECT(description_check_version(&fixture_description, folder), INTEGRITY,
           "version 7 was seen");
    EXPECT_OK(description_check_version(&second, folder));
    EXPECT(description_check_version(&first, folder), INTEGRITY, "signed two");
    EXPECT_OK(description_check_version(&higher, folder));
}

static void next_versions_keep_what_images_need(void **state) {
    (void)state;
    AUTO_DESCRIPTION struct description next = {0};
    AUTO_DESCRIPTION struct description other = {0};
    Myelin__System system = *fixture_description.system;
    system.version = 2;
    system.n = 3;
    EXPECT_OK(description_create(fixture_ca, &system, &next));
    EXPECT_OK(description_check_next(&fixture_description, &next));
    EXPECT(description_check_next(&next, &next), CONFLICT, "version 2 of the system description");
    EXPECT(description_check_next(&next, &fixture_description), CONFLICT,
           "no newer than version 2");
    EXPECT_OK(local_create(fixture_path("other"), 3, 2, 2, 2));
    EXPECT_OK(description_load(fixture_path("other"), NULL, &other));
    EXPECT(description_check_next(&other, &next), DENIED, "another system");

    const struct {
        unsigned k, n, keys;
        bool swap;
        const char *text;
    } wrong[] = {{1, 3, 2, false, "changes k or n"},
                 {2, 2, 2, false, "changes k or n"},
                 {2, 3, 1, false, "1 key servers, expected 2"},
                 {2, 3, 2, true, "key-2 in the place of key server key-1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        AUTO_DESCRIPTION struct description bad = {0};
        Myelin__Server *swapped[] = {system.key[1], system.key[0]};
        Myelin__System changed = system;
        changed.k = wrong[i].k;
        changed.n = wrong[i].n;
        changed.n_key = wrong[i].keys;
        changed.t = 1;
        changed.key = wrong[i].swap ? swapped : system.key;
        EXPECT_OK(description_create(fixture_ca, &changed, &bad));
        EXPECT(description_check_next(&fixture_description, &bad), INVALID, wrong[i].text);
    }
}

static void the_newest_version_at_hand_counts(void **state) {
    (void)state;
    char folder[256], given[256], kept[512];
    snprintf(folder, sizeof folder, "%s", fixture_path("newest"));
    snprintf(given, sizeof given, "%s", fixture_path("given.myelin"));
    snprintf(kept, sizeof kept, "%s/%s.system", folder, fixture_description.id);
    AUTO_DESCRIPTION struct description second = {0};
    AUTO_DESCRIPTION struct description third = {0};
    Myelin__System system = *fixture_description.system;
    system.version = 2;
    EXPECT_OK(description_create(fixture_ca, &system, &second));
    system.version = 3;
    EXPECT_OK(description_create(fixture_ca, &system, &third));
    EXPECT_OK(description_write(&fixture_description, given));
    EXPECT_OK(description_keep(&third, folder));
    EXPECT_OK(description_keep(&second, folder)); /* changes nothing */
    AUTO_DESCRIPTION struct description loaded = {0};
    EXPECT_OK(description_load_newest(given, folder, NULL, &loaded));
    assert_int_equal(loaded.system->version, 3);
    fixture_write(kept, view_of_string("nonsense"));
    AUTO_DESCRIPTION struct description rolled_back = {0};
    EXPECT(description_load_newest(given, folder, NULL, &rolled_back), INTEGRITY,
           "version 1, but version 3 was seen");
}

static void count_change(void *context, const struct description *description) {
    *(uint64_t *)context += description->system->version;
}

static void a_running_program_takes_newer_versions(void **state) {
    (void)state;
    char folder[256];
    uint64_t changes = 0;
    snprintf(folder, sizeof folder, "%s", fixture_path("running"));
    AUTO_DESCRIPTION struct description first = {0};
    AUTO_DESCRIPTION struct description next = {0};
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes old_wire = {0};
    AUTO_BYTES struct bytes told = {0};
    AUTO_CURRENT struct current *current = NULL;
    Myelin__System system = *fixture_description.system;
    system.version = 9;
    EXPECT_OK(description_create(fixture_ca, &system, &next));
    EXPECT_OK(format_pack(next.record, &wire));
    EXPECT_OK(format_pack(fixture_description.record, &old_wire));
    EXPECT_OK(description_load(fixture_dir, NULL, &first));
    EXPECT_OK(current_new(&first, folder, &current));
    current_on_change(current, count_change, &changes);
    const struct description *before = current_now(current);
    EXPECT(current_take(current, "a peer", bytes_view(&old_wire)), CONFLICT, "no newer");
    wire.data[wire.len / 2] ^= 1;
    EXPECT(current_take(current, "a peer", bytes_view(&wire)), INTEGRITY, "a peer is damaged");
    wire.data[wire.len / 2] ^= 1;
    assert_int_equal(current_version(current), 1);
    assert_int_equal(changes, 0);
    EXPECT_OK(current_take(current, "a peer", bytes_view(&wire)));
    assert_int_equal(current_version(current), 9);
    assert_int_equal(changes, 9);
    assert_int_equal(before->system->version, 1); /* whoever still works by it may */
    EXPECT_OK(current_record(current, &told));
    assert_true(view_equal(bytes_view(&told), bytes_view(&wire)));
    EXPECT(current_take(current, "a peer", bytes_view(&wire)), CONFLICT, "no newer");
    AUTO_DESCRIPTION struct description again = {0};
    EXPECT_OK(description_load_newest(fixture_dir, folder, NULL, &again));
    assert_int_equal(again.system->version, 9);
}

static void descriptions_keep_the_rules(void **state) {
    (void)state;
    AUTO_DESCRIPTION struct description broken = {0};
    Myelin__System system = *fixture_description.system;
    system.k = 4;
    EXPECT(description_create(fixture_ca, &system, &broken), INVALID, "k: 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(description_survives_writing),
        cmocka_unit_test(missing_description_says_what_to_do),
        cmocka_unit_test(damaged_description_is_refused),
        cmocka_unit_test(oversized_description_is_refused),
        cmocka_unit_test(other_managers_are_denied),
        cmocka_unit_test(description_needs_its_own_ca),
        cmocka_unit_test(older_versions_are_refused),
        cmocka_unit_test(two_of_one_number_are_told_apart),
        cmocka_unit_test(next_versions_keep_what_images_need),
        cmocka_unit_test(the_newest_version_at_hand_counts),
        cmocka_unit_test(a_running_program_takes_newer_versions),
        cmocka_unit_test(descriptions_keep_the_rules),
    };
    return cmocka_run_group_tests_name("system/description", tests, fixture_start, fixture_stop);
}
