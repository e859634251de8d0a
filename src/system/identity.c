#include "system/identity.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/secret.h"
#include "system/paths.h"
#include "system/x509.h"

enum { PEM_MAX = 16 << 10 };

void identity_free(struct identity *identity) {
    tls_identity_free(identity->tls);
    secret_free(identity->key);
    *identity = (struct identity){0};
}

static result key_new(struct sign_key **out_key) {
    void *block = NULL;
    TRY(secret_new(sizeof(struct sign_key), &block));
    *out_key = block;
    return OK;
}

/* The certificate must be the system's, for that role and this key. */
static result check_certificate(struct view certificate, const struct description *description,
                                enum tls_role role, const struct sign_key *key,
                                struct tls_peer *out_peer) {
    struct view ca = format_view(description->system->ca_certificate);
    TRY(tls_peer_check(certificate, ca, time(NULL), out_peer));
    if (strcmp(out_peer->system, description->id) != 0)
        return FAIL(DENIED, "the certificate of %s is of another system", out_peer->name);
    if (out_peer->role != role)
        return FAIL(DENIED, "the certificate of %s is for the role %s, not %s", out_peer->name,
                    tls_role_name(out_peer->role), tls_role_name(role));
    if (memcmp(out_peer->identity, key->public_key, sizeof out_peer->identity) != 0)
        return FAIL(INTEGRITY, "the key is not that of the certificate of %s", out_peer->name);
    return OK;
}

static result complete(struct identity *identity, const struct tls_peer *peer,
                       const struct description *description) {
    memcpy(identity->name, peer->name, sizeof identity->name);
    identity->role = peer->role;
    return tls_identity_new(peer->certificate, identity->key->seed,
                            format_view(description->system->ca_certificate), &identity->tls);
}

/* ------------------------------------------------------------------ servers */

static result read_part(const char *folder, const char *name, struct bytes *out) {
    char path[PATH_MAX];
    TRY(path_join(folder, name, path, sizeof path));
    result read = file_read(path, PEM_MAX, out);
    return read == INVALID ? error_at(INTEGRITY, "credentials") : read;
}

static result read_credentials(const char *folder, struct sign_key *key,
                               struct bytes *certificate) {
    AUTO_BYTES struct bytes key_pem = {0};
    AUTO_BYTES struct bytes certificate_pem = {0};
    TRY(read_part(folder, "certificate.pem", &certificate_pem));
    TRY(read_part(folder, "key.pem", &key_pem));
    result read = x509_pem_to_der(bytes_view(&certificate_pem), certificate);
    if (read == OK)
        read = x509_key_from_pem(bytes_view(&key_pem), key);
    return read == PROTOCOL ? INTEGRITY : read;
}

/* The description must name this server, with this key. */
static result check_named(const struct tls_peer *peer, const struct description *description) {
    const Myelin__System *system = description->system;
    int index = description_find_key(description, peer->name);
    const Myelin__Server *server = peer->role == TLS_ROLE_STORAGE
                                       ? description_storage_server(description, peer->name)
                                   : index >= 0 ? system->key[index]
                                                : NULL;
    if (server == NULL)
        return FAIL(DENIED, "%s is no %s server of the system description", peer->name,
                    tls_role_name(peer->role));
    if (memcmp(server->identity.data, peer->identity, sizeof peer->identity) != 0)
        return FAIL(DENIED, "the system description has another key for %s", peer->name);
    return OK;
}

static result load_server(const char *folder, enum tls_role role,
                          const struct description *description, struct identity *out_identity) {
    AUTO_IDENTITY struct identity identity = {0};
    AUTO_BYTES struct bytes certificate = {0};
    struct tls_peer peer;
    TRY(key_new(&identity.key));
    TRY(read_credentials(folder, identity.key, &certificate));
    TRY(check_certificate(bytes_view(&certificate), description, role, identity.key, &peer));
    TRY(check_named(&peer, description));
    TRY(complete(&identity, &peer, description));
    *out_identity = identity;
    identity = (struct identity){0};
    return OK;
}

result identity_load_server(const char *folder, enum tls_role role,
                            const struct description *description, struct identity *out_identity) {
    if (role != TLS_ROLE_STORAGE && role != TLS_ROLE_KEY)
        return FAIL(INTERNAL, "no server has the role %s", tls_role_name(role));
    result loaded = load_server(folder, role, description, out_identity);
    return loaded == OK ? OK : error_at(loaded, "%s", folder);
}

result identity_write_server(const char *folder, struct view certificate,
                             const struct sign_key *key) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes key_pem = {0};
    AUTO_BYTES struct bytes certificate_pem = {0};
    TRY(x509_pem_from_der(certificate, &certificate_pem));
    TRY(x509_key_to_pem(key, &key_pem));
    TRY(file_make_folders(folder, 0700));
    TRY(path_join(folder, "key.pem", path, sizeof path));
    TRY(file_write_atomic(path, bytes_view(&key_pem), 0600));
    TRY(path_join(folder, "certificate.pem", path, sizeof path));
    return file_write_atomic(path, bytes_view(&certificate_pem), 0644);
}
