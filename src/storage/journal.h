/*
 * The journal of a "file:" store: what must be on the disk when a request is answered, in one file
 * that is written from front to back, so that one flush of a few blocks does for it.
 *
 * A change sets a key to a value, or drops it, or drops all below a prefix. A transaction is a list
 * of changes that count together or not at all. Changes say what a key has, never how it came
 * there: doing all of them once more, in order, ends in the same state whatever was there before.
 * That holds for a copy too, which sets a key to bytes that stand further up in the journal: these
 * are the same whenever it is read, whatever the files have.
 *
 *     two heads, each twice: the window's number and nonce    4 blocks of 4096 bytes
 *     transactions, each from the start of a block on: head, body, zeros
 *
 * A window holds what came since the store's files were synced the last time; the head with the
 * higher number counts, and a transaction only where it carries this number, its hash is made with
 * this nonce, and it names the hash of the one before. docs/FORMAT.md has the fields.
 *
 * An append is durable once journal_flush of its mark is OK; one flush does for all who wait. Safe
 * from any thread, but for journal_start_window.
 */
#ifndef MYELIN_STORAGE_JOURNAL_H
#define MYELIN_STORAGE_JOURNAL_H

#include "storage/store.h"

enum {
    JOURNAL_BLOCK = 4096,
    JOURNAL_FIRST_BYTES = 1 << 20, /* how long it is made; doubled where that is too short */
    JOURNAL_BYTES_MAX = 16 << 20,
    JOURNAL_BODY_MAX = 512 << 10, /* of a transaction; what is longer goes to the files at once */
};

enum journal_kind {
    JOURNAL_SET = 1,
    JOURNAL_DROP = 2,
    JOURNAL_DROP_ALL = 3,
    JOURNAL_COPY = 4, /* who reads the journal gets a JOURNAL_SET in its place */
};

struct journal_change {
    enum journal_kind kind;
    char key[STORE_KEY_BYTES]; /* JOURNAL_DROP_ALL: the prefix */
    struct view value;         /* JOURNAL_SET */
};

/* Appends a change to a transaction's body. NO_MEMORY. */
MUST_CHECK result journal_add(struct bytes *body, enum journal_kind kind, const char *key,
                              struct view value);

/* The same of a key whose value is the `len` bytes at byte `at` of the file, which an earlier
 * transaction of this window has there. */
MUST_CHECK result journal_add_copy(struct bytes *body, const char *key, uint64_t at, size_t len);

/* Every change of a whole journal file, in order, to `visit`, whose failure ends it. What follows
 * the last whole transaction is torn, and nobody was told that it is durable: it is the end.
 * INTEGRITY, before anything was visited, where something that was durable cannot be read. */
MUST_CHECK result journal_parse(struct view file,
                                result (*visit)(void *context, const struct journal_change *change),
                                void *context);

struct journal;

/* Makes `folder`/journal anew, in the place of what was there, with an empty window. IO. */
MUST_CHECK result journal_create(const char *folder, struct journal **out_journal);
void journal_free(struct journal *journal); /* NULL is fine; the file stays */

/* Whether the window says something of this key, or of what is below this prefix. Seldom true where
 * it does not. */
bool journal_concerns(struct journal *journal, const char *key);

/* Where a transaction stands: its body for later copies, its end for journal_flush. */
struct journal_mark {
    uint64_t body;
    uint64_t end;
    uint64_t failures; /* of flushes, when it was appended */
};

/* Writes a transaction. `out_full`, and nothing is written, where there is no room before the next
 * window. IO. */
MUST_CHECK result journal_append(struct journal *journal, struct view body,
                                 struct journal_mark *out_mark, bool *out_full);

/* What was appended up to `mark` is on the disk. IO: it is not and counts for nothing, like all
 * else that no flush had put there; where the disk cannot be told so either, all later appends fail
 * until the store is opened again. */
MUST_CHECK result journal_flush(struct journal *journal, struct journal_mark mark);

/* Forgets the window: all that it held is on the disk in the files. Nobody appends meanwhile. IO,
 * and all later appends fail. */
MUST_CHECK result journal_start_window(struct journal *journal);

/* All later appends fail with this thread's error text: the files cannot be synced any more. */
void journal_break(struct journal *journal);

#endif
