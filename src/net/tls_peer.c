#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "net/tls.h"

static const char *const role_names[] = {
    [TLS_ROLE_STORAGE] = "storage",
    [TLS_ROLE_KEY] = "key",
    [TLS_ROLE_USER] = "user",
    [TLS_ROLE_MANAGER] = "manager",
};

static void certificate_free(gnutls_x509_crt_t *certificate) {
    if (*certificate != NULL)
        gnutls_x509_crt_deinit(*certificate);
}
#define AUTO_CERTIFICATE __attribute__((cleanup(certificate_free)))

const char *tls_role_name(enum tls_role role) {
    return role_names[role];
}

bool tls_name_is_valid(const char *name) {
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= TLS_NAME_MAX && strspn(name, inner) == len &&
           strchr("._-", name[0]) == NULL;
}

static result certificate_parse(struct view der, result failure, gnutls_x509_crt_t *out) {
    if (der.len == 0 || der.len > TLS_CERTIFICATE_MAX)
        return FAIL(failure, "a certificate of %zu bytes", der.len);
    if (gnutls_x509_crt_init(out) != GNUTLS_E_SUCCESS) {
        *out = NULL;
        return FAIL(NO_MEMORY, "no memory for a certificate");
    }
    uint8_t copy[TLS_CERTIFICATE_MAX]; /* gnutls_datum_t is not const */
    memcpy(copy, der.data, der.len);
    const gnutls_datum_t datum = {copy, (unsigned)der.len};
    int code = gnutls_x509_crt_import(*out, &datum, GNUTLS_X509_FMT_DER);
    if (code != GNUTLS_E_SUCCESS)
        return FAIL(failure, "not a certificate: %s", gnutls_strerror(code));
    return OK;
}

/* The only entry of that kind in the subject; empty where there is none, or several. */
static void subject_entry(gnutls_x509_crt_t certificate, const char *oid, char *out, size_t size) {
    char second[8];
    size_t second_size = sizeof second;
    size_t len = size;
    bool found = gnutls_x509_crt_get_dn_by_oid(certificate, oid, 0, 0, out, &len) == 0;
    bool several = gnutls_x509_crt_get_dn_by_oid(certificate, oid, 1, 0, second, &second_size) !=
                   GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
    if (!found || several || strlen(out) != len)
        out[0] = '\0';
}

static bool has_dns_name(gnutls_x509_crt_t certificate, const char *name) {
    for (unsigned i = 0; i < 16; i++) {
        char other[TLS_NAME_MAX + 1];
        size_t size = sizeof other;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, other, &size, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return false;
        if (type == GNUTLS_SAN_DNSNAME && size == strlen(name) && memcmp(other, name, size) == 0)
            return true;
    }
    return false;
}

static result read_key(gnutls_x509_crt_t certificate, const char *name,
                       uint8_t out_key[TLS_KEY_BYTES]) {
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_datum_t x = {NULL, 0};
    gnutls_datum_t y = {NULL, 0};
    bool fits = gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, &y) == GNUTLS_E_SUCCESS &&
                curve == GNUTLS_ECC_CURVE_ED25519 && x.size == TLS_KEY_BYTES;
    if (fits)
        memcpy(out_key, x.data, TLS_KEY_BYTES);
    gnutls_free(x.data);
    gnutls_free(y.data);
    return fits ? OK : FAIL(DENIED, "the certificate of %s has no Ed25519 key", name);
}

static result read_role(gnutls_x509_crt_t certificate, const char *name, enum tls_role *out_role) {
    char role[32];
    subject_entry(certificate, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, role, sizeof role);
    for (int i = 0; i < (int)(sizeof role_names / sizeof *role_names); i++)
        if (strcmp(role, role_names[i]) == 0) {
            *out_role = (enum tls_role)i;
            return OK;
        }
    return FAIL(DENIED, "the certificate of %s has no role of this protocol ('%s')", name, role);
}

static result read_name(gnutls_x509_crt_t certificate, char *out_name) {
    subject_entry(certificate, GNUTLS_OID_X520_COMMON_NAME, out_name, TLS_NAME_MAX + 1);
    if (!tls_name_is_valid(out_name))
        return FAIL(DENIED, "a certificate without a valid name ('%s')", out_name);
    return OK;
}

/* Signed by the CA itself; nobody else may sign. */
static result check_issuer(gnutls_x509_crt_t certificate, gnutls_x509_crt_t ca, const char *name) {
    unsigned status = 0;
    int code =
        gnutls_x509_crt_verify(certificate, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status);
    if (code != GNUTLS_E_SUCCESS)
        return FAIL(DENIED, "the certificate of %s cannot be checked: %s", name,
                    gnutls_strerror(code));
    if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE)) != 0)
        return FAIL(DENIED, "the certificate of %s is from another CA", name);
    if (status != 0)
        return FAIL(DENIED, "the certificate of %s is not valid (GnuTLS status 0x%x)", name,
                    status);
    return OK;
}

static void format_day(time_t when, char out[16]) {
    struct tm parts;
    if (gmtime_r(&when, &parts) == NULL || strftime(out, 16, "%Y-%m-%d", &parts) == 0)
        snprintf(out, 16, "an unknown day");
}

static result check_time(gnutls_x509_crt_t certificate, time_t now, const char *what) {
    char day[16];
    time_t from = gnutls_x509_crt_get_activation_time(certificate);
    time_t until = gnutls_x509_crt_get_expiration_time(certificate);
    if (from == (time_t)-1 || until == (time_t)-1)
        return FAIL(DENIED, "%s has no validity", what);
    if (now > until) {
        format_day(until, day);
        return FAIL(DENIED, "%s expired on %s", what, day);
    }
    if (now < from) {
        format_day(from, day);
        return FAIL(DENIED, "%s is valid from %s only; is the clock right?", what, day);
    }
    return OK;
}

static result read_peer(gnutls_x509_crt_t certificate, struct tls_peer *peer) {
    TRY(read_role(certificate, peer->name, &peer->role));
    TRY(read_key(certificate, peer->name, peer->identity));
    if (!has_dns_name(certificate, peer->name))
        return FAIL(DENIED, "the certificate of %s does not repeat its name as DNS name",
                    peer->name);
    subject_entry(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, peer->system,
                  sizeof peer->system);
    peer->expires = gnutls_x509_crt_get_expiration_time(certificate);
    return OK;
}

static result check(struct view certificate, struct view ca, const time_t *now,
                    struct tls_peer *out_peer) {
    AUTO_CERTIFICATE gnutls_x509_crt_t subject = NULL;
    AUTO_CERTIFICATE gnutls_x509_crt_t issuer = NULL;
    struct tls_peer peer = {.certificate = certificate};
    char what[TLS_NAME_MAX + 32];
    TRY(certificate_parse(ca, INVALID, &issuer));
    TRY(certificate_parse(certificate, PROTOCOL, &subject));
    TRY(read_name(subject, peer.name));
    TRY(check_issuer(subject, issuer, peer.name));
    if (now != NULL) {
        snprintf(what, sizeof what, "the certificate of %s", peer.name);
        TRY(check_time(subject, *now, what));
        TRY(check_time(issuer, *now, "the certificate of the system's CA"));
    }
    TRY(read_peer(subject, &peer));
    *out_peer = peer;
    return OK;
}

result tls_peer_check(struct view certificate, struct view ca, time_t now,
                      struct tls_peer *out_peer) {
    return check(certificate, ca, &now, out_peer);
}

result tls_peer_check_untimed(struct view certificate, struct view ca, struct tls_peer *out_peer) {
    return check(certificate, ca, NULL, out_peer);
}
