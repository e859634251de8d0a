/*
 * The little of X.509 that the manager's CA and credentials on disk need, over GnuTLS. Inside
 * src/system only.
 */
#ifndef MYELIN_SYSTEM_X509_H
#define MYELIN_SYSTEM_X509_H

#include <gnutls/x509.h>

#include "base/bytes.h"
#include "base/sign.h"

#define AUTO_X509 __attribute__((cleanup(x509_certificate_free)))
void x509_certificate_free(gnutls_x509_crt_t *certificate);

/* PROTOCOL where the bytes are no certificate. */
MUST_CHECK result x509_certificate_parse(struct view der, gnutls_x509_crt_t *out_certificate);

/* Appends. INTERNAL. */
MUST_CHECK result x509_certificate_der(gnutls_x509_crt_t certificate, struct bytes *out_der);

/* DER to PEM and back, appended. PROTOCOL where `pem` holds no certificate. */
MUST_CHECK result x509_pem_from_der(struct view der, struct bytes *out_pem);
MUST_CHECK result x509_pem_to_der(struct view pem, struct bytes *out_der);

/* The Ed25519 key of a certificate. PROTOCOL where it has another kind. */
MUST_CHECK result x509_identity(struct view der, uint8_t out_key[SIGN_PUBLIC_BYTES]);

/* The CA certificate's key and O, which must be `system_id` in hexadecimal. PROTOCOL where it is no
 * CA's. */
MUST_CHECK result x509_check_ca(struct view der, const char *system_id,
                                uint8_t out_key[SIGN_PUBLIC_BYTES]);

/* An Ed25519 key as PKCS#8 in PEM (RFC 8410), appended, and back into `out_key`, which lies in
 * secret memory. PROTOCOL where `pem` holds none. */
MUST_CHECK result x509_key_to_pem(const struct sign_key *key, struct bytes *out_pem);
MUST_CHECK result x509_key_from_pem(struct view pem, struct sign_key *out_key);

/* GnuTLS's own form of a key, for signing certificates. */
#define AUTO_X509_KEY __attribute__((cleanup(x509_key_free)))
void x509_key_free(gnutls_x509_privkey_t *key);
MUST_CHECK result x509_key_import(const struct sign_key *key, gnutls_x509_privkey_t *out_key);

/* What all certificates here have in common: an empty one of version 3 with a random serial number,
 * that key, O=<system>, CN=<name>, valid from ten minutes ago for `days`. */
MUST_CHECK result x509_certificate_new(const uint8_t identity[SIGN_PUBLIC_BYTES], const char *name,
                                       const char *system, unsigned days,
                                       gnutls_x509_crt_t *out_certificate);

/* INTERNAL with GnuTLS's words unless `code` is a success. */
MUST_CHECK result x509_result(int code, const char *doing);

#endif
