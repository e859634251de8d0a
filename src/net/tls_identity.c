#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/sign.h"
#include "net/tls.h"

enum { PATH_BYTES = 32, KEY_PEM_BYTES = 256 };

/* A PEM text twice: in memory for libmicrohttpd and as a path for libcurl. */
struct pem {
    char *text; /* ends in a zero byte */
    size_t len;
    int fd;
    char path[PATH_BYTES];
};

struct tls_identity {
    struct tls_peer self;
    struct bytes certificate_der;
    struct bytes ca_der;
    struct bytes certificate_text;
    struct bytes ca_text;
    char *key_text;   /* from secret_new */
    void *key_pinned; /* keeps the key file's page out of the swap */
    struct pem certificate;
    struct pem ca;
    struct pem key;
};

/* An anonymous file that nobody can change any more. */
static result pem_publish(struct pem *pem, const char *what) {
    pem->fd = memfd_create(what, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (pem->fd < 0)
        return FAIL(IO, "no anonymous file for the %s: %m", what);
    TRY(file_write_all(pem->fd, view_of(pem->text, pem->len), what));
    if (fcntl(pem->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return FAIL(IO, "the anonymous file for the %s cannot be sealed: %m", what);
    snprintf(pem->path, sizeof pem->path, "/proc/self/fd/%d", pem->fd);
    return OK;
}

static result certificate_publish(struct bytes *der, struct bytes *text, struct pem *pem,
                                  const char *what) {
    gnutls_datum_t in = {der->data, (unsigned)der->len};
    gnutls_datum_t out = {NULL, 0};
    if (gnutls_pem_base64_encode2("CERTIFICATE", &in, &out) != GNUTLS_E_SUCCESS)
        return FAIL(NO_MEMORY, "no memory for the %s", what);
    result appended = bytes_append(text, view_of(out.data, out.size));
    gnutls_free(out.data);
    TRY(appended);
    TRY(bytes_append(text, view_of("", 1)));
    pem->text = (char *)text->data;
    pem->len = text->len - 1;
    return pem_publish(pem, what);
}

/* PKCS#8 of an Ed25519 key is a fixed head and the seed (RFC 8410, section 7). */
static result key_to_pem(const uint8_t seed[TLS_KEY_BYTES], char *out_text, size_t *out_len) {
    static const uint8_t head[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                   0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    uint8_t der[sizeof head + TLS_KEY_BYTES];
    memcpy(der, head, sizeof head);
    memcpy(der + sizeof head, seed, TLS_KEY_BYTES);
    gnutls_datum_t in = {der, sizeof der};
    size_t size = KEY_PEM_BYTES;
    int code = gnutls_pem_base64_encode("PRIVATE KEY", &in, out_text, &size);
    secret_wipe(der, sizeof der);
    if (code != GNUTLS_E_SUCCESS)
        return FAIL(INTERNAL, "the key has no PEM form: %s", gnutls_strerror(code));
    *out_len = strlen(out_text);
    return OK;
}

static result key_publish(struct tls_identity *identity, const uint8_t seed[TLS_KEY_BYTES]) {
    void *block = NULL;
    TRY(secret_new(KEY_PEM_BYTES, &block));
    identity->key_text = block;
    identity->key.text = block;
    TRY(key_to_pem(seed, identity->key.text, &identity->key.len));
    TRY(pem_publish(&identity->key, "identity key"));
    void *page = mmap(NULL, identity->key.len, PROT_READ, MAP_PRIVATE, identity->key.fd, 0);
    if (page == MAP_FAILED)
        return FAIL(NO_MEMORY, "the identity key cannot be mapped: %m");
    identity->key_pinned = page;
    if (mlock(page, identity->key.len) != 0)
        return FAIL(NO_MEMORY, "no locked memory for the identity key; see 'ulimit -l'");
    return OK;
}

static result check_key(const struct tls_peer *self, const uint8_t seed[TLS_KEY_BYTES]) {
    AUTO_SECRET void *block = NULL;
    TRY(secret_new(sizeof(struct sign_key), &block));
    struct sign_key *key = block;
    sign_key_from_seed(seed, key);
    if (memcmp(key->public_key, self->identity, TLS_KEY_BYTES) != 0)
        return FAIL(INVALID, "the identity key is not that of the certificate of %s", self->name);
    return OK;
}

static result identity_fill(struct tls_identity *identity, struct view certificate,
                            const uint8_t seed[TLS_KEY_BYTES], struct view ca) {
    TRY(bytes_append(&identity->certificate_der, certificate));
    TRY(bytes_append(&identity->ca_der, ca));
    if (tls_peer_check_untimed(bytes_view(&identity->certificate_der),
                               bytes_view(&identity->ca_der), &identity->self) != OK)
        return error_at(INVALID, "own identity");
    TRY(check_key(&identity->self, seed));
    TRY(certificate_publish(&identity->certificate_der, &identity->certificate_text,
                            &identity->certificate, "certificate"));
    TRY(certificate_publish(&identity->ca_der, &identity->ca_text, &identity->ca,
                            "CA certificate"));
    return key_publish(identity, seed);
}

result tls_identity_new(struct view certificate, const uint8_t seed[TLS_KEY_BYTES], struct view ca,
                        struct tls_identity **out_identity) {
    AUTO_TLS_IDENTITY struct tls_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return FAIL(NO_MEMORY, "no memory for an identity");
    identity->certificate.fd = identity->ca.fd = identity->key.fd = -1;
    TRY(identity_fill(identity, certificate, seed, ca));
    *out_identity = identity;
    identity = NULL;
    return OK;
}

void tls_identity_free(struct tls_identity *identity) {
    if (identity == NULL)
        return;
    if (identity->key_pinned != NULL)
        munmap(identity->key_pinned, identity->key.len);
    file_close_at(&identity->certificate.fd);
    file_close_at(&identity->ca.fd);
    file_close_at(&identity->key.fd);
    secret_free(identity->key_text);
    bytes_free(&identity->certificate_text);
    bytes_free(&identity->ca_text);
    bytes_free(&identity->certificate_der);
    bytes_free(&identity->ca_der);
    free(identity);
}

void tls_identity_free_at(struct tls_identity **identity) {
    tls_identity_free(*identity);
}

const struct tls_peer *tls_identity_self(const struct tls_identity *identity) {
    return &identity->self;
}

struct view tls_identity_ca(const struct tls_identity *identity) {
    return bytes_view(&identity->ca_der);
}

const char *tls_identity_certificate_pem(const struct tls_identity *identity) {
    return identity->certificate.text;
}

const char *tls_identity_key_pem(const struct tls_identity *identity) {
    return identity->key.text;
}

const char *tls_identity_ca_pem(const struct tls_identity *identity) {
    return identity->ca.text;
}

const char *tls_identity_certificate_path(const struct tls_identity *identity) {
    return identity->certificate.path;
}

const char *tls_identity_key_path(const struct tls_identity *identity) {
    return identity->key.path;
}

const char *tls_identity_ca_path(const struct tls_identity *identity) {
    return identity->ca.path;
}
