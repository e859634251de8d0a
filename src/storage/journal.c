#include "storage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "storage/journal_format.h"

/* An end of the journal. */
struct position {
    uint64_t offset;
    uint64_t sequence;          /* of the transaction that follows */
    uint8_t hash[DIGEST_BYTES]; /* of the one before */
};

enum { FOLDERS = 1 << 16, GROWN_BYTES = 64 << 10 };

struct journal {
    int fd;
    pthread_mutex_t mutex;
    pthread_cond_t flushed;
    struct journal_window window;
    uint64_t size;           /* of the file, all of which was written once */
    struct position end;     /* of what was appended */
    struct position durable; /* of what a flush has put on the disk */
    uint64_t failures;       /* flushes that failed: what no flush had put there by then is void */
    bool flushing;           /* one thread does, without the mutex */
    uint8_t folders[FOLDERS / 8]; /* a bit for each folder that the window has changes in */
    bool broken;
    char why[ERROR_TEXT_BYTES];
};

static result write_at(int fd, struct view data, uint64_t offset) {
    while (data.len > 0) {
        ssize_t written = pwrite(fd, data.data, data.len, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return FAIL(IO, "writing the journal: %s", strerror(errno));
        data.data += written;
        data.len -= (size_t)written;
        offset += (uint64_t)written;
    }
    return OK;
}

static result sync_file(int fd) {
    return fdatasync(fd) == 0 ? OK : FAIL(IO, "syncing the journal: %s", strerror(errno));
}

/* Blocks that were written before are overwritten where they lie: the file system has nothing to
 * note, and a flush takes these blocks alone. The page cache keeps a file in the pieces that it was
 * written in first, and looks at all blocks of one for each block that is written later: in pieces
 * of megabytes that costs more than the writing. */
static result grow(struct journal *journal, uint64_t size) {
    static const uint8_t zeros[GROWN_BYTES];
    for (uint64_t at = journal->size; at < size; at += sizeof zeros) {
        size_t len = size - at < sizeof zeros ? (size_t)(size - at) : sizeof zeros;
        TRY(write_at(journal->fd, view_of(zeros, len), at));
    }
    journal->size = size;
    return OK;
}

/* ------------------------------------------------------------------ windows */

static result write_window(struct journal *journal, uint64_t number) {
    uint8_t head[JOURNAL_HEAD_BYTES];
    uint64_t offsets[2];
    journal->window.number = number;
    secret_random(journal->window.nonce, sizeof journal->window.nonce);
    journal_head_offsets(&journal->window, offsets);
    journal_head_encode(&journal->window, head);
    for (size_t i = 0; i < 2; i++)
        TRY(write_at(journal->fd, view_of(head, sizeof head), offsets[i]));
    TRY(sync_file(journal->fd));
    journal->end = journal->durable = (struct position){.offset = JOURNAL_START};
    memset(journal->folders, 0, sizeof journal->folders);
    return OK;
}

/* Under the mutex, with the error's text set. */
static void set_broken(struct journal *journal) {
    if (journal->broken)
        return;
    journal->broken = true;
    snprintf(journal->why, sizeof journal->why, "%s", error_text());
    log_event(LOG_ERROR, "store-failed", "no changes until a restart: %s", journal->why);
    (void)error_set(IO, "%s", journal->why);
}

static result check_broken(const struct journal *journal) {
    return journal->broken
               ? FAIL(IO, "the store takes no changes until it is opened again: %s", journal->why)
               : OK;
}

void journal_break(struct journal *journal) {
    pthread_mutex_lock(&journal->mutex);
    set_broken(journal);
    pthread_mutex_unlock(&journal->mutex);
}

result journal_start_window(struct journal *journal) {
    pthread_mutex_lock(&journal->mutex);
    result started = check_broken(journal);
    if (started == OK) {
        started = write_window(journal, journal->window.number + 1);
        if (started != OK) /* either head may count now: nothing can be told to be durable */
            set_broken(journal);
    }
    pthread_mutex_unlock(&journal->mutex);
    return started;
}

/* FNV-1a. */
static uint32_t bit_of_folder(const char *name, size_t len) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32) % FOLDERS;
}

static size_t folder_len(const char *key, size_t len) {
    while (len > 0 && key[len - 1] != '/')
        len--;
    return len > 0 ? len - 1 : 0;
}

/* Under the mutex. */
static result note_change(void *context, const struct journal_change *change) {
    struct journal *journal = context;
    size_t len = strlen(change->key);
    if (change->kind != JOURNAL_DROP_ALL)
        len = folder_len(change->key, len);
    uint32_t bit = bit_of_folder(change->key, len);
    journal->folders[bit / 8] |= (uint8_t)(1u << bit % 8);
    return OK;
}

bool journal_concerns(struct journal *journal, const char *key) {
    bool concerns = false;
    size_t len = strlen(key);
    pthread_mutex_lock(&journal->mutex);
    for (bool root = false; !root && !concerns; len = folder_len(key, len)) {
        uint32_t bit = bit_of_folder(key, len);
        concerns = (journal->folders[bit / 8] & 1u << bit % 8) != 0;
        root = len == 0;
    }
    pthread_mutex_unlock(&journal->mutex);
    return concerns;
}

/* ------------------------------------------------------------------ appending */

/* Under the mutex. A disk without room for a longer journal has a shorter one. */
static bool has_room(struct journal *journal, uint64_t wanted) {
    while (journal->size - journal->end.offset < wanted) {
        if (journal->size >= JOURNAL_BYTES_MAX || grow(journal, 2 * journal->size) != OK)
            return false;
    }
    return true;
}

static result append(struct journal *journal, struct view body, bool *out_full) {
    AUTO_BYTES struct bytes text = {0};
    struct journal_transaction transaction = {
        .sequence = journal->end.sequence, .durable = journal->durable.offset, .body = body};
    uint64_t wanted = journal_transaction_bytes(body.len);
    TRY(check_broken(journal));
    *out_full = !has_room(journal, wanted);
    if (*out_full)
        return journal->end.offset > JOURNAL_START ? OK : error_at(IO, "no room in the journal");
    memcpy(transaction.before, journal->end.hash, DIGEST_BYTES);
    TRY(journal_visit(body, NULL, note_change, journal));
    TRY(journal_transaction_encode(&journal->window, &transaction, &text));
    TRY(write_at(journal->fd, bytes_view(&text), journal->end.offset));
    journal->end.offset += wanted;
    journal->end.sequence++;
    memcpy(journal->end.hash, transaction.hash, DIGEST_BYTES);
    return OK;
}

result journal_append(struct journal *journal, struct view body, struct journal_mark *out_mark,
                      bool *out_full) {
    if (body.len > JOURNAL_BODY_MAX)
        return FAIL(INTERNAL, "a transaction of %zu bytes for the journal", body.len);
    pthread_mutex_lock(&journal->mutex);
    uint64_t start = journal->end.offset;
    result appended = append(journal, body, out_full);
    *out_mark = (struct journal_mark){start + JOURNAL_TRANSACTION_HEAD_BYTES, journal->end.offset,
                                      journal->failures};
    pthread_mutex_unlock(&journal->mutex);
    return appended;
}

/* ------------------------------------------------------------------ flushing */

/* Under the mutex: what may or may not have reached the disk is made to count for nothing, so that
 * what was refused does not come back. */
static void void_unflushed(struct journal *journal) {
    static const uint8_t zeros[JOURNAL_BLOCK];
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    journal->failures++;
    result voided = write_at(journal->fd, view_of(zeros, sizeof zeros), journal->durable.offset);
    if (voided == OK)
        voided = sync_file(journal->fd);
    if (voided != OK)
        set_broken(journal);
    journal->end = journal->durable;
    (void)error_set(IO, "%s", why);
}

/* Under the mutex, which is given up meanwhile. */
static result flush_now(struct journal *journal) {
    struct position end = journal->end;
    journal->flushing = true;
    pthread_mutex_unlock(&journal->mutex);
    result flushed = sync_file(journal->fd);
    pthread_mutex_lock(&journal->mutex);
    journal->flushing = false;
    if (flushed == OK)
        journal->durable = end;
    else
        void_unflushed(journal);
    pthread_cond_broadcast(&journal->flushed);
    return flushed;
}

result journal_flush(struct journal *journal, struct journal_mark mark) {
    result flushed = OK;
    pthread_mutex_lock(&journal->mutex);
    while (flushed == OK) {
        if (journal->failures != mark.failures)
            flushed = FAIL(IO, "the journal could not be synced");
        else if (journal->durable.offset >= mark.end)
            break;
        else if (journal->flushing)
            pthread_cond_wait(&journal->flushed, &journal->mutex);
        else
            flushed = flush_now(journal);
    }
    pthread_mutex_unlock(&journal->mutex);
    return flushed;
}

/* ------------------------------------------------------------------ making */

static result make_file(struct journal *journal, const char *folder) {
    char fresh[PATH_MAX], path[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s/journal.tmp", folder) >= PATH_MAX ||
        snprintf(path, sizeof path, "%s/journal", folder) >= PATH_MAX)
        return FAIL(INVALID, "the store's path is too long");
    journal->fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (journal->fd < 0)
        return FAIL(IO, "making %s: %s", fresh, strerror(errno));
    result made = grow(journal, JOURNAL_FIRST_BYTES);
    if (made == OK)
        made = write_window(journal, 1);
    if (made == OK && rename(fresh, path) != 0)
        made = FAIL(IO, "making %s: %s", path, strerror(errno));
    if (made != OK) {
        unlink(fresh);
        return made;
    }
    return file_sync_folder(folder);
}

result journal_create(const char *folder, struct journal **out_journal) {
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return FAIL(NO_MEMORY, "no memory for a journal");
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->flushed, NULL);
    journal->fd = -1;
    result made = make_file(journal, folder);
    if (made != OK) {
        journal_free(journal);
        return made;
    }
    *out_journal = journal;
    return OK;
}

void journal_free(struct journal *journal) {
    if (journal == NULL)
        return;
    file_close_at(&journal->fd);
    pthread_cond_destroy(&journal->flushed);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}
