/*
 * A key server's access log: append-only, hash-chained, one entry for each opening.
 *
 * An entry's hash is SHA-256 of the previous entry's hash, then its body, so nothing in the middle
 * can be changed or dropped unseen. On disk (docs/FORMAT.md, "A key server's folder") the log is
 * one or more segments, access.log, access.log.1 and so on, each chained from the one before it;
 * only the last is written to. A segment that has grown to the limit is followed by the next. Older
 * ones may be taken away, oldest first: a segment begins with what it continues.
 *
 * At the start the whole chain is verified: the last segment before the log is used, those before
 * it in the background, while it is. A record that a crash left incomplete at the end is cut off,
 * and kept beside the log. Any other damage is left as it is, as evidence: the log goes on in a new
 * segment, chained from the last good entry, and says so from then on (`damaged`).
 */
#ifndef MYELIN_KEYS_ACCESS_LOG_H
#define MYELIN_KEYS_ACCESS_LOG_H

#include "audit/chain.h"

struct access_log;

enum { ACCESS_LOG_PAGE_MAX = 1000 };
#define ACCESS_LOG_SEGMENT_BYTES (UINT64_C(64) << 20) /* unless access_log_set_limit says else */

/* Opens or begins the log in `folder`, which has one writer at a time. INTEGRITY is no error here,
 * see above; IO, NO_MEMORY. Freed with access_log_close. */
MUST_CHECK result access_log_open(const char *folder, struct access_log **out_log);

/* NULL is fine. No other call may be running. */
void access_log_close(struct access_log *log);

/* Chains an entry and returns once it is on disk. Entries of several threads share one fsync. `IO`
 * leaves the log as it was; after a failed fsync or a log that cannot be restored every later call
 * fails too, until the log is opened again. Safe from any thread. */
MUST_CHECK result access_log_append(struct access_log *log, const Myelin__AuditBody *body);

/* The length of a segment, in bytes, at which the next one is begun, a batch of entries later at
 * most. Before the first entry is appended. */
void access_log_set_limit(struct access_log *log, uint64_t segment_bytes);

/* Begins the next segment now, unless the last one has no entry. Where that fails the log goes on
 * in the last one. Safe from any thread. IO, INVALID. */
MUST_CHECK result access_log_rotate(struct access_log *log);

/* The last entry on disk. */
void access_log_head(struct access_log *log, struct chain_head *out_head);

/* The hash of the entry `sequence`, or of the one before all that are here. NOT_FOUND, saying
 * where it may be, where it is not here; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result access_log_hash_at(struct access_log *log, uint64_t sequence,
                                     uint8_t out_hash[DIGEST_BYTES]);

/* The page of entries after sequence `after` that `name` made or whose image `name` owns; `image`
 * (32 bytes), where not NULL, narrows it to one image. At most `limit` entries, limit <=
 * ACCESS_LOG_PAGE_MAX. Appends an encoded AuditPage to `out_page`. INTEGRITY where the disk no
 * longer holds what was written; IO, NO_MEMORY. Safe from any thread. */
MUST_CHECK result access_log_page(struct access_log *log, const char *name, const uint8_t *image,
                                  uint64_t after, size_t limit, struct bytes *out_page);

/* The sequence of the last entry on disk; 0 for an empty log. */
uint64_t access_log_last(struct access_log *log);

/* Waits until all segments are verified, for at most `milliseconds`. NO_MEMORY, to be asked again,
 * where they are not yet; that is also what reading the log then fails with. */
MUST_CHECK result access_log_wait(struct access_log *log, unsigned milliseconds);

/* Whether any segment, of those verified so far, is damaged. */
bool access_log_damaged(struct access_log *log);

#endif
