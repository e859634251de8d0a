#include "keys/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keys/access_index.h"
#include "keys/access_segments.h"

/* How long who reads the log waits for its verification. */
enum { READER_WAIT_MS = 4000 };

/* After a segment that could not be begun, how much later it is tried again. */
enum { RETRY_BYTES = 1 << 20 };

struct access_log {
    pthread_mutex_t lock;
    pthread_cond_t settled; /* a batch reached the disk or was dropped */
    struct access_segments segments;
    bool broken;            /* the disk's state is unknown until the log is opened again */
    bool writing;           /* a thread is writing a batch */
    uint64_t dropped;       /* batches that failed; entries chained before the last one are gone */
    struct chain_head head; /* of the last entry chained */
    struct chain_head durable; /* of the last entry on disk */
    uint64_t durable_end;      /* bytes of the last segment that are on disk */
    uint64_t chained_end;      /* with what is chained and not on disk */
    uint64_t limit;            /* of a segment's length */
    uint64_t rotate_at;        /* the length at which to try to begin the next one */
    struct bytes pending;      /* chained, in nobody's batch yet */
    struct access_index index; /* of chained entries */
    pthread_t verifier;        /* of the older segments */
    bool has_verifier, verifying;
    atomic_bool stop; /* the verifier's work is no longer wanted */
};

/* The entries of the older segments come before all that were chained meanwhile. */
static result take_older(struct access_log *log, struct access_index *older) {
    struct chain_head before;
    bool damaged = false;
    TRY(access_segments_verify_older(&log->segments, &log->stop, older, &before, &damaged));
    pthread_mutex_lock(&log->lock);
    result taken = access_index_prepend(&log->index, older);
    log->segments.before = before;
    log->segments.damaged = log->segments.damaged || damaged;
    pthread_mutex_unlock(&log->lock);
    return taken;
}

static void *verify_older(void *argument) {
    struct access_log *log = argument;
    struct access_index older = {0};
    result verified = take_older(log, &older);
    access_index_free(&older);
    if (verified != OK && !log->stop)
        log_event(LOG_ERROR, "access-log-not-verified", "error=\"%s\"", error_text());
    pthread_mutex_lock(&log->lock);
    log->verifying = false;
    log->segments.damaged = log->segments.damaged || verified != OK;
    pthread_cond_broadcast(&log->settled);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static void start_verifier(struct access_log *log) {
    log->verifying = log->segments.older.count > 0;
    if (!log->verifying)
        return;
    log->has_verifier = pthread_create(&log->verifier, NULL, verify_older, log) == 0;
    if (!log->has_verifier)
        verify_older(log);
}

result access_log_open(const char *folder, struct access_log **out_log) {
    struct access_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return FAIL(NO_MEMORY, "no memory for the access log");
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->settled, NULL);
    log->segments.fd = -1;
    result opened = access_segments_open(folder, &log->segments, &log->index, &log->head);
    if (opened != OK) {
        access_log_close(log);
        return error_at(opened, "access log");
    }
    access_log_set_limit(log, ACCESS_LOG_SEGMENT_BYTES);
    log->durable = log->head;
    log->durable_end = log->chained_end = log->segments.end;
    start_verifier(log);
    *out_log = log;
    return OK;
}

void access_log_close(struct access_log *log) {
    if (log == NULL)
        return;
    log->stop = true;
    if (log->has_verifier)
        pthread_join(log->verifier, NULL);
    access_segments_close(&log->segments);
    access_index_free(&log->index);
    bytes_free(&log->pending);
    pthread_cond_destroy(&log->settled);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* Puts an entry at the end of the chain in memory. Nothing changes on failure. */
static result chain_entry(struct access_log *log, const Myelin__AuditBody *body) {
    struct access_place place = {log->segments.last, log->chained_end};
    size_t before = log->pending.len;
    struct chain_head next = log->head;
    TRY(access_index_reserve(&log->index));
    TRY(chain_append(&next, body, &log->pending));
    log->head = next;
    log->chained_end += log->pending.len - before;
    access_index_add(&log->index, next.sequence, place, body);
    return OK;
}

/* Forgets every entry that is not on disk: they were chained on one that cannot be written. */
static void drop_unwritten(struct access_log *log) {
    log->dropped++;
    log->head = log->durable;
    log->chained_end = log->durable_end;
    log->pending.len = 0;
    access_index_cut(&log->index, log->durable.sequence);
    if (ftruncate(log->segments.fd, (off_t)log->durable_end) != 0)
        log->broken = true;
}

/* Where a write fails, the file can be cut back; where fsync fails, nobody knows what the disk
 * holds. */
static result write_batch_to_disk(struct access_log *log, struct view batch, bool *out_unknown) {
    *out_unknown = false;
    TRY(file_write_all(log->segments.fd, batch, "the access log"));
    if (fdatasync(log->segments.fd) == 0)
        return OK;
    *out_unknown = true;
    return FAIL(IO, "syncing the access log: %s", strerror(errno));
}

/* Begins the next segment after the last durable entry. Called with the lock, which is let go of
 * meanwhile, while no thread is writing. */
static result rotate(struct access_log *log) {
    struct chain_head before = log->durable;
    int fd = -1;
    bool unknown = false;
    log->writing = true;
    pthread_mutex_unlock(&log->lock);
    result made = access_segments_next(&log->segments, &before, &fd, &unknown);
    pthread_mutex_lock(&log->lock);
    log->writing = false;
    if (made == OK) {
        access_segments_switch(&log->segments, fd);
        uint64_t back = log->durable_end - SEGMENT_ANCHOR_BYTES;
        access_index_move(&log->index, before.sequence, log->segments.last, back);
        log->chained_end -= back;
        log->durable_end = SEGMENT_ANCHOR_BYTES;
        log->rotate_at = log->limit;
        log_event(LOG_INFO, "access-log-rotated", "segment=%u last_sequence=%llu",
                  log->segments.last, (unsigned long long)before.sequence);
    } else {
        log->rotate_at = log->durable_end + RETRY_BYTES;
        log->broken = log->broken || unknown;
        log_event(LOG_WARNING, "access-log-not-rotated", "broken=%d error=\"%s\"", log->broken,
                  error_text());
    }
    pthread_cond_broadcast(&log->settled);
    return made;
}

/* Writes all that is pending; the lock is held on entry and on return, not while writing. */
static void write_pending(struct access_log *log) {
    AUTO_BYTES struct bytes batch = log->pending;
    struct chain_head batch_head = log->head;
    log->pending = (struct bytes){0};
    log->writing = true;
    pthread_mutex_unlock(&log->lock);
    bool unknown;
    result written = write_batch_to_disk(log, bytes_view(&batch), &unknown);
    pthread_mutex_lock(&log->lock);
    log->writing = false;
    if (written == OK) {
        log->durable = batch_head;
        log->durable_end += batch.len;
        if (log->durable_end >= log->rotate_at)
            (void)rotate(log);
    } else {
        log->broken = log->broken || unknown;
        drop_unwritten(log);
        log_event(LOG_ERROR, "access-log-write-failed", "broken=%d error=\"%s\"", log->broken,
                  error_text());
    }
    pthread_cond_broadcast(&log->settled);
}

static result append_locked(struct access_log *log, const Myelin__AuditBody *body) {
    if (log->broken)
        return FAIL(IO, "the access log of this server cannot be written until it is restarted");
    TRY(chain_entry(log, body));
    uint64_t mine = log->head.sequence, dropped = log->dropped;
    while (log->dropped == dropped && log->durable.sequence < mine) {
        if (log->writing)
            pthread_cond_wait(&log->settled, &log->lock);
        else
            write_pending(log);
    }
    if (log->dropped != dropped)
        return FAIL(IO, "the access log of this server cannot be written");
    return OK;
}

result access_log_append(struct access_log *log, const Myelin__AuditBody *body) {
    pthread_mutex_lock(&log->lock);
    result appended = append_locked(log, body);
    pthread_mutex_unlock(&log->lock);
    return appended;
}

void access_log_set_limit(struct access_log *log, uint64_t segment_bytes) {
    log->limit = log->rotate_at = segment_bytes;
}

result access_log_rotate(struct access_log *log) {
    pthread_mutex_lock(&log->lock);
    while (log->writing)
        pthread_cond_wait(&log->settled, &log->lock);
    result rotated = OK;
    if (log->broken)
        rotated = FAIL(IO, "the access log of this server cannot be written until it is restarted");
    else if (log->durable_end > SEGMENT_ANCHOR_BYTES)
        rotated = rotate(log);
    pthread_mutex_unlock(&log->lock);
    return rotated;
}

void access_log_head(struct access_log *log, struct chain_head *out_head) {
    pthread_mutex_lock(&log->lock);
    *out_head = log->durable;
    pthread_mutex_unlock(&log->lock);
}

result access_log_wait(struct access_log *log, unsigned milliseconds) {
    uint64_t until_ns = clock_ns() + (uint64_t)milliseconds * 1000000;
    pthread_mutex_lock(&log->lock);
    while (log->verifying && clock_wait_until(&log->settled, &log->lock, until_ns))
        continue;
    bool verifying = log->verifying;
    pthread_mutex_unlock(&log->lock);
    return verifying ? FAIL(NO_MEMORY, "the access log is still being verified: ask again later")
                     : OK;
}

static result read_hash(const struct access_log *log, struct access_place place,
                        uint8_t out_hash[DIGEST_BYTES]) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditBody *body = NULL;
    AUTO_FORMAT Myelin__AuditEntry *entry = NULL;
    TRY(access_segments_read(&log->segments, place, &wire));
    TRY(chain_parse(bytes_view(&wire), &entry, &body));
    memcpy(out_hash, entry->hash.data, DIGEST_BYTES);
    return OK;
}

result access_log_hash_at(struct access_log *log, uint64_t sequence,
                          uint8_t out_hash[DIGEST_BYTES]) {
    struct access_place place;
    TRY(access_log_wait(log, READER_WAIT_MS));
    const struct chain_head *before = &log->segments.before; /* does not change any more */
    if (sequence == before->sequence) {
        memcpy(out_hash, before->hash, DIGEST_BYTES);
        return OK;
    }
    pthread_mutex_lock(&log->lock);
    bool found =
        sequence <= log->durable.sequence && access_index_place(&log->index, sequence, &place);
    pthread_mutex_unlock(&log->lock);
    if (!found)
        return FAIL(NOT_FOUND, "the access log has no entry %llu here%s",
                    (unsigned long long)sequence,
                    sequence < before->sequence ? ": it is in an older segment, taken away" : "");
    return read_hash(log, place, out_hash);
}

/* The entries of a page while it is put together. */
struct page {
    Myelin__AuditPage message;
    bool has_gone; /* a segment was taken away since the start: ... */
    uint32_t gone; /* ... the last one that was found so */
    Myelin__AuditEntry *entries[ACCESS_LOG_PAGE_MAX];
};

static void page_free(struct page *page) {
    for (size_t i = 0; i < page->message.n_entry; i++)
        format_free(page->entries[i]);
}

/* Whether the entry is what the index only hinted at. */
static bool body_is_of(const Myelin__AuditBody *body, const char *name, const uint8_t *image) {
    return (strcmp(body->user, name) == 0 || strcmp(body->owner, name) == 0) &&
           (image == NULL ||
            view_equal(format_view(body->image), view_of(image, FORMAT_HASH_BYTES)));
}

static result page_add(struct page *page, const struct access_log *log,
                       const struct access_index_entry *found, const char *name,
                       const uint8_t *image) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__AuditBody *body = NULL;
    Myelin__AuditEntry *entry = NULL;
    if (page->has_gone && page->gone == found->place.segment)
        return OK;
    result read = access_segments_read(&log->segments, found->place, &wire);
    if (read == NOT_FOUND) {
        page->has_gone = true;
        page->gone = found->place.segment;
        return OK;
    }
    TRY(read);
    TRY(chain_parse(bytes_view(&wire), &entry, &body));
    if (body_is_of(body, name, image))
        page->entries[page->message.n_entry++] = entry;
    else
        format_free(entry);
    return OK;
}

/* Up to `limit` entries that may be meant; those that are go into the page. */
static result page_add_next(struct page *page, struct access_log *log, const char *name,
                            const uint8_t *image, size_t limit, uint64_t *after) {
    struct access_index_entry found[ACCESS_LOG_PAGE_MAX + 1];
    pthread_mutex_lock(&log->lock);
    size_t count = access_index_find(&log->index, name, image, *after, log->durable.sequence,
                                     limit + 1, found);
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < count && i < limit; i++) {
        TRY(page_add(page, log, &found[i], name, image));
        *after = found[i].sequence;
    }
    page->message.more = count > limit;
    return OK;
}

result access_log_page(struct access_log *log, const char *name, const uint8_t *image,
                       uint64_t after, size_t limit, struct bytes *out_page) {
    if (limit < 1 || limit > ACCESS_LOG_PAGE_MAX)
        return FAIL(INVALID, "a page of the access log has 1 to %d entries", ACCESS_LOG_PAGE_MAX);
    TRY(access_log_wait(log, READER_WAIT_MS));
    __attribute__((cleanup(page_free))) struct page page = {.message = MYELIN__AUDIT_PAGE__INIT};
    page.message.entry = page.entries;
    /* A reader goes on behind the last entry of a page, so that one with more to come has some,
     * though segments that were taken away may have held more entries than fit. */
    do
        TRY(page_add_next(&page, log, name, image, limit, &after));
    while (page.message.more && page.message.n_entry == 0);
    return format_pack(&page.message, out_page);
}

uint64_t access_log_last(struct access_log *log) {
    pthread_mutex_lock(&log->lock);
    uint64_t last = log->durable.sequence;
    pthread_mutex_unlock(&log->lock);
    return last;
}

bool access_log_damaged(struct access_log *log) {
    pthread_mutex_lock(&log->lock);
    bool damaged = log->segments.damaged;
    pthread_mutex_unlock(&log->lock);
    return damaged;
}
