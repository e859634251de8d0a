/* The making of a local system: servers, their identities, ports and addresses. */
#include "system_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_system_is_whole),
        cmocka_unit_test(local_ports_differ_and_are_free),
        cmocka_unit_test(local_creation_refuses_what_is_there),
        cmocka_unit_test(interrupted_creation_starts_over),
        cmocka_unit_test(addresses_are_taken_in_order),
        cmocka_unit_test(local_numbers_are_checked),
        cmocka_unit_test(servers_load_their_identities),
    };
    return cmocka_run_group_tests_name("system/local", tests, fixture_start, fixture_stop);
}
