#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "seal/seal.h"

static const char MAGIC[] = "MYELINMP";
static const char PURPOSE[] = "MYELIN-V1-ORTHANC-MAP";
static const char CHECK_PURPOSE[] = "MYELIN-V1-ORTHANC-MAP-CHECK";
static const char CHECK[] = "map"; /* opens with the right key alone */

enum {
    ID_BYTES = 16,
    CHECK_BYTES = 3 + SEAL_TEXT_OVERHEAD,
    HEAD_BYTES = 8 + ID_BYTES + CHECK_BYTES,
    CONTEXT_BYTES = ID_BYTES + 8,
    BOX_MAX = RECORD_TEXT_MAX + SEAL_TEXT_OVERHEAD,
    TORN_MAX = 64 << 10, /* more behind the last whole record is damage, not a crash */
};
#define FILE_MAX ((size_t)16 << 30)

struct journal {
    char path[PATH_MAX];
    uint8_t *key; /* in secret memory */
    pthread_mutex_t lock;
    pthread_cond_t synced_more;
    pthread_cond_t wake; /* the flusher */
    pthread_t flusher;
    bool has_flusher, is_ending,
        is_wanted; /* under the lock; wanted: a flush that nobody does yet */
    int fd;
    uint8_t id[ID_BYTES];
    uint64_t records;         /* in the file */
    uint64_t bytes;           /* likewise */
    uint64_t written, synced; /* records, since the start */
    bool is_syncing, is_broken;
};

static void make_context(const struct journal *journal, uint64_t number,
                         uint8_t out[CONTEXT_BYTES]) {
    memcpy(out, journal->id, ID_BYTES);
    store_be64(out + ID_BYTES, number);
}

/* ------------------------------------------------------------------ reading */

static bool take_record(const struct journal *journal, struct view *cursor,
                        struct record *out_record) {
    struct view rest = *cursor, head, box;
    if (!view_take(&rest, 4, &head) || load_be32(head.data) > BOX_MAX ||
        !view_take(&rest, load_be32(head.data), &box))
        return false;
    uint8_t context[CONTEXT_BYTES];
    make_context(journal, journal->records, context);
    AUTO_BYTES struct bytes text = {0};
    if (seal_open_text(journal->key, PURPOSE, view_of(context, sizeof context), box, &text) != OK ||
        record_parse(bytes_view(&text), out_record) != OK)
        return false;
    *cursor = rest;
    return true;
}

static result replay_all(struct journal *journal, struct view file, journal_replay replay,
                         void *context, struct journal_found *found) {
    struct view head;
    struct view cursor = file;
    if (!view_take(&cursor, HEAD_BYTES, &head) || memcmp(head.data, MAGIC, 8) != 0) {
        found->cut_bytes = file.len;
        found->is_damaged = file.len > 0;
        return OK;
    }
    memcpy(journal->id, head.data + 8, ID_BYTES);
    AUTO_BYTES struct bytes check = {0};
    if (seal_open_text(journal->key, CHECK_PURPOSE, view_of(journal->id, ID_BYTES),
                       view_of(head.data + 8 + ID_BYTES, CHECK_BYTES), &check) != OK)
        return FAIL(DENIED, "%s is another user's, or its head is damaged: put it aside",
                    journal->path);
    struct record record;
    while (cursor.len > 0 && take_record(journal, &cursor, &record)) {
        journal->records++;
        TRY(replay(context, &record));
    }
    journal->bytes = file.len - cursor.len;
    found->cut_bytes = cursor.len;
    found->is_damaged = cursor.len > TORN_MAX;
    return OK;
}

/* ------------------------------------------------------------------ writing */

static result write_record(struct journal *journal, const struct record *record) {
    AUTO_BYTES struct bytes text = {0};
    AUTO_BYTES struct bytes line = {0};
    uint8_t context[CONTEXT_BYTES], head[4] = {0};
    make_context(journal, journal->records, context);
    TRY(record_pack(record, &text));
    TRY(bytes_append(&line, view_of(head, sizeof head)));
    TRY(seal_text(journal->key, PURPOSE, view_of(context, sizeof context), bytes_view(&text),
                  &line));
    store_be32(line.data, (uint32_t)(line.len - sizeof head));
    result written = file_write_all(journal->fd, bytes_view(&line), journal->path);
    if (written != OK) {
        journal->is_broken = ftruncate(journal->fd, (off_t)journal->bytes) != 0;
        return written;
    }
    journal->records++;
    journal->written++;
    journal->bytes += line.len;
    return OK;
}

result journal_append(struct journal *journal, const struct record *record) {
    pthread_mutex_lock(&journal->lock);
    result written = journal->is_broken ? FAIL(IO, "%s: could not be written before", journal->path)
                                        : write_record(journal, record);
    pthread_mutex_unlock(&journal->lock);
    return written;
}

/* With the lock held; gives it up while the disk works. */
static result sync_once(struct journal *journal) {
    uint64_t written = journal->written;
    journal->is_syncing = true;
    pthread_mutex_unlock(&journal->lock);
    int failed = fdatasync(journal->fd);
    int why = errno;
    pthread_mutex_lock(&journal->lock);
    journal->is_syncing = false;
    if (failed == 0)
        journal->synced = written;
    else
        journal->is_broken = true;
    pthread_cond_broadcast(&journal->synced_more);
    return failed == 0 ? OK : FAIL(IO, "%s: %s", journal->path, strerror(why));
}

result journal_sync(struct journal *journal) {
    result done = OK;
    pthread_mutex_lock(&journal->lock);
    uint64_t wanted = journal->written;
    while (done == OK && journal->synced < wanted) {
        if (journal->is_broken)
            done = FAIL(IO, "%s: could not be written before", journal->path);
        else if (journal->is_syncing)
            pthread_cond_wait(&journal->synced_more, &journal->lock);
        else
            done = sync_once(journal);
    }
    pthread_mutex_unlock(&journal->lock);
    return done;
}

/* ------------------------------------------------------------------ the flusher */

static void *flush(void *argument) {
    struct journal *journal = argument;
    pthread_mutex_lock(&journal->lock);
    while (!journal->is_ending) {
        if (journal->is_wanted && !journal->is_syncing) {
            journal->is_wanted = false;
            /* What fails breaks the journal, and journal_sync says so. */
            if (!journal->is_broken && journal->synced < journal->written)
                (void)sync_once(journal);
            continue;
        }
        pthread_cond_wait(journal->is_wanted ? &journal->synced_more : &journal->wake,
                          &journal->lock);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

void journal_begin_sync(struct journal *journal) {
    pthread_mutex_lock(&journal->lock);
    if (!journal->has_flusher)
        journal->has_flusher = pthread_create(&journal->flusher, NULL, flush, journal) == 0;
    journal->is_wanted = journal->has_flusher;
    pthread_mutex_unlock(&journal->lock);
    pthread_cond_signal(&journal->wake);
}

static void end_flusher(struct journal *journal) {
    pthread_mutex_lock(&journal->lock);
    journal->is_ending = true;
    pthread_cond_broadcast(&journal->wake);
    pthread_cond_broadcast(&journal->synced_more);
    pthread_mutex_unlock(&journal->lock);
    if (journal->has_flusher)
        pthread_join(journal->flusher, NULL);
}

uint64_t journal_records(struct journal *journal) {
    pthread_mutex_lock(&journal->lock);
    uint64_t records = journal->records;
    pthread_mutex_unlock(&journal->lock);
    return records;
}

/* ------------------------------------------------------------------ a new file */

static result begin_file(struct journal *journal, const char *path) {
    AUTO_BYTES struct bytes head = {0};
    uint8_t id[ID_BYTES];
    secret_random(id, sizeof id);
    TRY(bytes_append(&head, view_of(MAGIC, 8)));
    TRY(bytes_append(&head, view_of(id, sizeof id)));
    TRY(seal_text(journal->key, CHECK_PURPOSE, view_of(id, sizeof id), view_of(CHECK, 3), &head));
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    TRY(file_write_all(fd, bytes_view(&head), path));
    memcpy(journal->id, id, ID_BYTES);
    journal->fd = fd;
    journal->records = 0;
    journal->bytes = HEAD_BYTES;
    fd = -1;
    return OK;
}

static result put_in_place(struct journal *journal, const char *path) {
    if (fsync(journal->fd) != 0 || rename(path, journal->path) != 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    return OK;
}

static result sync_folder(const struct journal *journal) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", journal->path);
    *strrchr(folder, '/') = '\0';
    return file_sync_folder(folder);
}

/* Which file has the name after a power cut is unknown until this is done: what would be written to
 * the one might be looked for in the other. */
static result sync_name(struct journal *journal) {
    result synced = sync_folder(journal);
    pthread_mutex_lock(&journal->lock);
    journal->synced = journal->written;
    journal->is_broken = journal->is_broken || synced != OK;
    pthread_mutex_unlock(&journal->lock);
    return synced;
}

static result rewrite(struct journal *journal, journal_writer write, void *context) {
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s.new", journal->path);
    struct journal old = *journal;
    result done = begin_file(journal, path);
    if (done == OK)
        done = write(context, journal);
    if (done == OK)
        done = put_in_place(journal, path);
    if (done == OK) {
        file_close_at(&old.fd);
        return sync_name(journal);
    }
    if (journal->fd != old.fd)
        file_close_at(&journal->fd);
    journal->fd = old.fd;
    journal->records = old.records;
    journal->bytes = old.bytes;
    memcpy(journal->id, old.id, ID_BYTES);
    return done;
}

/* A flush is of the file that was there when it began. */
result journal_rewrite(struct journal *journal, journal_writer write, void *context) {
    pthread_mutex_lock(&journal->lock);
    while (journal->is_syncing)
        pthread_cond_wait(&journal->synced_more, &journal->lock);
    journal->is_syncing = true;
    pthread_mutex_unlock(&journal->lock);
    result done = rewrite(journal, write, context);
    pthread_mutex_lock(&journal->lock);
    journal->is_syncing = false;
    pthread_cond_broadcast(&journal->synced_more);
    pthread_mutex_unlock(&journal->lock);
    return done;
}

/* ------------------------------------------------------------------ opening */

static result keep_damaged(const struct journal *journal) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s.damaged", journal->path);
    if (rename(journal->path, path) != 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    return OK;
}

static result read_file(struct journal *journal, journal_replay replay, void *context,
                        struct journal_found *found) {
    AUTO_BYTES struct bytes file = {0};
    result read = file_read(journal->path, FILE_MAX, &file);
    if (read == NOT_FOUND)
        return OK;
    TRY(read);
    TRY(replay_all(journal, bytes_view(&file), replay, context, found));
    found->records = journal->records;
    if (found->is_damaged)
        return keep_damaged(journal);
    journal->fd = open(journal->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    /* What was killed may have had no time to sync: what was read counts, so it is to stay. */
    if (journal->fd < 0 || ftruncate(journal->fd, (off_t)journal->bytes) != 0 ||
        fdatasync(journal->fd) != 0)
        return FAIL(IO, "%s: %s", journal->path, strerror(errno));
    return sync_folder(journal);
}

static result write_nothing(void *context, struct journal *journal) {
    (void)context;
    (void)journal;
    return OK;
}

static result open_file(struct journal *journal, journal_replay replay, void *context,
                        struct journal_found *found) {
    TRY(read_file(journal, replay, context, found));
    if (journal->fd >= 0)
        return OK;
    return journal_rewrite(journal, write_nothing, NULL);
}

result journal_open(const char *path, const uint8_t key[JOURNAL_KEY_BYTES], journal_replay replay,
                    void *context, struct journal_found *out_found, struct journal **out_journal) {
    struct journal_found found = {0};
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return FAIL(NO_MEMORY, "no memory for the map");
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->synced_more, NULL);
    pthread_cond_init(&journal->wake, NULL);
    journal->fd = -1;
    snprintf(journal->path, sizeof journal->path, "%s", path);
    result opened = secret_new(JOURNAL_KEY_BYTES, (void **)&journal->key);
    if (opened == OK) {
        memcpy(journal->key, key, JOURNAL_KEY_BYTES);
        opened = open_file(journal, replay, context, &found);
    }
    if (opened != OK) {
        journal_close(journal);
        return opened;
    }
    *out_found = found;
    *out_journal = journal;
    return OK;
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    end_flusher(journal);
    if (journal->fd >= 0)
        fdatasync(journal->fd);
    file_close_at(&journal->fd);
    secret_free(journal->key);
    pthread_cond_destroy(&journal->synced_more);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}
