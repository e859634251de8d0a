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

#include "format/generation.h"
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

/* A user's share, active or pending; or, where the file says so, none: see share_file_holds.
 * NOT_FOUND; INTEGRITY, naming the user, where the file is
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

/* Keeps `certificate`, which the caller has found to be a later one for the same keys, with the
 * active share of `user`. NOT_FOUND where he has none; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result share_store_renew(struct share_store *store, const char *user,
                                    struct view certificate);

/* ------------------------------------------------------------------ generations
 *
 * A refresh or a resharing puts the next generation beside the share, in the same file, and once
 * enough key servers have done so in its place: docs/PROTOCOL.md, "Share care". Each call is one
 * durable replacement of the file; until the last one the share stays as it is. */

/* Whether a file has a share of its generation. One that has not is `shareless`: this server held
 * one once, or is to hold one of the next generation, and keeps of the user who he is and what it
 * promised. Its share is zeros. */
bool share_file_holds(const Myelin__ShareFile *file);

/* The id of the generation of a share file. */
void share_file_generation(const Myelin__ShareFile *file, uint8_t out_generation[DIGEST_BYTES]);

/* The next generation that a share file brings along. NOT_FOUND where there is none; INTEGRITY,
 * NO_MEMORY. */
MUST_CHECK result share_store_next(const struct share_store *store, const Myelin__ShareFile *file,
                                   struct share_record *out_record);

/* Which generation a share is used of, and which other one could be. */
struct share_choice {
    uint8_t generation[DIGEST_BYTES], also[DIGEST_BYTES];
    bool has_also;
};

/* `record`, which share_store_get gave, becomes the next generation where `wanted` (an id, or empty
 * for the server's choice) asks for it, or this server has a share of that one only. CONFLICT where
 * it is neither; QUORUM where other key servers hold the user's shares; errors as share_store_next.
 */
MUST_CHECK result share_store_choose(const struct share_store *store, struct view wanted,
                                     struct share_record *record, struct share_choice *out_choice);

/* From now on no ballot below `ballot` is accepted; nothing changes where a higher one was
 * promised. Gives what is stored then. Errors as share_store_get; NOT_FOUND for a pending share. */
MUST_CHECK result share_store_promise(struct share_store *store, const char *user, uint64_t ballot,
                                      struct share_record *out_record);

/* Keeps `share` with `commitments` as the generation after `base`, under `ballot`, in the place of
 * another that was accepted before. CONFLICT where the share is not of `base`, a higher ballot was
 * promised, or another generation accepted under this one; INVALID, errors as share_store_get. */
struct share_step {
    const uint8_t *base; /* DIGEST_BYTES */
    const Myelin__ShareFile
        *stand_in; /* where this server holds no share: of the base, shareless */
    uint64_t ballot;
    const struct key_share *share; /* NULL: this server will hold none */
    const struct share_commitments *commitments;
    struct view holders; /* as the file will have them */
    size_t dealing_count;
    Myelin__Signed *const *dealings;
};
MUST_CHECK result share_store_accept(struct share_store *store, const char *user,
                                     const struct share_step *step);

/* Puts the accepted generation in the place of the share, which is overwritten on the disk. OK
 * where it stands there already; CONFLICT where another one or none was accepted. */
MUST_CHECK result share_store_finish(struct share_store *store, const char *user,
                                     const uint8_t generation[DIGEST_BYTES]);

/* Puts `file`, shareless and of a later epoch, in the place of the share, which is overwritten: for
 * one that missed that others hold the shares now. CONFLICT where the epoch is not later. */
MUST_CHECK result share_store_leave(struct share_store *store, const Myelin__ShareFile *file);

/* Puts in a share that was made anew for this server: `file`'s user, certificate, commitments,
 * holders, epoch and enrolled_ms count. Only where there is none, none that is active or can be
 * read, or one of an earlier epoch; OK where there is the same generation. CONFLICT; INVALID, IO,
 * NO_MEMORY. */
MUST_CHECK result share_store_restore(struct share_store *store, const Myelin__ShareFile *file,
                                      const struct key_share *share);

/* Appends an encoded UserPage of at most `limit` users with an active share after `after` ("" at
 * the start), in the order of their names. NO_MEMORY. */
MUST_CHECK result share_store_page(struct share_store *store, const char *after, size_t limit,
                                   struct bytes *out_page);

/* Users with an active share here. */
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
