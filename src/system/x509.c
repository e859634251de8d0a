#include "system/x509.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"

result x509_result(int code, const char *doing) {
    if (code < 0)
        return FAIL(code == GNUTLS_E_MEMORY_ERROR ? NO_MEMORY : INTERNAL, "%s: %s", doing,
                    gnutls_strerror(code));
    return OK;
}

/* GnuTLS takes its inputs by a datum without const, and only reads them. */
static gnutls_datum_t datum_of(struct view view) {
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = {.in = view.data};
    return (gnutls_datum_t){data.out, (unsigned)view.len};
}

static void datum_free(gnutls_datum_t *datum) {
    if (datum->data != NULL)
        gnutls_memset(datum->data, 0, datum->size);
    gnutls_free(datum->data);
    datum->data = NULL;
}
#define AUTO_DATUM __attribute__((cleanup(datum_free)))

void x509_certificate_free(gnutls_x509_crt_t *certificate) {
    if (*certificate != NULL)
        gnutls_x509_crt_deinit(*certificate);
    *certificate = NULL;
}

void x509_key_free(gnutls_x509_privkey_t *key) {
    if (*key != NULL)
        gnutls_x509_privkey_deinit(*key);
    *key = NULL;
}

static result certificate_import(struct view bytes, gnutls_x509_crt_fmt_t form,
                                 gnutls_x509_crt_t *out_certificate) {
    *out_certificate = NULL;
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    gnutls_datum_t datum = datum_of(bytes);
    TRY(x509_result(gnutls_x509_crt_init(&certificate), "a certificate"));
    int code = gnutls_x509_crt_import(certificate, &datum, form);
    if (code < 0)
        return FAIL(PROTOCOL, "not a certificate: %s", gnutls_strerror(code));
    *out_certificate = certificate;
    certificate = NULL;
    return OK;
}

result x509_certificate_parse(struct view der, gnutls_x509_crt_t *out_certificate) {
    return certificate_import(der, GNUTLS_X509_FMT_DER, out_certificate);
}

static result certificate_export(gnutls_x509_crt_t certificate, gnutls_x509_crt_fmt_t form,
                                 struct bytes *out) {
    AUTO_DATUM gnutls_datum_t datum = {NULL, 0};
    TRY(x509_result(gnutls_x509_crt_export2(certificate, form, &datum), "writing a certificate"));
    return bytes_append(out, view_of(datum.data, datum.size));
}

result x509_certificate_der(gnutls_x509_crt_t certificate, struct bytes *out_der) {
    return certificate_export(certificate, GNUTLS_X509_FMT_DER, out_der);
}

result x509_pem_from_der(struct view der, struct bytes *out_pem) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    TRY(x509_certificate_parse(der, &certificate));
    return certificate_export(certificate, GNUTLS_X509_FMT_PEM, out_pem);
}

result x509_pem_to_der(struct view pem, struct bytes *out_der) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    TRY(certificate_import(pem, GNUTLS_X509_FMT_PEM, &certificate));
    return x509_certificate_der(certificate, out_der);
}

static result read_identity(gnutls_x509_crt_t certificate, uint8_t out_key[SIGN_PUBLIC_BYTES]) {
    AUTO_DATUM gnutls_datum_t x = {NULL, 0};
    AUTO_DATUM gnutls_datum_t y = {NULL, 0};
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    int code = gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, &y);
    if (code < 0 || curve != GNUTLS_ECC_CURVE_ED25519 || x.size != SIGN_PUBLIC_BYTES)
        return FAIL(PROTOCOL, "a certificate without an Ed25519 key");
    memcpy(out_key, x.data, SIGN_PUBLIC_BYTES);
    return OK;
}

result x509_identity(struct view der, uint8_t out_key[SIGN_PUBLIC_BYTES]) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    TRY(x509_certificate_parse(der, &certificate));
    return read_identity(certificate, out_key);
}

result x509_check_ca(struct view der, const char *system_id, uint8_t out_key[SIGN_PUBLIC_BYTES]) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    unsigned critical = 0;
    char organization[64];
    size_t size = sizeof organization;
    TRY(x509_certificate_parse(der, &certificate));
    if (gnutls_x509_crt_get_ca_status(certificate, &critical) <= 0)
        return FAIL(PROTOCOL, "the CA certificate is not a CA's");
    int code = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0,
                                             organization, &size);
    if (code < 0 || strcmp(organization, system_id) != 0)
        return FAIL(PROTOCOL, "the CA certificate is not of system %s", system_id);
    return read_identity(certificate, out_key);
}

result x509_key_import(const struct sign_key *key, gnutls_x509_privkey_t *out_key) {
    AUTO_X509_KEY gnutls_x509_privkey_t imported = NULL;
    gnutls_datum_t x = datum_of(view_of(key->public_key, sizeof key->public_key));
    gnutls_datum_t k = datum_of(view_of(key->seed, sizeof key->seed));
    TRY(x509_result(gnutls_x509_privkey_init(&imported), "a key"));
    TRY(x509_result(
        gnutls_x509_privkey_import_ecc_raw(imported, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k),
        "an Ed25519 key"));
    *out_key = imported;
    imported = NULL;
    return OK;
}

result x509_key_to_pem(const struct sign_key *key, struct bytes *out_pem) {
    AUTO_X509_KEY gnutls_x509_privkey_t exported = NULL;
    AUTO_DATUM gnutls_datum_t pem = {NULL, 0};
    TRY(x509_key_import(key, &exported));
    TRY(x509_result(gnutls_x509_privkey_export2_pkcs8(exported, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, &pem),
                    "writing a key"));
    return bytes_append(out_pem, view_of(pem.data, pem.size));
}

result x509_key_from_pem(struct view pem, struct sign_key *out_key) {
    AUTO_X509_KEY gnutls_x509_privkey_t key = NULL;
    AUTO_DATUM gnutls_datum_t x = {NULL, 0};
    AUTO_DATUM gnutls_datum_t y = {NULL, 0};
    AUTO_DATUM gnutls_datum_t k = {NULL, 0};
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_datum_t datum = datum_of(pem);
    TRY(x509_result(gnutls_x509_privkey_init(&key), "a key"));
    int code =
        gnutls_x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
    if (code < 0)
        return FAIL(PROTOCOL, "not a private key: %s", gnutls_strerror(code));
    code = gnutls_x509_privkey_export_ecc_raw(key, &curve, &x, &y, &k);
    if (code < 0 || curve != GNUTLS_ECC_CURVE_ED25519 || k.size != SIGN_SEED_BYTES)
        return FAIL(PROTOCOL, "a private key that is not Ed25519");
    sign_key_from_seed(k.data, out_key);
    return OK;
}

static void public_key_free(gnutls_pubkey_t *key) {
    if (*key != NULL)
        gnutls_pubkey_deinit(*key);
}

static result set_identity(gnutls_x509_crt_t certificate,
                           const uint8_t identity[SIGN_PUBLIC_BYTES]) {
    __attribute__((cleanup(public_key_free))) gnutls_pubkey_t key = NULL;
    gnutls_datum_t x = datum_of(view_of(identity, SIGN_PUBLIC_BYTES));
    uint8_t id[32];
    size_t id_size = sizeof id;
    TRY(x509_result(gnutls_pubkey_init(&key), "a public key"));
    TRY(x509_result(gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL),
                    "an Ed25519 public key"));
    TRY(x509_result(gnutls_x509_crt_set_pubkey(certificate, key), "a certificate's key"));
    TRY(x509_result(gnutls_pubkey_get_key_id(key, 0, id, &id_size), "a key's id"));
    return x509_result(gnutls_x509_crt_set_subject_key_id(certificate, id, 20), "a key's id");
}

static result set_entry(gnutls_x509_crt_t certificate, const char *oid, const char *text) {
    return x509_result(
        gnutls_x509_crt_set_dn_by_oid(certificate, oid, 0, text, (unsigned)strlen(text)),
        "a certificate's subject");
}

result x509_certificate_new(const uint8_t identity[SIGN_PUBLIC_BYTES], const char *name,
                            const char *system, unsigned days, gnutls_x509_crt_t *out_certificate) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    uint8_t serial[16];
    time_t from = time(NULL) - 600; /* clocks differ a little */
    secret_random(serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, of full length */
    TRY(x509_result(gnutls_x509_crt_init(&certificate), "a certificate"));
    TRY(x509_result(gnutls_x509_crt_set_version(certificate, 3), "a certificate"));
    TRY(x509_result(gnutls_x509_crt_set_serial(certificate, serial, sizeof serial),
                    "a serial number"));
    TRY(x509_result(gnutls_x509_crt_set_activation_time(certificate, from), "a validity"));
    TRY(x509_result(
        gnutls_x509_crt_set_expiration_time(certificate, from + (time_t)days * 24 * 60 * 60),
        "a validity"));
    TRY(set_entry(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, system));
    TRY(set_entry(certificate, GNUTLS_OID_X520_COMMON_NAME, name));
    TRY(set_identity(certificate, identity));
    *out_certificate = certificate;
    certificate = NULL;
    return OK;
}
