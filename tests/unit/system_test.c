/* The description, the manager's CA, directory entries, and the making of a local system. */
#include "system_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "format/hash.h"
#include "system/current.h"

/* ------------------------------------------------------------------ a local system */

static void local_system_is_whole(void **state) {
    (void)state;
    const Myelin__System *system = fixture_description.system;
    assert_int_equal(system->n_storage, 3);
    assert_int_equal(system->n_key, 2);
    assert_int_equal(system->k, 2);
    assert_int_equal(system->t, 2);
    assert_int_equal(system->version, 1);
    assert_string_equal(system->storage[2]->name, "storage-3");
    assert_string_equal(system->key[0]->name, "key-1");
    static const char *const files[] = {
        "system/system.myelin",
        "system/manager/ca.crt.pem",
        "system/manager/ca.key.pem",
        "system/manager/issued/storage-1.pem",
        "system/config/storage-1/certificate.pem",
        "system/config/storage-1/key.pem",
        "system/config/key-2/certificate.pem",
        "system/config/key-2/key.pem",
        "system/config/key-2/seal.key",
        "system/storage-3",
        "system/key-2",
        "system/run",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(fixture_path(files[i]), F_OK) != 0)
            fail_msg("missing: %s", files[i]);
    assert_int_not_equal(access(fixture_path("system/.creating"), F_OK), 0);
    struct stat status;
    assert_int_equal(stat(fixture_path("system/config/key-2/seal.key"), &status), 0);
    assert_int_equal(status.st_size, LOCAL_SEAL_KEY_BYTES);
    static const char *const secrets[] = {"system/manager/ca.key.pem",
                                          "system/config/storage-1/key.pem",
                                          "system/config/key-2/seal.key"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stat(fixture_path(secrets[i]), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static void local_ports_differ_and_are_free(void **state) {
    (void)state;
    const Myelin__System *system = fixture_description.system;
    for (size_t i = 0; i < 3; i++) {
        unsigned port = 0;
        assert_int_equal(sscanf(system->storage[i]->address, "127.0.0.1:%u", &port), 1);
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        AUTO_FD int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        for (size_t j = 0; j < 2; j++)
            assert_string_not_equal(system->storage[i]->address, system->key[j]->address);
    }
}

static void local_creation_refuses_what_is_there(void **state) {
    (void)state;
    AUTO_BYTES struct bytes before = fixture_read(fixture_path("system/system.myelin"));
    EXPECT(local_create(fixture_dir, 3, 2, 2, 2), CONFLICT, "has a system already");
    AUTO_BYTES struct bytes after = fixture_read(fixture_path("system/system.myelin"));
    assert_true(view_equal(bytes_view(&before), bytes_view(&after)));

    /* a lost description must not cost the manager's key */
    const char *lost = fixture_path("lost");
    EXPECT_OK(local_create(lost, 1, 1, 1, 1));
    assert_int_equal(unlink(fixture_path("lost/system.myelin")), 0);
    EXPECT(local_create(lost, 1, 1, 1, 1), CONFLICT, "no system.myelin");
    assert_int_equal(access(fixture_path("lost/manager/ca.key.pem"), F_OK), 0);

    AUTO_FD int lock = open(fixture_path(""), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    EXPECT(local_create(fixture_path(""), 1, 1, 1, 1), CONFLICT, "another process");
}

static void interrupted_creation_starts_over(void **state) {
    (void)state;
    const char *dir = fixture_path("interrupted");
    EXPECT_OK(local_create(dir, 2, 1, 1, 1));
    assert_int_equal(unlink(fixture_path("interrupted/system.myelin")), 0);
    fixture_write(fixture_path("interrupted/.creating"), view_of_string(""));
    fixture_write(fixture_path("interrupted/storage-1/kept"), view_of_string("symbol"));
    EXPECT_OK(local_create(dir, 3, 2, 1, 1));
    AUTO_DESCRIPTION struct description description = {0};
    EXPECT_OK(description_load(dir, NULL, &description));
    assert_int_equal(description.system->n_storage, 3);
    assert_int_equal(access(fixture_path("interrupted/storage-1/kept"), F_OK), 0);
    assert_int_not_equal(access(fixture_path("interrupted/.creating"), F_OK), 0);
}

static void addresses_are_taken_in_order(void **state) {
    (void)state;
    const char *dir = fixture_path("elsewhere");
    EXPECT(local_create_at(dir, 2, 1, 1, 1, "10.0.0.1:4000,10.0.0.2:4000"), INVALID,
           "expected 3 addresses");
    EXPECT(local_create_at(dir, 1, 1, 1, 1, "10.0.0.1:4000,b:1,c:1"), INVALID,
           "expected 2 addresses");
    EXPECT(local_create_at(dir, 1, 1, 1, 1, "10.0.0.1:4000,nowhere"), INVALID, "server 2 of 2");
    EXPECT(local_create_at(dir, 1, 1, 1, 1, ""), INVALID, "server 1 of 2");
    assert_int_not_equal(access(dir, F_OK), 0);
    EXPECT_OK(local_create_at(dir, 2, 1, 1, 1, "10.0.0.1:4000,[fd00::2]:4001,key.example:4002"));
    AUTO_DESCRIPTION struct description description = {0};
    EXPECT_OK(description_load(dir, NULL, &description));
    assert_string_equal(description.system->storage[0]->address, "10.0.0.1:4000");
    assert_string_equal(description.system->storage[1]->address, "[fd00::2]:4001");
    assert_string_equal(description.system->key[0]->address, "key.example:4002");
}

static void local_numbers_are_checked(void **state) {
    (void)state;
    const char *dir = fixture_path("never");
    EXPECT(local_create(dir, 2, 3, 1, 1), INVALID, "k");
    EXPECT(local_create(dir, 0, 0, 1, 1), INVALID, "");
    EXPECT(local_create(dir, 256, 1, 1, 1), INVALID, "");
    EXPECT(local_create(dir, 1, 1, 1, 2), INVALID, "t");
    assert_int_not_equal(access(dir, F_OK), 0);
}

static void servers_load_their_identities(void **state) {
    (void)state;
    char folder[256];
    for (size_t i = 0; i < 3; i++) {
        AUTO_IDENTITY struct identity identity = {0};
        const Myelin__Server *server = fixture_description.system->storage[i];
        EXPECT_OK(local_config_path(fixture_dir, server->name, folder, sizeof folder));
        EXPECT_OK(identity_load_server(folder, TLS_ROLE_STORAGE, &fixture_description, &identity));
        assert_string_equal(identity.name, server->name);
        assert_memory_equal(identity.key->public_key, server->identity.data, 32);
    }
}

/* ------------------------------------------------------------------ the description */

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

/* ------------------------------------------------------------------ the CA */

static void ca_loads_what_it_created(void **state) {
    (void)state;
    static const uint8_t id[FORMAT_ID_BYTES] = {1, 2, 3};
    AUTO_CA struct ca *made = NULL;
    AUTO_CA struct ca *loaded = NULL;
    AUTO_CA struct ca *again = NULL;
    const char *folder = fixture_path("manager-2");
    EXPECT_OK(ca_create(folder, id, &made));
    EXPECT_OK(ca_load(folder, &loaded));
    assert_true(view_equal(ca_certificate(made), ca_certificate(loaded)));
    assert_memory_equal(ca_key(made)->seed, ca_key(loaded)->seed, SIGN_SEED_BYTES);
    assert_memory_equal(ca_system_id(loaded), id, sizeof id);
    EXPECT(ca_create(folder, id, &again), CONFLICT, "ca.key.pem");
    EXPECT(ca_load(fixture_path("nobody"), &again), NOT_FOUND, "only the manager");
    AUTO_BYTES struct bytes other = fixture_read(fixture_path("system/manager/ca.key.pem"));
    fixture_write(fixture_path("manager-2/ca.key.pem"), bytes_view(&other));
    EXPECT(ca_load(folder, &again), INTEGRITY, "not the key of ca.crt.pem");
    fixture_write(fixture_path("manager-2/ca.key.pem"), view_of_string("nonsense"));
    EXPECT(ca_load(folder, &again), INTEGRITY, "manager-2");
    assert_null(again);
}

static void user_certificates_carry_their_keys(void **state) {
    (void)state;
    AUTO_BYTES struct bytes certificate = {0};
    struct user user;
    struct tls_peer peer;
    EXPECT_OK(ca_issue_user(fixture_ca, &fixture_request, 0, &certificate));
    EXPECT_OK(user_from_certificate(bytes_view(&certificate), &fixture_description, "alice",
                                    time(NULL), &user));
    assert_string_equal(user.name, "alice");
    assert_memory_equal(user.identity, fixture_key.public_key, 32);
    assert_true(g1_equal(&user.public_key.pk1, &fixture_request.public_key.pk1));
    assert_true(g2_equal(&user.public_key.pk2, &fixture_request.public_key.pk2));
    EXPECT_OK(
        tls_peer_check(bytes_view(&certificate), ca_certificate(fixture_ca), time(NULL), &peer));
    assert_string_equal(peer.system, fixture_description.id);
    assert_int_equal(peer.role, TLS_ROLE_USER);
    time_t two_years = (time_t)CA_DEFAULT_DAYS * 24 * 60 * 60;
    assert_true(labs((long)(peer.expires - time(NULL) - two_years)) < 1200);
}

static void names_are_given_once(void **state) {
    (void)state;
    AUTO_BYTES struct bytes certificate = {0};
    struct sign_key key;
    struct secret_key secret;
    sign_key_random(&key);
    struct ca_request first = fixture_new_request("carol", &fixture_key, &secret);
    struct ca_request other_key = fixture_new_request("carol", &key, &secret);
    struct ca_request other_pk = fixture_new_request("carol", &fixture_key, &secret);
    EXPECT_OK(ca_issue_user(fixture_ca, &first, 0, &certificate));
    EXPECT_OK(ca_issue_user(fixture_ca, &first, 30, &certificate)); /* a renewal */
    EXPECT(ca_issue_user(fixture_ca, &other_key, 0, &certificate), CONFLICT, "carol is taken");
    EXPECT(ca_issue_user(fixture_ca, &other_pk, 0, &certificate), CONFLICT, "carol is taken");
    EXPECT(ca_issue_server(fixture_ca, "carol", TLS_ROLE_STORAGE, fixture_key.public_key, 0,
                           &certificate),
           CONFLICT, "carol is taken");
    EXPECT_OK(ca_withdraw(fixture_ca, "carol"));
    EXPECT(ca_withdraw(fixture_ca, "carol"), NOT_FOUND, "carol");
    EXPECT_OK(ca_issue_user(fixture_ca, &other_key, 0, &certificate));
    struct ca_request server_name = fixture_new_request("storage-1", &key, &secret);
    EXPECT(ca_issue_user(fixture_ca, &server_name, 0, &certificate), CONFLICT, "storage-1");
}

/* The old certificate stands for the proof of possession; nobody else's does. */
static void certificates_are_renewed(void **state) {
    (void)state;
    AUTO_BYTES struct bytes old = {0};
    AUTO_BYTES struct bytes renewed = {0};
    AUTO_BYTES struct bytes servers = {0};
    AUTO_BYTES struct bytes none = {0};
    struct secret_key secret;
    struct user before, after;
    struct ca_request request = fixture_new_request("ruth", &fixture_key, &secret);
    time_t now = time(NULL), late = now + 20 * 24 * 60 * 60;
    EXPECT_OK(ca_issue_user(fixture_ca, &request, 10, &old));
    EXPECT_OK(user_from_certificate(bytes_view(&old), &fixture_description, "ruth", now, &before));
    EXPECT_OK(ca_renew_user(fixture_ca, bytes_view(&old), 0, &renewed));
    EXPECT(user_from_certificate(bytes_view(&old), &fixture_description, "ruth", late, &after),
           DENIED, "expired");
    EXPECT_OK(
        user_from_certificate(bytes_view(&renewed), &fixture_description, "ruth", late, &after));
    assert_memory_equal(after.identity, before.identity, sizeof after.identity);
    assert_true(g1_equal(&after.public_key.pk1, &before.public_key.pk1));
    EXPECT_OK(ca_issue_server(fixture_ca, "storage-8", TLS_ROLE_STORAGE, fixture_key.public_key, 0,
                              &servers));
    EXPECT(ca_renew_user(fixture_ca, bytes_view(&servers), 0, &none), DENIED, "no user");
    old.data[old.len - 1] ^= 1; /* of the signature */
    EXPECT(ca_renew_user(fixture_ca, bytes_view(&old), 0, &none), DENIED, "");
    EXPECT_OK(ca_withdraw(fixture_ca, "ruth"));
    struct ca_request other = fixture_new_request("ruth", &fixture_key, &secret);
    EXPECT_OK(ca_issue_user(fixture_ca, &other, 0, &none));
    EXPECT(ca_renew_user(fixture_ca, bytes_view(&renewed), 0, &none), CONFLICT, "ruth is taken");
}

static void issuing_checks_what_it_certifies(void **state) {
    (void)state;
    AUTO_BYTES struct bytes certificate = {0};
    struct secret_key secret;
    struct ca_request request = fixture_new_request("dave", &fixture_key, &secret);
    request.user = "erin"; /* with dave's proof */
    EXPECT(ca_issue_user(fixture_ca, &request, 0, &certificate), INTEGRITY, "");
    request.user = "dave";
    request.possession[40] ^= 1;
    assert_int_not_equal(ca_issue_user(fixture_ca, &request, 0, &certificate), OK);
    request = fixture_new_request("dave", &fixture_key, &secret);
    EXPECT(ca_issue_user(fixture_ca, &request, 4000, &certificate), INVALID, "4000 days");
    request.user = "../dave";
    EXPECT(ca_issue_user(fixture_ca, &request, 0, &certificate), INVALID, "is not a name");
    EXPECT(
        ca_issue_server(fixture_ca, "dave", TLS_ROLE_USER, fixture_key.public_key, 0, &certificate),
        INVALID, "public key");
    assert_int_equal(certificate.len, 0);
    EXPECT(ca_withdraw(fixture_ca, "dave"), NOT_FOUND, "");
}

static void requests_from_elsewhere_are_answered(void **state) {
    (void)state;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes certificate = {0};
    struct sign_key key;
    struct secret_key secret;
    struct user user;
    sign_key_random(&key);
    struct ca_request request = fixture_new_request("frank", &key, &secret);
    EXPECT_OK(ca_request_make(&key, ca_system_id(fixture_ca), &request, &wire));
    for (size_t i = 0; i < wire.len; i += 3) {
        wire.data[i] ^= 4;
        result answered = ca_sign_request(fixture_ca, bytes_view(&wire), 0, &certificate);
        assert_true(answered == PROTOCOL || answered == INTEGRITY);
        assert_int_equal(certificate.len, 0);
        wire.data[i] ^= 4;
    }
    EXPECT_OK(ca_sign_request(fixture_ca, bytes_view(&wire), 0, &certificate));
    EXPECT_OK(user_from_certificate(bytes_view(&certificate), &fixture_description, "frank",
                                    time(NULL), &user));
    assert_memory_equal(user.identity, key.public_key, 32);
    static const uint8_t other_system[FORMAT_ID_BYTES] = {9};
    AUTO_BYTES struct bytes elsewhere = {0};
    EXPECT_OK(ca_request_make(&key, other_system, &request, &elsewhere));
    EXPECT(ca_sign_request(fixture_ca, bytes_view(&elsewhere), 0, &certificate), DENIED,
           "another system");
}

/* ------------------------------------------------------------------ the directory */

static void directory_entries_are_the_cas_word(void **state) {
    (void)state;
    AUTO_CA struct ca *other = NULL;
    AUTO_BYTES struct bytes good = {0};
    AUTO_BYTES struct bytes foreign = {0};
    AUTO_BYTES struct bytes server = {0};
    AUTO_BYTES struct bytes brief = {0};
    struct user user;
    time_t now = time(NULL);
    EXPECT_OK(ca_issue_user(fixture_ca, &fixture_request, 0, &good));
    EXPECT(user_from_certificate(bytes_view(&good), &fixture_description, "bob", now, &user),
           INTEGRITY, "the certificate of alice was given for that of bob");
    EXPECT_OK(ca_create(fixture_path("manager-3"), ca_system_id(fixture_ca), &other));
    EXPECT_OK(ca_issue_user(other, &fixture_request, 0, &foreign));
    EXPECT(user_from_certificate(bytes_view(&foreign), &fixture_description, "alice", now, &user),
           DENIED, "another CA");
    EXPECT_OK(ca_issue_server(fixture_ca, "storage-9", TLS_ROLE_STORAGE, fixture_key.public_key, 0,
                              &server));
    EXPECT(
        user_from_certificate(bytes_view(&server), &fixture_description, "storage-9", now, &user),
        DENIED, "no user but a storage");
    EXPECT_OK(ca_issue_user(fixture_ca, &fixture_request, 1, &brief));
    EXPECT(user_from_certificate(bytes_view(&brief), &fixture_description, "alice",
                                 now + 2 * 24 * 60 * 60, &user),
           DENIED, "expired");
    EXPECT(
        user_from_certificate(bytes_view(&good), &fixture_description, "alice", now - 86400, &user),
        DENIED, "valid from");
    EXPECT(user_public_key(bytes_view(&server), &user.public_key), PROTOCOL,
           "without a public key");
}

static void damaged_certificates_are_refused(void **state) {
    (void)state;
    AUTO_BYTES struct bytes der = {0};
    struct user user;
    time_t now = time(NULL);
    EXPECT_OK(ca_issue_user(fixture_ca, &fixture_request, 0, &der));
    for (size_t i = 0; i < der.len; i++) {
        der.data[i] ^= 0x20;
        assert_int_not_equal(
            user_from_certificate(bytes_view(&der), &fixture_description, "alice", now, &user), OK);
        der.data[i] ^= 0x20;
        assert_int_not_equal(
            user_from_certificate(view_of(der.data, i), &fixture_description, "alice", now, &user),
            OK);
    }
    EXPECT_OK(user_from_certificate(bytes_view(&der), &fixture_description, "alice", now, &user));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_system_is_whole),
        cmocka_unit_test(local_ports_differ_and_are_free),
        cmocka_unit_test(local_creation_refuses_what_is_there),
        cmocka_unit_test(interrupted_creation_starts_over),
        cmocka_unit_test(addresses_are_taken_in_order),
        cmocka_unit_test(local_numbers_are_checked),
        cmocka_unit_test(servers_load_their_identities),
        cmocka_unit_test(description_survives_writing),
        cmocka_unit_test(missing_description_says_what_to_do),
        cmocka_unit_test(damaged_description_is_refused),
        cmocka_unit_test(oversized_description_is_refused),
        cmocka_unit_test(other_managers_are_denied),
        cmocka_unit_test(description_needs_its_own_ca),
        cmocka_unit_test(older_versions_are_refused),
        cmocka_unit_test(next_versions_keep_what_images_need),
        cmocka_unit_test(the_newest_version_at_hand_counts),
        cmocka_unit_test(a_running_program_takes_newer_versions),
        cmocka_unit_test(descriptions_keep_the_rules),
        cmocka_unit_test(ca_loads_what_it_created),
        cmocka_unit_test(user_certificates_carry_their_keys),
        cmocka_unit_test(names_are_given_once),
        cmocka_unit_test(certificates_are_renewed),
        cmocka_unit_test(issuing_checks_what_it_certifies),
        cmocka_unit_test(requests_from_elsewhere_are_answered),
        cmocka_unit_test(directory_entries_are_the_cas_word),
        cmocka_unit_test(damaged_certificates_are_refused),
    };
    return cmocka_run_group_tests_name("system", tests, fixture_start, fixture_stop);
}
