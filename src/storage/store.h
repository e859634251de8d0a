/*
 * A store: named byte strings that survive power loss, below a storage server's images.
 *
 * What lies in it is named by keys: components of [a-z0-9._-] joined by "/", none of them starting
 * with a dot; at most STORE_KEY_BYTES - 1 characters. A prefix is a key whose components other keys
 * continue. Nothing here knows what an image is.
 *
 * Two promises carry everything above:
 *   - store_replace and store_publish are atomic: after a crash there is the old or the new, whole;
 *   - what store_sync or store_replace answered OK for is still there after a crash.
 * Everything else written may be lost, or lost in part, by a crash.
 *
 * All functions are safe from any thread; one writer is used by one thread at a time, and two
 * callers that change the same key at once get one of both results.
 *
 * A backend fills struct store_methods (storage/store_backend.h). There is one, "file:": a folder
 * on a local file system.
 */
#ifndef MYELIN_STORAGE_STORE_H
#define MYELIN_STORAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

struct store;
struct store_writer;

enum { STORE_KEY_BYTES = 256, STORE_NAME_BYTES = 160 };

/* Opens the store at `location`, "file:FOLDER" or just a folder's path, which is made where it is
 * missing, for this process alone: CONFLICT where another has it open. INVALID for a scheme other
 * than "file:"; IO, NO_MEMORY. */
MUST_CHECK result store_open(const char *location, struct store **out_store);

/* NULL is fine. No other call may be running, no writer be open. */
void store_close(struct store *store);
void store_close_at(struct store **store); /* for __attribute__((cleanup)) */
#define AUTO_STORE __attribute__((cleanup(store_close_at)))

/* A whole small value, not durable before store_sync. IO. */
MUST_CHECK result store_put(struct store *store, const char *key, struct view value);

/* A whole small value, atomically and durably in the place of what was there. IO. */
MUST_CHECK result store_replace(struct store *store, const char *key, struct view value);

/* The whole value, appended to `out_value`. NOT_FOUND; INTEGRITY where it is longer than `limit`;
 * IO, NO_MEMORY. */
MUST_CHECK result store_get(struct store *store, const char *key, size_t limit,
                            struct bytes *out_value);

/* A large value, written from front to back in place of what was there. Bytes go to the disk while
 * more arrive, so that a sync at the end finds little left to do. IO, NO_MEMORY. */
MUST_CHECK result store_writer_open(struct store *store, const char *key,
                                    struct store_writer **out_writer);
MUST_CHECK result store_writer_append(struct store_writer *writer, struct view part);

/* Ends the value, good or not; it is not durable before store_sync. Frees the writer. IO. */
MUST_CHECK result store_writer_close(struct store_writer *writer);

/* Ends and removes the value; frees the writer. NULL is fine. */
void store_writer_abandon(struct store_writer *writer);

/* NOT_FOUND, IO. */
MUST_CHECK result store_size(struct store *store, const char *key, uint64_t *out_bytes);

/* A descriptor, the caller's to close, in which byte `offset` of the value stands at
 * `out_offset`, with `length` bytes after it. It goes on serving these bytes whatever happens to
 * the key. NOT_FOUND; INTEGRITY where the value ends before offset + length; IO. */
MUST_CHECK result store_open_range(struct store *store, const char *key, uint64_t offset,
                                   uint64_t length, int *out_fd, uint64_t *out_offset);

/* Moves a value to another key, atomically, in the place of what was there. Durable after
 * store_sync_names of the prefix it went to. NOT_FOUND, IO. */
MUST_CHECK result store_publish(struct store *store, const char *from, const char *to);

/* Moves everything below a prefix to a prefix below which nothing is, atomically. */
MUST_CHECK result store_publish_all(struct store *store, const char *from, const char *to);

/* No error where it is not there. IO. */
MUST_CHECK result store_delete(struct store *store, const char *key);
MUST_CHECK result store_delete_all(struct store *store, const char *prefix);

/* Makes every value below `prefix`, and its name, durable. IO. */
MUST_CHECK result store_sync(struct store *store, const char *prefix);

/* Makes what was published to, put to or deleted from `prefix` itself durable as far as names go. A
 * prefix that is not there is fine. IO. */
MUST_CHECK result store_sync_names(struct store *store, const char *prefix);

/* Makes every value below `prefix` durable, and then `value` that of `key`: after a crash it is
 * there with all of these only. IO. */
MUST_CHECK result store_seal(struct store *store, const char *prefix, const char *key,
                             struct view value);

/* Changes that become durable as one. */
enum store_step_kind {
    STORE_SET,  /* `key`, which has none, gets a value */
    STORE_MOVE, /* the value of `key`, where it has one, becomes that of `to`, as store_publish */
    STORE_DROP, /* all below the prefix `key`, as store_delete_all */
};
struct store_step {
    enum store_step_kind kind;
    const char *key, *to; /* `to`: STORE_MOVE */
    struct view value;    /* STORE_SET */
};
enum store_extent {
    STORE_NOTHING, /* nothing was done; where the answer is OK, it is too much to be done as one */
    STORE_DECIDED, /* durable, but reads show all that was set and some of the other steps only,
                      from the first on: the caller does them again, one by one */
    STORE_DONE,
};

/* All that is set, then the other steps in turn; nobody else changes these keys meanwhile. What
 * readers see in between is not atomic, and what is set they may see though it comes to nothing. IO
 * with STORE_NOTHING or STORE_DECIDED, NO_MEMORY. */
MUST_CHECK result store_change(struct store *store, const struct store_step *steps, size_t count,
                               enum store_extent *out_extent);

/* The names one component below a prefix. */
struct store_names {
    char (*names)[STORE_NAME_BYTES]; /* in ascending order of their bytes */
    size_t count;
};
void store_names_free(struct store_names *names);
#define AUTO_NAMES __attribute__((cleanup(store_names_free)))

/* Names that end in `suffix` ("" for all), the suffix taken off, which are greater than `after` (""
 * for all). A prefix that is not there has none. IO, NO_MEMORY. */
MUST_CHECK result store_list(struct store *store, const char *prefix, const char *suffix,
                             const char *after, struct store_names *out_names);

/* How much can still be written, and how much there is in all. IO. */
struct store_space {
    uint64_t free_bytes;
    uint64_t total_bytes;
};
MUST_CHECK result store_space(struct store *store, struct store_space *out_space);

/* For metrics: how often the store waited for the disk, and how long in all. */
struct store_waits {
    uint64_t syncs;
    uint64_t nanoseconds;
};
struct store_waits store_waits(struct store *store);

#endif
