/*
 * What the parts of the "file:" backend share; for src/storage/store_file*.c alone.
 *
 * The files hold what readers are to see, but for small values that are held in memory until they
 * are in files (storage/store_held.h). What must survive a power cut besides goes through the
 * journal where it is small; all else is synced where it lies, and no change of that kind is made
 * to what the journal holds an older word on: file_settle comes before it.
 */
#ifndef MYELIN_STORAGE_STORE_FILE_H
#define MYELIN_STORAGE_STORE_FILE_H

#include <limits.h>
#include <pthread.h>

#include "storage/journal.h"
#include "storage/store_backend.h"
#include "storage/store_held.h"

enum { STORE_FOLDER_MODE = 0700, STORE_FILE_MODE = 0600 };

#define STORE_NEW     "new"
#define STORE_JOURNAL "journal"

struct file_store {
    struct store base;
    int root;
    int lock;
    struct journal *journal; /* NULL: the disk had no room for one; everything is synced at once */
    pthread_rwlock_t window; /* read: from an append until the files have it, or it is held as said;
                                write: a new window */
    struct held *held;
    pthread_mutex_t spilling; /* comes after `window`: whoever writes what is held to the files, or
                                 makes a key be held no more, so that one does not undo the other */
    _Atomic uint64_t fresh;   /* names of files in new/ */
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
MUST_CHECK result file_sync(struct store *store, const char *prefix);

/* A rename, with `flags` of renameat2, and nothing besides. NOT_FOUND, IO. */
MUST_CHECK result file_move(struct store *store, const char *from, const char *to, unsigned flags);

/* Opens the file of a key, which is held no more, for writing, empty. IO. */
MUST_CHECK result file_open_new(struct store *store, const char *key, int *out_fd);

/* Writes a value to its file, in place of what was there, and what is held of the key ends. IO. */
MUST_CHECK result file_write(struct store *store, const char *key, struct view value);

/* Makes the file of a key, where there is none; a failure leaves none. Readers may see it grow.
 * IO. */
MUST_CHECK result file_write_first(struct store *store, const char *key, struct view value,
                                   bool *out_there);

/* Names as they are found. */
struct name_list {
    struct store_names names;
    size_t capacity;
};
MUST_CHECK result file_add_name(struct name_list *list, const char *name, size_t len);

/* Gives the blocks that are kept for a full disk to whoever needs them; false where none are left.
 */
bool file_give_spare(struct store *store);

/* ------------------------------------------------------------------ store_file_writer.c */

MUST_CHECK result file_writer_open(struct store *store, const char *key,
                                   struct store_writer **out_writer);
MUST_CHECK result file_writer_append(struct store_writer *base, struct view part);
MUST_CHECK result file_writer_close(struct store_writer *base);
void file_writer_abandon(struct store_writer *base);

/* ------------------------------------------------------------------ store_file_held.c */

/* Whether a value of this length may be held: it is small, has no file, and the disk has room for
 * all that is held many times over, so that none lacks when it is written. */
bool file_may_hold(struct store *store, const char *key, size_t bytes);

/* Holds the value, which is taken over, as file_may_hold said. NO_MEMORY. */
MUST_CHECK result file_hold(struct store *store, const char *key, struct bytes *value);

/* Holds the key, and what is below it, no more: its values end, or files have them. */
void file_unhold(struct store *store, const char *prefix);

/* Writes what is held of the key, and of what is below it, to files, and holds it no more. IO,
 * NO_MEMORY: some may still be held. */
MUST_CHECK result file_spill(struct store *store, const char *prefix);

/* The same of all that the journal's window says. */
MUST_CHECK result file_spill_said(struct file_store *file);

/* Likewise of one entry, by a caller who alone changes its key. */
MUST_CHECK result file_spill_entry(struct store *store, const struct held_entry *entry);

/* Nothing, neither a file nor a folder, is there. */
bool file_is_absent(const struct file_store *file, const char *key);

/* A descriptor of what is held of the key. IO. */
MUST_CHECK result file_open_held(const char *key, const struct held_value *value, int *out_fd);

/* Adds the names that are held, as store_list has them. NO_MEMORY. */
MUST_CHECK result file_list_held(struct store *store, const char *prefix, const char *suffix,
                                 const char *after, struct name_list *list);

/* ------------------------------------------------------------------ store_file_change.c */

/* As in store_backend.h. */
MUST_CHECK result file_seal(struct store *store, const char *prefix, const char *key,
                            struct view value);
MUST_CHECK result file_change(struct store *store, const struct store_step *steps, size_t count,
                              enum store_extent *out_extent);

/* ------------------------------------------------------------------ store_file_publish.c */

struct steps {
    const struct store_step *list;
    size_t count;
};

/* The step that gives a key the value which is moved on; or NULL: it has one. */
const struct store_step *steps_find_set(const struct steps *steps, const char *key);

/* file_seal and file_change where every value that is concerned is held, or set now, and all of it
 * fits in the journal; else `out_done` is unset and nothing is done. What a change publishes is
 * held until its file has it: so no room can lack once it counts. Errors leave all as it was. */
MUST_CHECK result file_seal_held(struct store *store, const char *prefix, const char *key,
                                 struct view value, bool *out_done);
MUST_CHECK result file_change_held(struct store *store, const struct steps *steps, bool *out_done);

/* ------------------------------------------------------------------ store_file_journal.c */

/* At the start, before anything else is looked at: does what a journal says, syncs everything, and
 * begins a new one. INTEGRITY where the journal is damaged. */
MUST_CHECK result file_journal_open(struct file_store *file);

/* Writes and syncs everything and ends the journal, so that the files are all there is. */
void file_journal_close(struct file_store *file);

/* The journal has no word left on this key, or on what is below this prefix: where it had, the
 * files are synced. */
MUST_CHECK result file_settle(struct store *store, const char *key);

/* After a removal: that the journal does not bring it back. Not durable yet. */
MUST_CHECK result file_note_removal(struct store *store, enum journal_kind kind, const char *key);

/* As in store_backend.h. */
MUST_CHECK result file_replace(struct store *store, const char *key, struct view value);

/* Whether so many bytes, with a key, fit in a transaction. False without a journal. */
bool file_is_small(const struct file_store *file, size_t bytes);

/* Appends a transaction. On success the window's lock is held for reading, until file_leave. IO. */
MUST_CHECK result file_enter(struct file_store *file, struct view body,
                             struct journal_mark *out_mark);
/* The same, and it is durable. */
MUST_CHECK result file_enter_durably(struct file_store *file, struct view body,
                                     struct journal_mark *out_mark);
void file_leave(struct file_store *file);

/* Ends the window: all that it says is in the files, on the disk. IO. */
MUST_CHECK result file_new_window(struct file_store *file);

/* Makes `body` durable, and `key`, of which it says the value, have it in its file. IO. */
MUST_CHECK result file_set_durably(struct store *store, struct view body, const char *key,
                                   struct view value);

/* A value in the place of a file that readers see whole, as it was or as it is. Not durable. On a
 * full disk the spare blocks go to it. IO. */
MUST_CHECK result file_overwrite_whole(struct store *store, const char *key, struct view value);

#endif
