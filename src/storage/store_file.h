/*
 * What the parts of the "file:" backend share; for src/storage/store_file*.c alone.
 *
 * The files always hold what readers are to see. What must survive a power cut besides goes through
 * the journal where it is small; all else is synced where it lies, and no change of that kind is
 * made to what the journal holds an older word on: file_settle comes before it.
 */
#ifndef MYELIN_STORAGE_STORE_FILE_H
#define MYELIN_STORAGE_STORE_FILE_H

#include <limits.h>
#include <pthread.h>

#include "storage/journal.h"
#include "storage/store_backend.h"

enum { STORE_FOLDER_MODE = 0700, STORE_FILE_MODE = 0600 };

#define STORE_NEW     "new"
#define STORE_JOURNAL "journal"

struct file_store {
    struct store base;
    int root;
    int lock;
    struct journal *journal; /* NULL: the disk had no room for one; everything is synced at once */
    pthread_rwlock_t window; /* read: from an append until the files have it; write: a new window */
    _Atomic uint64_t fresh;  /* names of files in new/ */
    char path[PATH_MAX];
};

static inline struct file_store *file_of(struct store *store) {
    return (struct file_store *)store;
}

/* IO, or NOT_FOUND by errno; the second is for files that must be there. */
MUST_CHECK result file_read_error(const char *doing, const char *key);
MUST_CHECK result file_write_error(const char *doing, const char *key);

MUST_CHECK result file_path_of(struct store *store, const char *key, char out[PATH_MAX]);

/* The prefix that a key stands in; "." for the root. */
void file_parent_of(const char *key, char out[STORE_KEY_BYTES]);

/* Makes the folders above a key. The one right above it is durable with the first file in it. */
MUST_CHECK result file_make_parents(struct store *store, const char *key);

/* fsync of a folder, and of the one above it. A prefix that is not there is fine. */
MUST_CHECK result file_sync_names(struct store *store, const char *prefix);
MUST_CHECK result file_list(struct store *store, const char *prefix, const char *suffix,
                            const char *after, struct store_names *out_names);
MUST_CHECK result file_sync(struct store *store, const char *prefix);

/* A rename, with `flags` of renameat2, and nothing besides. NOT_FOUND, IO. */
MUST_CHECK result file_move(struct store *store, const char *from, const char *to, unsigned flags);
MUST_CHECK result file_put(struct store *store, const char *key, struct view value);

/* Gives the blocks that are kept for a full disk to whoever needs them; false where none are left.
 */
bool file_give_spare(struct store *store);

/* ------------------------------------------------------------------ store_file_journal.c */

/* At the start, before anything else is looked at: does what a journal says, syncs everything, and
 * begins a new one. INTEGRITY where the journal is damaged. */
MUST_CHECK result file_journal_open(struct file_store *file);

/* Syncs everything and ends the journal, so that the files are all there is. */
void file_journal_close(struct file_store *file);

/* The journal has no word left on this key, or on what is below this prefix: where it had, the
 * files are synced. */
MUST_CHECK result file_settle(struct store *store, const char *key);

/* After a removal: that the journal does not bring it back. Not durable yet. */
MUST_CHECK result file_note_removal(struct store *store, enum journal_kind kind, const char *key);

/* As in store_backend.h. */
MUST_CHECK result file_replace(struct store *store, const char *key, struct view value);
MUST_CHECK result file_seal(struct store *store, const char *prefix, const char *key,
                            struct view value);
MUST_CHECK result file_change(struct store *store, const struct store_step *steps, size_t count,
                              enum store_extent *out_extent);

#endif
