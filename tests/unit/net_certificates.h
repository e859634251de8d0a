/*
 * Certificates for tests: a CA and what it signs, made on the spot.
 */
#ifndef MYELIN_TESTS_NET_CERTIFICATES_H
#define MYELIN_TESTS_NET_CERTIFICATES_H

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sign.h"
#include "net/tls.h"

enum { TEST_DAY_S = 24 * 3600 };

struct test_ca {
    gnutls_privkey_t key;
    gnutls_x509_crt_t certificate;
    struct bytes der;
};

struct test_certificate {
    struct sign_key key;
    struct bytes der;
};

/* What to put into a certificate. NULL leaves a part out. */
struct test_subject {
    const char *name;
    const char *role;
    const char *system;
    const char *dns_name;
    time_t from;
    time_t until;
    bool has_rsa_key;
};

static inline struct test_subject test_subject_of(const char *name, const char *role) {
    time_t now = time(NULL);
    return (struct test_subject){name, role, "00112233", name, now - TEST_DAY_S, now + TEST_DAY_S,
                                 false};
}

static inline void test_must(int code) {
    if (code < 0) {
        fprintf(stderr, "GnuTLS: %s\n", gnutls_strerror(code));
        abort();
    }
}

static inline gnutls_privkey_t test_key_import(const struct sign_key *key) {
    gnutls_privkey_t out = NULL;
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    uint8_t seed[SIGN_SEED_BYTES];
    memcpy(public_key, key->public_key, sizeof public_key);
    memcpy(seed, key->seed, sizeof seed);
    const gnutls_datum_t x = {public_key, sizeof public_key};
    const gnutls_datum_t k = {seed, sizeof seed};
    test_must(gnutls_privkey_init(&out));
    test_must(gnutls_privkey_import_ecc_raw(out, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k));
    return out;
}

static inline void test_set_entry(gnutls_x509_crt_t certificate, const char *oid,
                                  const char *value) {
    if (value != NULL)
        test_must(
            gnutls_x509_crt_set_dn_by_oid(certificate, oid, 0, value, (unsigned)strlen(value)));
}

static inline void test_set_subject(gnutls_x509_crt_t certificate, gnutls_privkey_t key,
                                    const struct test_subject *subject) {
    uint8_t serial[8];
    gnutls_pubkey_t public_key = NULL;
    gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] = 1;
    test_must(gnutls_pubkey_init(&public_key));
    test_must(gnutls_pubkey_import_privkey(public_key, key, 0, 0));
    test_must(gnutls_x509_crt_set_version(certificate, 3));
    test_must(gnutls_x509_crt_set_serial(certificate, serial, sizeof serial));
    test_must(gnutls_x509_crt_set_pubkey(certificate, public_key));
    gnutls_pubkey_deinit(public_key);
    test_must(gnutls_x509_crt_set_activation_time(certificate, subject->from));
    test_must(gnutls_x509_crt_set_expiration_time(certificate, subject->until));
    test_set_entry(certificate, GNUTLS_OID_X520_COMMON_NAME, subject->name);
    test_set_entry(certificate, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, subject->role);
    test_set_entry(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, subject->system);
    if (subject->dns_name != NULL)
        test_must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME,
                                                       subject->dns_name,
                                                       (unsigned)strlen(subject->dns_name), 0));
}

static inline void test_sign(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer,
                             gnutls_privkey_t key, struct bytes *out_der) {
    gnutls_datum_t der = {NULL, 0};
    test_must(gnutls_x509_crt_privkey_sign(certificate, issuer, key, GNUTLS_DIG_UNKNOWN, 0));
    test_must(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der));
    if (bytes_append(out_der, view_of(der.data, der.size)) != OK)
        abort();
    gnutls_free(der.data);
}

static inline void test_ca_new(const char *name, struct test_ca *out_ca) {
    struct sign_key key;
    struct test_subject subject = test_subject_of(name, NULL);
    subject.dns_name = NULL;
    *out_ca = (struct test_ca){0};
    sign_key_random(&key);
    out_ca->key = test_key_import(&key);
    test_must(gnutls_x509_crt_init(&out_ca->certificate));
    test_set_subject(out_ca->certificate, out_ca->key, &subject);
    test_must(gnutls_x509_crt_set_basic_constraints(out_ca->certificate, 1, 0));
    test_must(gnutls_x509_crt_set_key_usage(out_ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN));
    test_sign(out_ca->certificate, out_ca->certificate, out_ca->key, &out_ca->der);
}

static inline void test_ca_free(struct test_ca *ca) {
    gnutls_x509_crt_deinit(ca->certificate);
    gnutls_privkey_deinit(ca->key);
    bytes_free(&ca->der);
}

static inline void test_certificate_new(const struct test_ca *ca, struct test_subject subject,
                                        struct test_certificate *out) {
    gnutls_x509_crt_t certificate = NULL;
    gnutls_privkey_t key = NULL;
    *out = (struct test_certificate){0};
    sign_key_random(&out->key);
    if (subject.has_rsa_key) {
        test_must(gnutls_privkey_init(&key));
        test_must(gnutls_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0));
    } else {
        key = test_key_import(&out->key);
    }
    test_must(gnutls_x509_crt_init(&certificate));
    test_set_subject(certificate, key, &subject);
    test_sign(certificate, ca->certificate, ca->key, &out->der);
    gnutls_x509_crt_deinit(certificate);
    gnutls_privkey_deinit(key);
}

static inline struct tls_identity *test_identity(const struct test_ca *ca,
                                                 struct test_subject subject) {
    struct test_certificate certificate;
    struct tls_identity *identity = NULL;
    test_certificate_new(ca, subject, &certificate);
    if (tls_identity_new(bytes_view(&certificate.der), certificate.key.seed, bytes_view(&ca->der),
                         &identity) != OK) {
        fprintf(stderr, "%s\n", error_text());
        abort();
    }
    bytes_free(&certificate.der);
    return identity;
}

#endif
