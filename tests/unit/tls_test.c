/* Whose certificate is taken, and what is said of those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "net_certificates.h"

static struct test_ca ca;
static struct test_ca other_ca;

static int set_up(void **state) {
    (void)state;
    if (secret_start() != OK)
        return -1;
    test_ca_new("ca", &ca);
    test_ca_new("ca", &other_ca);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_ca_free(&ca);
    test_ca_free(&other_ca);
    return 0;
}

static result check_subject(struct test_subject subject, struct tls_peer *out_peer) {
    struct test_certificate certificate;
    test_certificate_new(&ca, subject, &certificate);
    result code =
        tls_peer_check(bytes_view(&certificate.der), bytes_view(&ca.der), time(NULL), out_peer);
    if (code == OK)
        assert_memory_equal(out_peer->identity, certificate.key.public_key, TLS_KEY_BYTES);
    bytes_free(&certificate.der);
    return code;
}

static void good_certificate_tells_name_role_and_key(void **state) {
    struct tls_peer peer;
    (void)state;
    assert_int_equal(check_subject(test_subject_of("alice", "user"), &peer), OK);
    assert_string_equal(peer.name, "alice");
    assert_int_equal(peer.role, TLS_ROLE_USER);
    assert_string_equal(peer.system, "00112233");
    assert_true(peer.expires > time(NULL));
    assert_int_equal(check_subject(test_subject_of("storage-2", "storage"), &peer), OK);
    assert_int_equal(peer.role, TLS_ROLE_STORAGE);
    assert_int_equal(check_subject(test_subject_of("key-1", "key"), &peer), OK);
    assert_int_equal(peer.role, TLS_ROLE_KEY);
    assert_int_equal(check_subject(test_subject_of("m", "manager"), &peer), OK);
    assert_int_equal(peer.role, TLS_ROLE_MANAGER);
}

static void expect_denied(struct test_subject subject, const char *words) {
    struct tls_peer peer;
    assert_int_equal(check_subject(subject, &peer), DENIED);
    if (strstr(error_text(), words) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), words);
}

static void wrong_subjects_are_denied(void **state) {
    (void)state;
    struct test_subject subject = test_subject_of("alice", "admin");
    expect_denied(subject, "has no role");
    subject.role = NULL;
    expect_denied(subject, "has no role");
    subject = test_subject_of("alice", "user");
    subject.dns_name = "bob";
    expect_denied(subject, "does not repeat its name");
    subject.dns_name = NULL;
    expect_denied(subject, "does not repeat its name");
    expect_denied(test_subject_of("Alice", "user"), "without a valid name");
    expect_denied(test_subject_of("-alice", "user"), "without a valid name");
    subject = test_subject_of(NULL, "user");
    expect_denied(subject, "without a valid name");
    subject = test_subject_of("alice", "user");
    subject.has_rsa_key = true;
    expect_denied(subject, "no Ed25519 key");
}

static void validity_is_said_in_days(void **state) {
    (void)state;
    struct test_subject subject = test_subject_of("alice", "user");
    subject.from = 1735689600;  /* 2025-01-01 */
    subject.until = 1735776000; /* 2025-01-02 */
    expect_denied(subject, "the certificate of alice expired on 2025-01-02");
    subject.from = 4102444800; /* 2100-01-01 */
    subject.until = 4102531200;
    expect_denied(subject, "the certificate of alice is valid from 2100-01-01");
}

static void another_ca_of_the_same_name_is_told_apart(void **state) {
    struct test_certificate certificate;
    struct tls_peer peer;
    (void)state;
    test_certificate_new(&other_ca, test_subject_of("alice", "user"), &certificate);
    assert_int_equal(
        tls_peer_check(bytes_view(&certificate.der), bytes_view(&ca.der), time(NULL), &peer),
        DENIED);
    assert_string_equal(error_text(), "the certificate of alice is from another CA");
    bytes_free(&certificate.der);
}

static void expired_ca_denies_everyone(void **state) {
    struct test_certificate certificate;
    struct tls_peer peer;
    struct test_subject subject = test_subject_of("alice", "user");
    (void)state;
    subject.until += 10 * TEST_DAY_S;
    test_certificate_new(&ca, subject, &certificate);
    assert_int_equal(tls_peer_check(bytes_view(&certificate.der), bytes_view(&ca.der),
                                    time(NULL) + 5 * TEST_DAY_S, &peer),
                     DENIED);
    assert_non_null(strstr(error_text(), "CA expired on"));
    bytes_free(&certificate.der);
}

static void user_certificate_signs_nobody(void **state) {
    struct test_certificate alice;
    struct tls_peer peer;
    struct test_ca fake = {0};
    struct test_certificate mallory;
    (void)state;
    test_certificate_new(&ca, test_subject_of("alice", "user"), &alice);
    fake.key = test_key_import(&alice.key);
    test_must(gnutls_x509_crt_init(&fake.certificate));
    const gnutls_datum_t der = {alice.der.data, (unsigned)alice.der.len};
    test_must(gnutls_x509_crt_import(fake.certificate, &der, GNUTLS_X509_FMT_DER));
    test_certificate_new(&fake, test_subject_of("mallory", "manager"), &mallory);
    assert_int_equal(
        tls_peer_check(bytes_view(&mallory.der), bytes_view(&ca.der), time(NULL), &peer), DENIED);
    assert_int_equal(
        tls_peer_check(bytes_view(&mallory.der), bytes_view(&alice.der), time(NULL), &peer),
        DENIED);
    gnutls_x509_crt_deinit(fake.certificate);
    gnutls_privkey_deinit(fake.key);
    bytes_free(&alice.der);
    bytes_free(&mallory.der);
}

static void broken_bytes_are_no_certificate(void **state) {
    struct test_certificate certificate;
    struct tls_peer peer;
    struct view ca_der = bytes_view(&ca.der);
    (void)state;
    test_certificate_new(&ca, test_subject_of("alice", "user"), &certificate);
    struct view der = bytes_view(&certificate.der);
    assert_int_equal(tls_peer_check(view_of("", 0), ca_der, time(NULL), &peer), PROTOCOL);
    assert_int_equal(tls_peer_check(view_of(der.data, der.len - 1), ca_der, time(NULL), &peer),
                     PROTOCOL);
    assert_int_equal(tls_peer_check(der, view_of("x", 1), time(NULL), &peer), INVALID);
    certificate.der.data[der.len - 5] ^= 1; /* in the signature */
    assert_int_equal(tls_peer_check(der, ca_der, time(NULL), &peer), DENIED);
    bytes_free(&certificate.der);
}

static void identity_holds_sealed_files_and_fits_together(void **state) {
    struct test_certificate alice;
    struct test_certificate bob;
    struct tls_identity *identity = NULL;
    struct bytes text = {0};
    (void)state;
    test_certificate_new(&ca, test_subject_of("alice", "user"), &alice);
    test_certificate_new(&ca, test_subject_of("bob", "user"), &bob);
    struct view ca_der = bytes_view(&ca.der);
    assert_int_equal(tls_identity_new(bytes_view(&alice.der), bob.key.seed, ca_der, &identity),
                     INVALID);
    assert_int_equal(tls_identity_new(bytes_view(&alice.der), alice.key.seed,
                                      bytes_view(&other_ca.der), &identity),
                     INVALID);
    assert_int_equal(tls_identity_new(bytes_view(&alice.der), alice.key.seed, ca_der, &identity),
                     OK);
    assert_string_equal(tls_identity_self(identity)->name, "alice");
    assert_int_equal(file_read(tls_identity_key_path(identity), 1000, &text), OK);
    assert_memory_equal(text.data, tls_identity_key_pem(identity), text.len);
    AUTO_FD int fd = open(tls_identity_key_path(identity), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), -1);
    file_close_at(&fd);
    char path[64];
    snprintf(path, sizeof path, "%s", tls_identity_key_path(identity));
    tls_identity_free(identity);
    assert_int_not_equal(access(path, F_OK), 0);
    bytes_free(&text);
    bytes_free(&alice.der);
    bytes_free(&bob.der);
}

static void names_have_their_alphabet(void **state) {
    (void)state;
    assert_true(tls_name_is_valid("a"));
    assert_true(tls_name_is_valid("storage-2.site_b"));
    assert_false(tls_name_is_valid(""));
    assert_false(tls_name_is_valid(".a"));
    assert_false(tls_name_is_valid("a b"));
    assert_false(tls_name_is_valid("a/b"));
    char longest[TLS_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[TLS_NAME_MAX + 1] = '\0';
    assert_false(tls_name_is_valid(longest));
    longest[TLS_NAME_MAX] = '\0';
    assert_true(tls_name_is_valid(longest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_certificate_tells_name_role_and_key),
        cmocka_unit_test(wrong_subjects_are_denied),
        cmocka_unit_test(validity_is_said_in_days),
        cmocka_unit_test(another_ca_of_the_same_name_is_told_apart),
        cmocka_unit_test(expired_ca_denies_everyone),
        cmocka_unit_test(user_certificate_signs_nobody),
        cmocka_unit_test(broken_bytes_are_no_certificate),
        cmocka_unit_test(identity_holds_sealed_files_and_fits_together),
        cmocka_unit_test(names_have_their_alphabet),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
