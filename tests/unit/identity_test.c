/* Credentials on disk and in keystores: only what fits together, and is the system's, loads. */
#include "system_fixture.h"

static char storage_1[256]; /* the folder of its credentials */

static int start(void **state) {
    if (fixture_start(state) != 0)
        return -1;
    return local_config_path(fixture_dir, "storage-1", storage_1, sizeof storage_1) == OK ? 0 : -1;
}

/* Credentials for `name` in a folder of their own. */
static const char *write_credentials(const char *folder, const struct ca *ca, const char *name,
                                     enum tls_role role, const struct sign_key *key) {
    AUTO_BYTES struct bytes certificate = {0};
    const char *path = fixture_path(folder);
    EXPECT_OK(ca_issue_server(ca, name, role, key->public_key, 0, &certificate));
    EXPECT_OK(identity_write_server(path, bytes_view(&certificate), key));
    return path;
}

static void credentials_survive_writing(void **state) {
    (void)state;
    AUTO_IDENTITY struct identity identity = {0};
    EXPECT_OK(identity_load_server(storage_1, TLS_ROLE_STORAGE, &fixture_description, &identity));
    assert_string_equal(identity.name, "storage-1");
    assert_int_equal(identity.role, TLS_ROLE_STORAGE);
    assert_non_null(identity.tls);
    uint8_t signature[SIGN_BYTES];
    EXPECT_OK(sign_message(identity.key, "myelin receipt v1", view_of_string("x"), signature));
    EXPECT_OK(sign_verify(fixture_description.system->storage[0]->identity.data,
                          "myelin receipt v1", view_of_string("x"), signature));
}

static void wrong_role_is_denied(void **state) {
    (void)state;
    AUTO_IDENTITY struct identity identity = {0};
    EXPECT(identity_load_server(storage_1, TLS_ROLE_KEY, &fixture_description, &identity), DENIED,
           "for the role storage, not key");
    EXPECT(identity_load_server(storage_1, TLS_ROLE_USER, &fixture_description, &identity),
           INTERNAL, "user");
    assert_null(identity.key);
}

static void strangers_to_the_description_are_denied(void **state) {
    (void)state;
    AUTO_IDENTITY struct identity identity = {0};
    AUTO_CA struct ca *other = NULL;
    struct sign_key key;
    sign_key_random(&key);
    const char *path =
        write_credentials("unnamed", fixture_ca, "storage-7", TLS_ROLE_STORAGE, &key);
    EXPECT(identity_load_server(path, TLS_ROLE_STORAGE, &fixture_description, &identity), DENIED,
           "storage-7 is no storage server of the system description");
    EXPECT_OK(ca_create(fixture_path("other"), ca_system_id(fixture_ca), &other));
    path = write_credentials("foreign", other, "storage-1", TLS_ROLE_STORAGE, &key);
    EXPECT(identity_load_server(path, TLS_ROLE_STORAGE, &fixture_description, &identity), DENIED,
           "another CA");
    EXPECT_OK(ca_withdraw(fixture_ca, "storage-1"));
    path = write_credentials("renewed", fixture_ca, "storage-1", TLS_ROLE_STORAGE, &key);
    EXPECT(identity_load_server(path, TLS_ROLE_STORAGE, &fixture_description, &identity), DENIED,
           "another key for storage-1");
    assert_null(identity.key);
}

static void other_systems_are_denied(void **state) {
    (void)state;
    AUTO_IDENTITY struct identity identity = {0};
    AUTO_DESCRIPTION struct description other = {0};
    EXPECT_OK(local_create(fixture_path("second"), 3, 2, 2, 2));
    EXPECT_OK(description_load(fixture_path("second"), NULL, &other));
    EXPECT(identity_load_server(storage_1, TLS_ROLE_STORAGE, &other, &identity), DENIED,
           "another CA");
}

static void missing_and_damaged_credentials(void **state) {
    (void)state;
    AUTO_IDENTITY struct identity identity = {0};
    char folder[256], path[512];
    EXPECT(identity_load_server(fixture_path("none"), TLS_ROLE_STORAGE, &fixture_description,
                                &identity),
           NOT_FOUND, "certificate.pem");
    EXPECT_OK(local_config_path(fixture_dir, "storage-2", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/key.pem", folder);
    AUTO_BYTES struct bytes own = fixture_read(path);
    char other_path[512];
    snprintf(other_path, sizeof other_path, "%s/key.pem", storage_1);
    AUTO_BYTES struct bytes other = fixture_read(other_path);
    fixture_write(path, bytes_view(&other));
    EXPECT(identity_load_server(folder, TLS_ROLE_STORAGE, &fixture_description, &identity),
           INTEGRITY, "the key is not that of the certificate of storage-2");
    const uint8_t *end = memmem(own.data, own.len, "-----END", 8);
    assert_non_null(end);
    for (size_t len = 0; len <= (size_t)(end - own.data); len += 7) {
        fixture_write(path, view_of(own.data, len));
        EXPECT(identity_load_server(folder, TLS_ROLE_STORAGE, &fixture_description, &identity),
               INTEGRITY, folder);
    }
    fixture_write(path, bytes_view(&own));
    EXPECT_OK(identity_load_server(folder, TLS_ROLE_STORAGE, &fixture_description, &identity));
    snprintf(path, sizeof path, "%s/certificate.pem", folder);
    fixture_write(path, view_of_string("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    AUTO_IDENTITY struct identity again = {0};
    EXPECT(identity_load_server(folder, TLS_ROLE_STORAGE, &fixture_description, &again), INTEGRITY,
           "certificate");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_survive_writing),
        cmocka_unit_test(wrong_role_is_denied),
        cmocka_unit_test(strangers_to_the_description_are_denied),
        cmocka_unit_test(other_systems_are_denied),
        cmocka_unit_test(missing_and_damaged_credentials),
    };
    return cmocka_run_group_tests_name("identity", tests, start, fixture_stop);
}
