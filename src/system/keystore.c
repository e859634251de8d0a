#include "system/keystore.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "system/paths.h"
#include "system/x509.h"

static const char magic[] = "MYELINKS";
enum { MAGIC_BYTES = sizeof magic - 1, KEYSTORE_KEY_BYTES = 32 };

_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == KEYSTORE_KEY_BYTES, "key");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == FORMAT_BOX_NONCE_BYTES, "nonce");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == FORMAT_BOX_TAG_BYTES, "tag");
_Static_assert(crypto_pwhash_argon2id_SALTBYTES == FORMAT_KEYSTORE_SALT_BYTES, "salt");

void keystore_free(struct keystore *keystore) {
    bytes_free(&keystore->certificate);
    secret_free(keystore->secrets);
    *keystore = (struct keystore){0};
}

/* ------------------------------------------------------------------ where */

result keystore_home(char *out_path, size_t size) {
    const char *home = getenv("MYELIN_HOME");
    if (home != NULL && home[0] != '\0')
        return path_join(home, "", out_path, size);
    home = getenv("HOME");
    if (home == NULL || home[0] == '\0')
        return FAIL(INVALID, "where are the keystores? set MYELIN_HOME or HOME");
    return path_join(home, ".myelin", out_path, size);
}

result keystore_path(const char *user, char *out_path, size_t size) {
    char home[PATH_MAX];
    char file[FORMAT_NAME_MAX + 16];
    if (!format_is_name(user))
        return FAIL(INVALID, "'%.64s' is not a name ([a-z0-9][a-z0-9._-]*, at most %d)", user,
                    FORMAT_NAME_MAX);
    TRY(keystore_home(home, sizeof home));
    snprintf(file, sizeof file, "%s.keystore", user);
    return path_join(home, file, out_path, size);
}

/* ------------------------------------------------------------------ the box */

/* Argon2id with the file's own limits, which the parser has bounded. */
static result box_key(const Myelin__Keystore *file, const struct passphrase *passphrase,
                      uint8_t **out_key) {
    void *key = NULL;
    TRY(secret_new(KEYSTORE_KEY_BYTES, &key));
    if (crypto_pwhash(key, KEYSTORE_KEY_BYTES, passphrase->text, passphrase->len, file->salt.data,
                      file->ops_limit, file->memory_limit, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        secret_free(key);
        return FAIL(NO_MEMORY, "no %llu MiB of memory for the passphrase's Argon2id",
                    (unsigned long long)file->memory_limit >> 20);
    }
    *out_key = key;
    return OK;
}

/* Everything but the box: the associated data. */
static result box_context(const Myelin__Keystore *file, struct bytes *out_context) {
    Myelin__Keystore boxless = *file;
    boxless.box = (ProtobufCBinaryData){0, NULL};
    TRY(bytes_append(out_context, view_of(magic, MAGIC_BYTES)));
    size_t len = format_packed_bytes(&boxless);
    TRY(bytes_reserve(out_context, out_context->len + len));
    format_pack_to(&boxless, out_context->data + out_context->len);
    out_context->len += len;
    return OK;
}

/* Of a request's keystore, or of another. */
static size_t box_bytes(bool requests) {
    return requests ? FORMAT_KEYSTORE_REQUEST_BOX_BYTES : FORMAT_KEYSTORE_BOX_BYTES;
}

/* KeystoreSecrets in secret memory, the box's length without its tag; `secret` NULL: without a1 and
 * a2. */
static result pack_secrets(const struct keystore_secrets *secrets, const struct secret_key *secret,
                           uint8_t **out_packed) {
    Myelin__KeystoreSecrets message = MYELIN__KEYSTORE_SECRETS__INIT;
    AUTO_SECRET uint8_t *scalars = NULL;
    void *packed = NULL;
    TRY(secret_new(3 * SCALAR_BYTES, (void **)&scalars));
    scalar_to_bytes(&secrets->a3, scalars);
    message.a3 = format_bytes(view_of(scalars, SCALAR_BYTES));
    message.identity_seed =
        format_bytes(view_of(secrets->identity.seed, sizeof secrets->identity.seed));
    if (secret != NULL) {
        scalar_to_bytes(&secret->a1, scalars + SCALAR_BYTES);
        scalar_to_bytes(&secret->a2, scalars + 2 * SCALAR_BYTES);
        message.a1 = format_bytes(view_of(scalars + SCALAR_BYTES, SCALAR_BYTES));
        message.a2 = format_bytes(view_of(scalars + 2 * SCALAR_BYTES, SCALAR_BYTES));
    }
    TRY(secret_new(box_bytes(secret != NULL) - FORMAT_BOX_TAG_BYTES, &packed));
    format_pack_to(&message, packed);
    *out_packed = packed;
    return OK;
}

static result box_seal(const Myelin__Keystore *file, const struct passphrase *passphrase,
                       const struct keystore_secrets *secrets, const struct secret_key *secret,
                       uint8_t *out_box) {
    AUTO_SECRET uint8_t *key = NULL;
    AUTO_SECRET uint8_t *packed = NULL;
    AUTO_BYTES struct bytes context = {0};
    TRY(box_key(file, passphrase, &key));
    TRY(box_context(file, &context));
    TRY(pack_secrets(secrets, secret, &packed));
    crypto_aead_xchacha20poly1305_ietf_encrypt(out_box, NULL, packed,
                                               file->box.len - FORMAT_BOX_TAG_BYTES, context.data,
                                               context.len, NULL, file->nonce.data, key);
    return OK;
}

/* `secret` NULL: of a keystore that has no a1 and a2. */
static result read_secrets(struct view packed, struct keystore_secrets *secrets,
                           struct secret_key *secret) {
    AUTO_FORMAT Myelin__KeystoreSecrets *message = NULL;
    TRY(format_parse_keystore_secrets(packed, &message));
    if ((message->a1.len != 0) != (secret != NULL))
        return FAIL(PROTOCOL, "its secrets are not those of its kind");
    TRY(scalar_parse_nonzero("a3", format_view(message->a3), &secrets->a3));
    sign_key_from_seed(message->identity_seed.data, &secrets->identity);
    if (secret == NULL)
        return OK;
    secret->a3 = secrets->a3;
    TRY(scalar_parse_nonzero("a1", format_view(message->a1), &secret->a1));
    return scalar_parse_nonzero("a2", format_view(message->a2), &secret->a2);
}

static result box_open(const Myelin__Keystore *file, const struct passphrase *passphrase,
                       struct keystore_secrets *secrets, struct secret_key *secret) {
    AUTO_SECRET uint8_t *key = NULL;
    AUTO_SECRET void *packed = NULL;
    AUTO_BYTES struct bytes context = {0};
    size_t len = file->box.len - FORMAT_BOX_TAG_BYTES;
    TRY(box_key(file, passphrase, &key));
    TRY(box_context(file, &context));
    TRY(secret_new(len, &packed));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(packed, NULL, NULL, file->box.data,
                                                   file->box.len, context.data, context.len,
                                                   file->nonce.data, key) != 0)
        return FAIL(DENIED, "wrong passphrase for %s's keystore, or the file was altered",
                    file->user);
    return read_secrets(view_of(packed, len), secrets, secret);
}

/* ------------------------------------------------------------------ the file */

/* How a keystore is sealed. */
struct sealing {
    const struct passphrase *passphrase;
    uint64_t ops_limit, memory_limit;
    const struct secret_key *secret; /* of a request's; else NULL */
};

/* Salt and nonce are fresh each time: a new passphrase is a new key. */
static result seal_file(const struct keystore *keystore, const struct sealing *sealing,
                        struct bytes *out_file) {
    Myelin__Keystore file = MYELIN__KEYSTORE__INIT;
    uint8_t salt[FORMAT_KEYSTORE_SALT_BYTES];
    uint8_t nonce[FORMAT_BOX_NONCE_BYTES];
    uint8_t box[FORMAT_KEYSTORE_REQUEST_BOX_BYTES] = {0};
    char user[FORMAT_NAME_MAX + 1];
    secret_random(salt, sizeof salt);
    secret_random(nonce, sizeof nonce);
    memcpy(user, keystore->user, sizeof user);
    file.format = 1;
    file.user = user;
    file.certificate = format_bytes(bytes_view(&keystore->certificate));
    file.system_id = format_bytes(view_of(keystore->trust.system_id, FORMAT_ID_BYTES));
    file.ca_key = format_bytes(view_of(keystore->trust.ca_key, FORMAT_IDENTITY_BYTES));
    file.ops_limit = sealing->ops_limit;
    file.memory_limit = sealing->memory_limit;
    file.salt = format_bytes(view_of(salt, sizeof salt));
    file.nonce = format_bytes(view_of(nonce, sizeof nonce));
    file.box = format_bytes(view_of(box, box_bytes(sealing->secret != NULL)));
    TRY(bytes_append(out_file, view_of(magic, MAGIC_BYTES)));
    TRY(format_pack(&file, out_file)); /* checks the limits before they are used */
    TRY(box_seal(&file, sealing->passphrase, keystore->secrets, sealing->secret, box));
    out_file->len = MAGIC_BYTES;
    return format_pack(&file, out_file);
}

static result create(const char *path, const struct keystore *keystore,
                     const struct sealing *sealing) {
    AUTO_BYTES struct bytes file = {0};
    char folder[PATH_MAX];
    TRY(seal_file(keystore, sealing, &file));
    TRY(file_parent(path, folder));
    TRY(file_make_folders(folder, 0700));
    result created = file_create_atomic(path, bytes_view(&file), 0600);
    if (created == CONFLICT)
        return FAIL(CONFLICT, "%s has a keystore already, %s; it is never replaced", keystore->user,
                    path);
    return created;
}

result keystore_create_with_limits(const char *path, const struct keystore *keystore,
                                   const struct passphrase *passphrase, uint64_t ops_limit,
                                   uint64_t memory_limit) {
    return create(path, keystore, &(struct sealing){passphrase, ops_limit, memory_limit, NULL});
}

result keystore_create(const char *path, const struct keystore *keystore,
                       const struct passphrase *passphrase) {
    return keystore_create_with_limits(path, keystore, passphrase, KEYSTORE_OPS, KEYSTORE_MEMORY);
}

result keystore_create_request(const char *path, const struct keystore *keystore,
                               const struct secret_key *secret,
                               const struct passphrase *passphrase) {
    return create(path, keystore,
                  &(struct sealing){passphrase, KEYSTORE_OPS, KEYSTORE_MEMORY, secret});
}

result keystore_parse(struct view file, Myelin__Keystore **out_keystore) {
    struct view head;
    if (!view_take(&file, MAGIC_BYTES, &head) || !view_equal(head, view_of(magic, MAGIC_BYTES)))
        return FAIL(PROTOCOL, "not a keystore");
    return format_parse_keystore(file, out_keystore);
}

/* The secrets must be those that the certificate speaks of. */
static result check_belongs(const Myelin__Keystore *file, const struct keystore_secrets *secrets) {
    uint8_t certified[SIGN_PUBLIC_BYTES];
    TRY(x509_identity(format_view(file->certificate), certified));
    if (memcmp(certified, secrets->identity.public_key, sizeof certified) != 0)
        return FAIL(PROTOCOL, "the certificate is not for the identity key in it");
    return OK;
}

/* `secret` as in read_secrets. */
static result open_parsed(const Myelin__Keystore *file, const char *user,
                          const struct passphrase *passphrase, struct secret_key *secret,
                          struct keystore *out_keystore) {
    AUTO_KEYSTORE struct keystore keystore = {0};
    void *secrets = NULL;
    if (strcmp(file->user, user) != 0)
        return FAIL(DENIED, "it is the keystore of %s, not of %s", file->user, user);
    if ((file->certificate.len == 0) != (secret != NULL))
        return FAIL(PROTOCOL, secret != NULL ? "it is no request's, but has a certificate"
                                             : "it is a request's and has no certificate yet");
    TRY(secret_new(sizeof *keystore.secrets, &secrets));
    keystore.secrets = secrets;
    TRY(box_open(file, passphrase, keystore.secrets, secret));
    if (secret == NULL)
        TRY(check_belongs(file, keystore.secrets));
    TRY(bytes_append(&keystore.certificate, format_view(file->certificate)));
    memcpy(keystore.user, file->user, strlen(file->user) + 1);
    memcpy(keystore.trust.system_id, file->system_id.data, FORMAT_ID_BYTES);
    memcpy(keystore.trust.ca_key, file->ca_key.data, FORMAT_IDENTITY_BYTES);
    *out_keystore = keystore;
    keystore = (struct keystore){0};
    return OK;
}

static result read_file(const char *path, const char *user, Myelin__Keystore **out_file) {
    AUTO_BYTES struct bytes contents = {0};
    result read = file_read(path, MAGIC_BYTES + FORMAT_LIMIT_KEYSTORE, &contents);
    if (read == NOT_FOUND)
        return FAIL(NOT_FOUND, "no keystore of %s at %s: enrol with 'myelin enroll %s'", user, path,
                    user);
    if (read == INVALID)
        return error_at(INTEGRITY, "not a keystore");
    TRY(read);
    result parsed = keystore_parse(bytes_view(&contents), out_file);
    return parsed == OK ? OK : error_at(parsed == PROTOCOL ? INTEGRITY : parsed, "%s", path);
}

static result open_file(const char *path, const char *user, const struct passphrase *passphrase,
                        struct secret_key *secret, struct keystore *out_keystore) {
    AUTO_FORMAT Myelin__Keystore *file = NULL;
    TRY(read_file(path, user, &file));
    result opened = open_parsed(file, user, passphrase, secret, out_keystore);
    return opened == OK ? OK : error_at(opened == PROTOCOL ? INTEGRITY : opened, "%s", path);
}

result keystore_open(const char *path, const char *user, const struct passphrase *passphrase,
                     struct keystore *out_keystore) {
    return open_file(path, user, passphrase, NULL, out_keystore);
}

result keystore_open_request(const char *path, const char *user,
                             const struct passphrase *passphrase, struct keystore *out_keystore,
                             struct secret_key **out_secret) {
    AUTO_SECRET struct secret_key *secret = NULL;
    TRY(secret_new(sizeof *secret, (void **)&secret));
    TRY(open_file(path, user, passphrase, secret, out_keystore));
    *out_secret = secret;
    secret = NULL;
    return OK;
}

result keystore_replace(const char *path, const struct keystore *keystore,
                        const struct passphrase *passphrase) {
    AUTO_BYTES struct bytes file = {0};
    const struct sealing sealing = {passphrase, KEYSTORE_OPS, KEYSTORE_MEMORY, NULL};
    TRY(seal_file(keystore, &sealing, &file));
    return file_write_atomic(path, bytes_view(&file), 0600);
}
