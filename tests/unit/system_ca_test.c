/* The manager's CA: what it certifies, and directory entries as its word. */
#include "system_fixture.h"

#include <fcntl.h>
#include <time.h>

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
    EXPECT(ca_load(fixture_path("nobody"), &again), DENIED, "only the manager");
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

/* A server's key that was never kept gives its name back; a user keeps his whatever a server is
 * called. */
static void names_of_lost_servers_are_free_again(void **state) {
    (void)state;
    AUTO_BYTES struct bytes certificate = {0};
    struct secret_key secret;
    struct sign_key other;
    struct ca_request user = fixture_new_request("sam", &fixture_key, &secret);
    sign_key_random(&other);
    EXPECT_OK(ca_withdraw_server(fixture_ca, "storage-77"));
    EXPECT_OK(ca_issue_server(fixture_ca, "storage-77", TLS_ROLE_STORAGE, fixture_key.public_key, 0,
                              &certificate));
    EXPECT(ca_issue_server(fixture_ca, "storage-77", TLS_ROLE_STORAGE, other.public_key, 0,
                           &certificate),
           CONFLICT, "storage-77 is taken");
    EXPECT_OK(ca_withdraw_server(fixture_ca, "storage-77"));
    EXPECT_OK(ca_issue_server(fixture_ca, "storage-77", TLS_ROLE_STORAGE, other.public_key, 0,
                              &certificate));
    EXPECT_OK(ca_issue_user(fixture_ca, &user, 0, &certificate));
    EXPECT_OK(ca_withdraw_server(fixture_ca, "sam"));
    EXPECT(ca_issue_server(fixture_ca, "sam", TLS_ROLE_STORAGE, other.public_key, 0, &certificate),
           CONFLICT, "sam is taken");
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

static void requests_from_elsewhere_are_opened(void **state) {
    (void)state;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes certificate = {0};
    struct sign_key key;
    struct secret_key secret;
    struct user user;
    struct ca_asked asked;
    sign_key_random(&key);
    struct ca_request request = fixture_new_request("frank", &key, &secret);
    EXPECT_OK(ca_request_make(&key, ca_system_id(fixture_ca), &request, &wire));
    for (size_t i = 0; i < wire.len; i++) {
        wire.data[i] ^= 4;
        result opened = ca_request_open(fixture_ca, bytes_view(&wire), &asked);
        assert_true(opened == PROTOCOL || opened == INTEGRITY);
        wire.data[i] ^= 4;
        EXPECT(ca_request_open(fixture_ca, view_of(wire.data, i), &asked), PROTOCOL, "");
    }
    EXPECT_OK(ca_request_open(fixture_ca, bytes_view(&wire), &asked));
    assert_string_equal(asked.user, "frank");
    EXPECT_OK(ca_issue_user(fixture_ca, &asked.request, 0, &certificate));
    EXPECT_OK(user_from_certificate(bytes_view(&certificate), &fixture_description, "frank",
                                    time(NULL), &user));
    assert_memory_equal(user.identity, key.public_key, 32);
    assert_true(ca_is_for(bytes_view(&certificate), key.public_key, &request.public_key));
    assert_false(ca_is_for(bytes_view(&certificate), key.public_key, NULL));
    static const uint8_t other_system[FORMAT_ID_BYTES] = {9};
    AUTO_BYTES struct bytes elsewhere = {0};
    EXPECT_OK(ca_request_make(&key, other_system, &request, &elsewhere));
    EXPECT(ca_request_open(fixture_ca, bytes_view(&elsewhere), &asked), DENIED, "another system");
}

/* One whose proof is not of these keys, though he signed it. */
static void requests_prove_their_keys(void **state) {
    (void)state;
    AUTO_BYTES struct bytes wire = {0};
    struct secret_key secret;
    struct ca_asked asked;
    struct ca_request request = fixture_new_request("gina", &fixture_key, &secret);
    request.user = "hugo"; /* with gina's proof */
    EXPECT_OK(ca_request_make(&fixture_key, ca_system_id(fixture_ca), &request, &wire));
    EXPECT(ca_request_open(fixture_ca, bytes_view(&wire), &asked), INTEGRITY, "");
}

static void fingerprints_are_of_name_and_keys(void **state) {
    (void)state;
    char first[CA_FINGERPRINT], same[CA_FINGERPRINT], other[CA_FINGERPRINT];
    struct secret_key secret;
    struct ca_request request = fixture_new_request("ida", &fixture_key, &secret);
    ca_request_fingerprint(&request, first);
    assert_int_equal(strlen(first), 32);
    keygen_prove(&secret, &request.public_key, view_of_string("ida"), request.possession);
    ca_request_fingerprint(&request, same);
    assert_string_equal(first, same);
    request.user = "idb";
    ca_request_fingerprint(&request, other);
    assert_string_not_equal(first, other);
    request.user = "ida";
    request.identity[0] ^= 1;
    ca_request_fingerprint(&request, other);
    assert_string_not_equal(first, other);
    request.identity[0] ^= 1;
    request.public_key.pk2 = fixture_request.public_key.pk2;
    ca_request_fingerprint(&request, other);
    assert_string_not_equal(first, other);
}

static void what_was_issued_is_renewed(void **state) {
    (void)state;
    AUTO_BYTES struct bytes user = {0};
    AUTO_BYTES struct bytes server = {0};
    AUTO_BYTES struct bytes none = {0};
    struct secret_key secret;
    struct tls_peer peer;
    enum tls_role role;
    struct ca_request request = fixture_new_request("judy", &fixture_key, &secret);
    EXPECT(ca_renew(fixture_ca, "judy", 0, &role, &none), NOT_FOUND, "nobody the name judy");
    EXPECT(ca_renew(fixture_ca, "../judy", 0, &role, &none), INVALID, "is not a name");
    EXPECT_OK(ca_issue_user(fixture_ca, &request, 1, &user));
    user.len = 0;
    EXPECT_OK(ca_renew(fixture_ca, "judy", 0, &role, &user));
    assert_int_equal(role, TLS_ROLE_USER);
    assert_true(ca_is_for(bytes_view(&user), fixture_key.public_key, &request.public_key));
    EXPECT_OK(ca_renew(fixture_ca, "storage-2", 0, &role, &server));
    assert_int_equal(role, TLS_ROLE_STORAGE);
    EXPECT_OK(tls_peer_check(bytes_view(&server), ca_certificate(fixture_ca), time(NULL), &peer));
    assert_memory_equal(peer.identity, fixture_description.system->storage[1]->identity.data, 32);
    fixture_write(fixture_path("system/manager/issued/kate.pem"), view_of_string("no PEM"));
    EXPECT(ca_renew(fixture_ca, "kate", 0, &role, &none), INTEGRITY, "kate.pem");
    assert_int_equal(rename(fixture_path("system/manager/issued/storage-1.pem"),
                            fixture_path("system/manager/issued/kate.pem")),
                     0);
    EXPECT(ca_renew(fixture_ca, "kate", 0, &role, &none), INTEGRITY, "kate");
    assert_int_equal(rename(fixture_path("system/manager/issued/kate.pem"),
                            fixture_path("system/manager/issued/storage-1.pem")),
                     0);
    assert_int_equal(none.len, 0);
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
        cmocka_unit_test(ca_loads_what_it_created),
        cmocka_unit_test(user_certificates_carry_their_keys),
        cmocka_unit_test(names_are_given_once),
        cmocka_unit_test(names_of_lost_servers_are_free_again),
        cmocka_unit_test(certificates_are_renewed),
        cmocka_unit_test(issuing_checks_what_it_certifies),
        cmocka_unit_test(requests_from_elsewhere_are_opened),
        cmocka_unit_test(requests_prove_their_keys),
        cmocka_unit_test(fingerprints_are_of_name_and_keys),
        cmocka_unit_test(what_was_issued_is_renewed),
        cmocka_unit_test(directory_entries_are_the_cas_word),
        cmocka_unit_test(damaged_certificates_are_refused),
    };
    return cmocka_run_group_tests_name("system/ca", tests, fixture_start, fixture_stop);
}
