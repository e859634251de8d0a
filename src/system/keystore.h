/*
 * A user's secrets, a3 and the identity key's seed, under a passphrase: MYELIN_HOME/NAME.keystore.
 *
 *   file   "MYELINKS", then the message Keystore
 *   key    Argon2id (RFC 9106) of the passphrase, with the file's salt and limits
 *   box    XChaCha20-Poly1305 of KeystoreSecrets; associated data: the file with an empty box
 *
 * The box is authenticated together with all else in the file. Limits: 3 passes over 64 MiB when
 * written. A file that asks for more than format/limits.h allows is refused before any memory is
 * taken.
 */
#ifndef MYELIN_SYSTEM_KEYSTORE_H
#define MYELIN_SYSTEM_KEYSTORE_H

#include "format/format.h"
#include "group/scalar.h"
#include "scheme/keygen.h"
#include "system/description.h"
#include "system/passphrase.h"

enum { KEYSTORE_OPS = 3, KEYSTORE_MEMORY = 64 << 20 };

/* In secret memory. */
struct keystore_secrets {
    struct scalar a3;
    struct sign_key identity;
};

struct keystore {
    char user[FORMAT_NAME_MAX + 1];
    struct bytes certificate;       /* DER, from the CA that is trusted */
    struct description_trust trust; /* the manager and system that this user belongs to */
    struct keystore_secrets *secrets;
};

#define AUTO_KEYSTORE __attribute__((cleanup(keystore_free)))
void keystore_free(struct keystore *keystore);

/* The folder of keystores: MYELIN_HOME, else .myelin in HOME. INVALID where neither is set or the
 * path is too long. */
MUST_CHECK result keystore_home(char *out_path, size_t size);

/* The path of a user's keystore in that folder. INVALID where `user` is no name. */
MUST_CHECK result keystore_path(const char *user, char *out_path, size_t size);

/* Writes a new keystore, mode 0600 in a folder of mode 0700 that is made where missing. CONFLICT
 * where there is one already: it is never replaced. INVALID, IO, NO_MEMORY. */
MUST_CHECK result keystore_create(const char *path, const struct keystore *keystore,
                                  const struct passphrase *passphrase);

/* The same with other limits of Argon2id, within those of format/limits.h, for machines that cannot
 * spare the memory. */
MUST_CHECK result keystore_create_with_limits(const char *path, const struct keystore *keystore,
                                              const struct passphrase *passphrase,
                                              uint64_t ops_limit, uint64_t memory_limit);

/* A keystore file's bytes without opening the box: PROTOCOL where they break a rule. */
MUST_CHECK result keystore_parse(struct view file, Myelin__Keystore **out_keystore);

/*
 * Opens a keystore.
 *
 * NOT_FOUND  there is none; the text says how to enrol
 * DENIED     wrong passphrase, or the file was altered: the two cannot be told apart. Also where it
 *            is another user's
 * INTEGRITY  the file is damaged: it does not parse, or its parts do not belong together
 * IO, NO_MEMORY
 */
MUST_CHECK result keystore_open(const char *path, const char *user,
                                const struct passphrase *passphrase, struct keystore *out_keystore);

/* The keystore of a user who asks a manager elsewhere for his certificate: without one, and with a1
 * and a2 of `secret`, for until the answer is there his shares cannot be made. Errors as
 * keystore_create. */
MUST_CHECK result keystore_create_request(const char *path, const struct keystore *keystore,
                                          const struct secret_key *secret,
                                          const struct passphrase *passphrase);

/* Opens that; `out_secret` is in secret memory. Errors as keystore_open; INTEGRITY also where it is
 * another kind of keystore. */
MUST_CHECK result keystore_open_request(const char *path, const char *user,
                                        const struct passphrase *passphrase,
                                        struct keystore *out_keystore,
                                        struct secret_key **out_secret);

/* Removes a keystore that is needed no more, its blocks overwritten as far as the file system lets
 * them be. No error where there is none. IO. */
MUST_CHECK result keystore_destroy(const char *path);

/* Waits for whoever else replaces a keystore of that folder, and removes what was left by one who
 * was killed. Closing `out_lock` ends it. IO. */
MUST_CHECK result keystore_lock(const char *path, const char *user, int *out_lock);

/* Replaces the file, atomically, by one with a new certificate for the same keys; under
 * keystore_lock since it was opened. IO, NO_MEMORY. */
MUST_CHECK result keystore_replace(const char *path, const struct keystore *keystore,
                                   const struct passphrase *passphrase);

/* Replaces the file, atomically, by one under the new passphrase, and overwrites the old one, which
 * the old passphrase opens; `out_is_wiped` false, with the error's text, where that failed or the
 * file has other links. INVALID where the new passphrase is the old one; else errors as
 * keystore_open. */
MUST_CHECK result keystore_change_passphrase(const char *path, const char *user,
                                             const struct passphrase *old_passphrase,
                                             const struct passphrase *new_passphrase,
                                             bool *out_is_wiped);

#endif
