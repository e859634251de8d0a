#include "system/ca.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "system/paths.h"
#include "system/user.h"
#include "system/x509.h"

enum { PEM_MAX = 16 << 10, CA_DAYS_MAX = CA_DAYS };

struct ca {
    char folder[PATH_MAX];
    char system[SYSTEM_ID_HEX];
    uint8_t system_id[FORMAT_ID_BYTES];
    struct bytes certificate;
    struct sign_key *key;
};

void ca_free_at(struct ca **ca) {
    if (*ca == NULL)
        return;
    bytes_free(&(*ca)->certificate);
    secret_free((*ca)->key);
    free(*ca);
    *ca = NULL;
}

struct view ca_certificate(const struct ca *ca) {
    return bytes_view(&ca->certificate);
}

const uint8_t *ca_system_id(const struct ca *ca) {
    return ca->system_id;
}

const struct sign_key *ca_key(const struct ca *ca) {
    return ca->key;
}

static result ca_new(const char *folder, struct ca **out_ca) {
    AUTO_CA struct ca *ca = calloc(1, sizeof *ca);
    void *block = NULL;
    if (ca == NULL)
        return FAIL(NO_MEMORY, "no memory for the manager's CA");
    TRY(path_join(folder, "", ca->folder, sizeof ca->folder));
    TRY(secret_new(sizeof *ca->key, &block));
    ca->key = block;
    *out_ca = ca;
    ca = NULL;
    return OK;
}

/* ------------------------------------------------------------------ create and load */

static result sign_certificate(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer,
                               const struct sign_key *key, struct bytes *out_der) {
    AUTO_X509_KEY gnutls_x509_privkey_t signer = NULL;
    TRY(x509_key_import(key, &signer));
    TRY(x509_result(gnutls_x509_crt_sign2(certificate, issuer, signer, GNUTLS_DIG_SHA512, 0),
                    "signing a certificate"));
    return x509_certificate_der(certificate, out_der);
}

static result self_certify(struct ca *ca) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    TRY(x509_certificate_new(ca->key->public_key, "myelin manager", ca->system, CA_DAYS,
                             &certificate));
    TRY(x509_result(gnutls_x509_crt_set_basic_constraints(certificate, 1, 0), "a CA certificate"));
    TRY(x509_result(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN),
                    "a CA certificate"));
    return sign_certificate(certificate, certificate, ca->key, &ca->certificate);
}

static result write_ca(const struct ca *ca) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes key_pem = {0};
    AUTO_BYTES struct bytes certificate_pem = {0};
    TRY(x509_key_to_pem(ca->key, &key_pem));
    TRY(x509_pem_from_der(bytes_view(&ca->certificate), &certificate_pem));
    TRY(path_join(ca->folder, "issued", path, sizeof path));
    TRY(file_make_folders(path, 0700));
    TRY(path_join(ca->folder, "ca.key.pem", path, sizeof path));
    TRY(file_create_atomic(path, bytes_view(&key_pem), 0600));
    TRY(path_join(ca->folder, "ca.crt.pem", path, sizeof path));
    return file_write_atomic(path, bytes_view(&certificate_pem), 0644);
}

result ca_create(const char *folder, const uint8_t system_id[FORMAT_ID_BYTES], struct ca **out_ca) {
    AUTO_CA struct ca *ca = NULL;
    TRY(ca_new(folder, &ca));
    memcpy(ca->system_id, system_id, sizeof ca->system_id);
    hex_encode(view_of(system_id, FORMAT_ID_BYTES), ca->system);
    sign_key_random(ca->key);
    TRY(self_certify(ca));
    TRY(write_ca(ca));
    *out_ca = ca;
    ca = NULL;
    return OK;
}

static result read_ca_file(const struct ca *ca, const char *name, struct bytes *out) {
    char path[PATH_MAX];
    TRY(path_join(ca->folder, name, path, sizeof path));
    result read = file_read(path, PEM_MAX, out);
    if (read == NOT_FOUND)
        return FAIL(DENIED, "no %s: only the manager, who has it, can do this", path);
    return read;
}

/* O of the certificate says which system; key and certificate must belong together. */
static result load_certificate(struct ca *ca, struct view pem) {
    uint8_t certified[SIGN_PUBLIC_BYTES];
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    size_t size = sizeof ca->system;
    TRY(x509_pem_to_der(pem, &ca->certificate));
    TRY(x509_certificate_parse(bytes_view(&ca->certificate), &certificate));
    int code = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0,
                                             ca->system, &size);
    if (code < 0 || hex_decode(ca->system, ca->system_id, sizeof ca->system_id) != OK)
        return FAIL(PROTOCOL, "the CA certificate names no system");
    TRY(x509_check_ca(bytes_view(&ca->certificate), ca->system, certified));
    if (memcmp(certified, ca->key->public_key, sizeof certified) != 0)
        return FAIL(PROTOCOL, "ca.key.pem is not the key of ca.crt.pem");
    return OK;
}

result ca_load(const char *folder, struct ca **out_ca) {
    AUTO_CA struct ca *ca = NULL;
    AUTO_BYTES struct bytes key_pem = {0};
    AUTO_BYTES struct bytes certificate_pem = {0};
    TRY(ca_new(folder, &ca));
    TRY(read_ca_file(ca, "ca.key.pem", &key_pem));
    TRY(read_ca_file(ca, "ca.crt.pem", &certificate_pem));
    result loaded = x509_key_from_pem(bytes_view(&key_pem), ca->key);
    if (loaded == OK)
        loaded = load_certificate(ca, bytes_view(&certificate_pem));
    if (loaded != OK)
        return error_at(loaded == PROTOCOL ? INTEGRITY : loaded, "%s", ca->folder);
    *out_ca = ca;
    ca = NULL;
    return OK;
}

/* ------------------------------------------------------------------ what was issued */

static result issued_path(const struct ca *ca, const char *name, char out[PATH_MAX]) {
    char file[FORMAT_NAME_MAX + 16];
    if (!format_is_name(name))
        return FAIL(INVALID, "'%.64s' is not a name ([a-z0-9][a-z0-9._-]*, at most %d)", name,
                    FORMAT_NAME_MAX);
    snprintf(file, sizeof file, "issued/%s.pem", name);
    return path_join(ca->folder, file, out, PATH_MAX);
}

bool ca_is_for(struct view certificate, const uint8_t identity[TLS_KEY_BYTES],
               const struct public_key *public_key) {
    uint8_t other[SIGN_PUBLIC_BYTES];
    struct public_key other_pk;
    if (x509_identity(certificate, other) != OK || memcmp(other, identity, sizeof other) != 0)
        return false;
    bool has_pk = user_public_key(certificate, &other_pk) == OK;
    if (public_key == NULL || !has_pk)
        return public_key == NULL && !has_pk;
    return g1_equal(&other_pk.pk1, &public_key->pk1) && g2_equal(&other_pk.pk2, &public_key->pk2);
}

/* The certificate of a name, DER. NOT_FOUND; INTEGRITY where it is none. */
static result read_issued(const struct ca *ca, const char *name, struct bytes *out_der) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes pem = {0};
    TRY(issued_path(ca, name, path));
    TRY(file_read(path, PEM_MAX, &pem));
    if (x509_pem_to_der(bytes_view(&pem), out_der) != OK)
        return error_at(INTEGRITY, "%s", path);
    return OK;
}

/* CONFLICT where the name belongs to other keys. */
static result check_name_is_free(const struct ca *ca, const char *name,
                                 const uint8_t identity[TLS_KEY_BYTES],
                                 const struct public_key *public_key, bool *out_is_known) {
    AUTO_BYTES struct bytes der = {0};
    *out_is_known = false;
    result read = read_issued(ca, name, &der);
    if (read == NOT_FOUND)
        return OK;
    TRY(read);
    if (!ca_is_for(bytes_view(&der), identity, public_key))
        return FAIL(CONFLICT, "the name %s is taken: the manager gave it to other keys", name);
    *out_is_known = true;
    return OK;
}

static result keep_issued(const struct ca *ca, const char *name, struct view der, bool is_known) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes pem = {0};
    TRY(issued_path(ca, name, path));
    TRY(x509_pem_from_der(der, &pem));
    if (is_known)
        return file_write_atomic(path, bytes_view(&pem), 0644);
    result created = file_create_atomic(path, bytes_view(&pem), 0644);
    if (created == CONFLICT)
        return FAIL(CONFLICT, "the name %s was given away just now", name);
    return created;
}

result ca_withdraw(const struct ca *ca, const char *name) {
    char path[PATH_MAX];
    char folder[PATH_MAX];
    TRY(issued_path(ca, name, path));
    TRY(path_join(ca->folder, "issued", folder, sizeof folder));
    if (unlink(path) != 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "removing %s: %s", path, strerror(errno));
    return file_sync_folder(folder);
}

result ca_withdraw_server(const struct ca *ca, const char *name) {
    AUTO_BYTES struct bytes der = {0};
    struct tls_peer peer;
    result read = read_issued(ca, name, &der);
    if (read == NOT_FOUND)
        return OK;
    TRY(read);
    if (tls_peer_check_untimed(bytes_view(&der), ca_certificate(ca), &peer) != OK)
        return error_at(INTEGRITY, "the certificate issued to %s", name);
    return peer.role == TLS_ROLE_USER ? OK : ca_withdraw(ca, name);
}

/* ------------------------------------------------------------------ issue */

/* PK as the DER OCTET STRING of its 144 bytes. */
static result set_public_key(gnutls_x509_crt_t certificate, const struct public_key *public_key) {
    uint8_t value[3 + PUBLIC_KEY_BYTES] = {0x04, 0x81, PUBLIC_KEY_BYTES};
    public_key_to_bytes(public_key, value + 3);
    return x509_result(gnutls_x509_crt_set_extension_by_oid(certificate, CA_PUBLIC_KEY_OID, value,
                                                            sizeof value, 0),
                       "a user's public key in a certificate");
}

static result set_purposes(gnutls_x509_crt_t certificate, enum tls_role role) {
    bool serves = role == TLS_ROLE_STORAGE || role == TLS_ROLE_KEY;
    TRY(x509_result(gnutls_x509_crt_set_basic_constraints(certificate, 0, -1), "a certificate"));
    TRY(x509_result(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE),
                    "a certificate"));
    if (serves)
        TRY(x509_result(
            gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0),
            "a certificate"));
    return x509_result(
        gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0),
        "a certificate");
}

/* Names and purposes that every certificate of the system has. */
static result certify(const struct ca *ca, const char *name, enum tls_role role,
                      const uint8_t identity[TLS_KEY_BYTES], const struct public_key *public_key,
                      unsigned days, struct bytes *out_der) {
    AUTO_X509 gnutls_x509_crt_t certificate = NULL;
    AUTO_X509 gnutls_x509_crt_t issuer = NULL;
    const char *unit = tls_role_name(role);
    TRY(x509_certificate_parse(bytes_view(&ca->certificate), &issuer));
    TRY(x509_certificate_new(identity, name, ca->system, days, &certificate));
    TRY(x509_result(gnutls_x509_crt_set_dn_by_oid(certificate,
                                                  GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, 0, unit,
                                                  (unsigned)strlen(unit)),
                    "a certificate's role"));
    TRY(x509_result(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name,
                                                         (unsigned)strlen(name), GNUTLS_FSAN_SET),
                    "a certificate's name"));
    TRY(set_purposes(certificate, role));
    if (public_key != NULL)
        TRY(set_public_key(certificate, public_key));
    return sign_certificate(certificate, issuer, ca->key, out_der);
}

static result issue(const struct ca *ca, const char *name, enum tls_role role,
                    const uint8_t identity[TLS_KEY_BYTES], const struct public_key *public_key,
                    unsigned days, struct bytes *out_certificate) {
    AUTO_BYTES struct bytes der = {0};
    bool is_known;
    if (days == 0)
        days = CA_DEFAULT_DAYS;
    if (days > CA_DAYS_MAX)
        return FAIL(INVALID, "a certificate for %u days: at most %d", days, CA_DAYS_MAX);
    TRY(check_name_is_free(ca, name, identity, public_key, &is_known));
    TRY(certify(ca, name, role, identity, public_key, days, &der));
    TRY(keep_issued(ca, name, bytes_view(&der), is_known));
    return bytes_append(out_certificate, bytes_view(&der));
}

result ca_issue_server(const struct ca *ca, const char *name, enum tls_role role,
                       const uint8_t identity[TLS_KEY_BYTES], unsigned days,
                       struct bytes *out_certificate) {
    if (role == TLS_ROLE_USER)
        return FAIL(INVALID, "%s: a user's certificate takes a public key", name);
    return issue(ca, name, role, identity, NULL, days, out_certificate);
}

result ca_issue_manager(const struct ca *ca, const char *name,
                        const uint8_t identity[TLS_KEY_BYTES], struct bytes *out_certificate) {
    return certify(ca, name, TLS_ROLE_MANAGER, identity, NULL, 1, out_certificate);
}

result ca_issue_user(const struct ca *ca, const struct ca_request *request, unsigned days,
                     struct bytes *out_certificate) {
    if (!format_is_name(request->user))
        return FAIL(INVALID, "'%.64s' is not a name ([a-z0-9][a-z0-9._-]*, at most %d)",
                    request->user, FORMAT_NAME_MAX);
    TRY(keygen_verify(&request->public_key, view_of_string(request->user),
                      view_of(request->possession, sizeof request->possession)));
    return issue(ca, request->user, TLS_ROLE_USER, request->identity, &request->public_key, days,
                 out_certificate);
}

result ca_renew_user(const struct ca *ca, struct view certificate, unsigned days,
                     struct bytes *out_certificate) {
    struct tls_peer peer;
    struct public_key public_key;
    TRY(tls_peer_check_untimed(certificate, ca_certificate(ca), &peer));
    if (peer.role != TLS_ROLE_USER || strcmp(peer.system, ca->system) != 0)
        return FAIL(DENIED, "%s is no user of this system", peer.name);
    TRY(user_public_key(certificate, &public_key));
    return issue(ca, peer.name, TLS_ROLE_USER, peer.identity, &public_key, days, out_certificate);
}

result ca_renew(const struct ca *ca, const char *name, unsigned days, enum tls_role *out_role,
                struct bytes *out_certificate) {
    AUTO_BYTES struct bytes der = {0};
    struct tls_peer peer;
    result read = read_issued(ca, name, &der);
    if (read == NOT_FOUND)
        return FAIL(NOT_FOUND, "the manager gave nobody the name %s", name);
    TRY(read);
    if (tls_peer_check_untimed(bytes_view(&der), ca_certificate(ca), &peer) != OK ||
        strcmp(peer.name, name) != 0)
        return error_at(INTEGRITY, "the certificate issued to %s", name);
    *out_role = peer.role;
    return peer.role == TLS_ROLE_USER
               ? ca_renew_user(ca, bytes_view(&der), days, out_certificate)
               : ca_issue_server(ca, name, peer.role, peer.identity, days, out_certificate);
}
