/*
 * A key server's shares at rest, one file a user, sealed under the server's seal key.
 *
 *   FOLDER/USER.share   "MYELINSH", then the message ShareFile
 *   box                 XChaCha20-Poly1305 of s1 || s2; associated data: the file with an empty box
 *
 * So whoever holds the disk and not the seal key learns no share and can change nothing unnoticed:
 * neither whose share it is, nor the certificate or commitments beside it, nor that it is active.
 * Files are replaced atomically and are durable before a call returns. A damaged file concerns its
 * own user alone.
 */
#ifndef MYELIN_KEYS_SHARE_STORE_H
#define MYELIN_KEYS_SHARE_STORE_H

#include "format/format.h"
#include "scheme/share_keygen.h"

enum { SEAL_KEY_BYTES = 32 };

/* Safe from any thread. */
struct share_store;

/* What is stored for a user. */
struct share_record {
    Myelin__ShareFile *file; /* checked against its seal: certificate, commitments, active .. */
    struct key_share *share; /* secret memory */
};

#define AUTO_SHARE __attribute__((cleanup(share_record_free)))
void share_record_free(struct share_record *record);

/* Opens or makes `folder`; reads every file once, to know the active users, and logs the damaged
 * ones. `seal_key` is copied to secret memory. `index` is this server's, `m` and `t` are not looked
 * at here. IO, NO_MEMORY. */
MUST_CHECK result share_store_open(const char *folder, const uint8_t seal_key[SEAL_KEY_BYTES],
                                   uint32_t index, struct share_store **out_store);
void share_store_close(struct share_store *store);
void share_store_close_at(struct share_store **store);

/* A user's share, active or pending. NOT_FOUND; INTEGRITY, naming the user, where the file is
 * truncated, altered, another user's or sealed under another key; IO, NO_MEMORY. */
MUST_CHECK result share_store_get(struct share_store *store, const char *user,
                                  struct share_record *out_record);

/* Keeps a share as pending, in the place of an earlier pending one. The caller has checked it
 * (share_check) and that `certificate` (DER) is the user's. Where the user's share is active, the
 * same share with the same certificate changes nothing, and with `renewed`, meaning that only the
 * certificate's validity differs, the new certificate is kept. CONFLICT for any other share;
 * INVALID, INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result share_store_put(struct share_store *store, const Myelin__EnrollShare *enroll,
                                  struct view certificate, bool renewed, uint64_t now_ms);

/* Makes the pending share of `user`, put with this very certificate, the share. OK where it is
 * active already. NOT_FOUND; CONFLICT for another certificate; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result share_store_activate(struct share_store *store, const char *user,
                                       struct view certificate);

/* Appends an encoded UserPage of at most `limit` active users after `after` ("" at the start), in
 * the order of their names. NO_MEMORY. */
MUST_CHECK result share_store_page(struct share_store *store, const char *after, size_t limit,
                                   struct bytes *out_page);

size_t share_store_count(struct share_store *store);

/* A share file's bytes, opened: what share_store_get does with them. INTEGRITY, NO_MEMORY. */
MUST_CHECK result share_file_open(struct view contents, const uint8_t seal_key[SEAL_KEY_BYTES],
                                  const char *user, uint32_t index,
                                  struct share_record *out_record);

/* The bytes of a share file with a fresh nonce; `file`'s nonce and box are not looked at.
 * INVALID, NO_MEMORY. */
MUST_CHECK result share_file_seal(const Myelin__ShareFile *file, const struct key_share *share,
                                  const uint8_t seal_key[SEAL_KEY_BYTES],
                                  struct bytes *out_contents);

#endif
