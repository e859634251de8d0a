/*
 * Values that a "file:" store holds in memory; for src/storage/store_*.c alone. No file is touched
 * here.
 *
 * A small value is held from its put until it is in its file. A put's parts are never in files
 * under the names that they came with: the journal says them when they are sealed, and the change
 * that publishes them writes each once, in its place.
 *
 *   1. What is held of a key is what readers see; its file, where it has one, is older.
 *   2. A held value is loose (a crash loses it, as the store allows), or said: the journal's window
 *      has these bytes at `said_at`. A window ends only when nothing is said, all of it written to
 *      files, so that what is said is said by the window of now.
 *   3. A key is held no more only after its file is whole, or when its value ends.
 *
 * Values are shared and constant, but for `said_at`; whoever has a reference may read one without
 * the table's lock. Safe from any thread.
 */
#ifndef MYELIN_STORAGE_STORE_HELD_H
#define MYELIN_STORAGE_STORE_HELD_H

#include <stdatomic.h>

#include "storage/store.h"

enum {
    HELD_BYTES_MAX = 16 << 20, /* of all values */
    HELD_VALUES_MAX = 4096,
};

struct held_value {
    _Atomic unsigned users;
    _Atomic uint64_t said_at; /* where the journal's window has the bytes; 0: nowhere */
    _Atomic bool copied;      /* the journal names that place already, as it may once */
    struct bytes bytes;
};

/* Takes the bytes over and leaves `bytes` empty; one reference, the caller's. NULL, and nothing
 * taken, where there is no memory. */
struct held_value *held_value_new(struct bytes *bytes);
void held_value_release(struct held_value *value); /* NULL is fine */
void held_value_release_at(struct held_value **value);
#define AUTO_HELD __attribute__((cleanup(held_value_release_at)))

/* A key and its value, in the table or on its way there. */
struct held_entry {
    struct held_entry *next;
    struct held_value *value;
    size_t in_body; /* of a transaction under way: where its body has the value */
    char key[];
};

/* With a reference of its own. NULL where there is no memory. */
struct held_entry *held_entry_new(const char *key, struct held_value *value);
void held_entry_free(struct held_entry *entry); /* NULL is fine */

struct held;
MUST_CHECK result held_create(struct held **out_held); /* NO_MEMORY */
void held_free(struct held *held);                     /* NULL is fine */

/* Whether one value more, so many bytes long, may be held; it may be refused a moment later. */
bool held_has_room(struct held *held, size_t bytes);

/* Holds the entry, which is taken over, in the place of what is held of its key. It is for the
 * caller to ask for room before. */
void held_add(struct held *held, struct held_entry *entry);

/* What is held of a key, to be released; or NULL. */
struct held_value *held_get(struct held *held, const char *key);

/* Whether anything is held of the key, or of what is below it. */
bool held_has_below(struct held *held, const char *prefix);

/* Holds the key, and what is below it, no more. */
void held_drop(struct held *held, const char *prefix);

/* Likewise of this key alone, where it has this very value; NULL: whatever it has. */
void held_drop_value(struct held *held, const char *key, const struct held_value *value);

/* Copies of entries, in any order. */
struct held_list {
    struct held_entry **entries; /* owned, and each of them */
    size_t count, capacity;
};
void held_list_free(struct held_list *list);
#define AUTO_HELD_LIST __attribute__((cleanup(held_list_free)))

/* One more at the end, with a reference of its own. NO_MEMORY. */
MUST_CHECK result held_list_add(struct held_list *list, const char *key, struct held_value *value);

/* Of the key `prefix` and all below it, "" for everything; only those that are said with `said`.
 * NO_MEMORY. */
MUST_CHECK result held_list(struct held *held, const char *prefix, bool said,
                            struct held_list *out_list);

#endif
