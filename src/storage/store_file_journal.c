/*
 * The "file:" backend's journal: small changes are written to it and flushed, then made in the
 * files, which nobody waits for.
 *
 * Why this is right. A window begins when everything in the files is on the disk (syncfs), and a
 * change is made in the files before its window can end (the lock `window`; values that are held
 * and that the window says are written then). So after a crash the disk holds the files as the
 * window found them, and of what was done since any part, or none; and the journal says what every
 * key that was made durable since then has. Doing that again, in order, is right whatever part
 * there was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "storage/store_file.h"

/* ------------------------------------------------------------------ windows */

/* Under the window's lock for writing. */
static result end_window(struct file_store *file) {
    if (syncfs(file->root) != 0) {
        /* What the disk refused it may have forgotten, and the next syncfs need not say so. The
         * journal has it all: the next start does it again. */
        result failed = FAIL(IO, "syncing the store: %s", strerror(errno));
        journal_break(file->journal);
        return failed;
    }
    return journal_start_window(file->journal);
}

/* Where the files lack what is held, the window goes on: the journal has it. */
result file_new_window(struct file_store *file) {
    pthread_rwlock_wrlock(&file->window);
    result ended = file_spill_said(file);
    if (ended == OK)
        ended = end_window(file);
    pthread_rwlock_unlock(&file->window);
    return ended;
}

result file_settle(struct store *store, const char *key) {
    struct file_store *file = file_of(store);
    bool concerned = file->journal != NULL && journal_concerns(file->journal, key);
    return concerned ? file_new_window(file) : OK;
}

result file_enter(struct file_store *file, struct view body, struct journal_mark *out_mark) {
    for (;;) {
        bool full = false;
        pthread_rwlock_rdlock(&file->window);
        result appended = journal_append(file->journal, body, out_mark, &full);
        if (appended == OK && !full)
            return OK;
        pthread_rwlock_unlock(&file->window);
        TRY(appended);
        TRY(file_new_window(file));
    }
}

void file_leave(struct file_store *file) {
    pthread_rwlock_unlock(&file->window);
}

result file_enter_durably(struct file_store *file, struct view body,
                          struct journal_mark *out_mark) {
    TRY(file_enter(file, body, out_mark));
    result flushed = journal_flush(file->journal, *out_mark);
    if (flushed != OK)
        file_leave(file);
    return flushed;
}

result file_note_removal(struct store *store, enum journal_kind kind, const char *key) {
    struct file_store *file = file_of(store);
    AUTO_BYTES struct bytes body = {0};
    struct journal_mark mark;
    if (file->journal == NULL || !journal_concerns(file->journal, key))
        return OK;
    TRY(journal_add(&body, kind, key, view_of("", 0)));
    TRY(file_enter(file, bytes_view(&body), &mark));
    file_leave(file);
    return OK;
}

/* ------------------------------------------------------------------ values */

/* A file in new/ with a value, which is to be renamed; nothing of it is durable. */
static result write_fresh_once(struct store *store, const char *key, struct view value,
                               char out_fresh[STORE_KEY_BYTES]) {
    struct file_store *file = file_of(store);
    snprintf(out_fresh, STORE_KEY_BYTES, STORE_NEW "/%llu.tmp",
             (unsigned long long)atomic_fetch_add(&file->fresh, 1));
    TRY(file_make_parents(store, key));
    AUTO_FD int fd = openat(file->root, out_fresh,
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, STORE_FILE_MODE);
    if (fd < 0)
        return file_write_error("writing", key);
    result written = file_write_all(fd, value, key);
    if (written != OK)
        unlinkat(file->root, out_fresh, 0);
    return written;
}

/* On a full disk the spare blocks go to small records: decisions about what is there, and removals,
 * after which there is room again. */
static result write_fresh(struct store *store, const char *key, struct view value,
                          char out_fresh[STORE_KEY_BYTES]) {
    result written = write_fresh_once(store, key, value, out_fresh);
    if (written != IO || !file_give_spare(store))
        return written;
    return write_fresh_once(store, key, value, out_fresh);
}

static result rename_fresh(struct store *store, const char *fresh, const char *key) {
    int root = file_of(store)->root;
    if (renameat(root, fresh, root, key) == 0)
        return OK;
    result failed = file_write_error("writing", key);
    unlinkat(root, fresh, 0);
    return failed;
}

result file_overwrite_whole(struct store *store, const char *key, struct view value) {
    char fresh[STORE_KEY_BYTES];
    TRY(write_fresh(store, key, value, fresh));
    return rename_fresh(store, fresh, key);
}

/* The value is in a file before it counts, so that no room can lack for it then. */
result file_set_durably(struct store *store, struct view body, const char *key, struct view value) {
    struct file_store *file = file_of(store);
    char fresh[STORE_KEY_BYTES];
    struct journal_mark mark;
    TRY(write_fresh(store, key, value, fresh));
    result durable = file_enter_durably(file, body, &mark);
    if (durable != OK) {
        unlinkat(file->root, fresh, 0);
        return durable;
    }
    result renamed = rename_fresh(store, fresh, key);
    if (renamed == OK)
        file_unhold(store, key);
    file_leave(file);
    return renamed;
}

static result replace_at_once(struct store *store, const char *key, struct view value) {
    char path[PATH_MAX], folder[PATH_MAX], parent[STORE_KEY_BYTES];
    TRY(file_path_of(store, key, path));
    TRY(file_path_of(store, STORE_NEW, folder));
    file_parent_of(key, parent);
    TRY(file_make_parents(store, key));
    TRY(file_write_through(folder, path, value, STORE_FILE_MODE));
    return file_sync_names(store, parent);
}

/* Too long for the journal, or there is none. */
static result replace_in_place(struct store *store, const char *key, struct view value) {
    TRY(file_spill(store, key));
    TRY(file_settle(store, key));
    result replaced = replace_at_once(store, key, value);
    if (replaced != IO || !file_give_spare(store))
        return replaced;
    return replace_at_once(store, key, value);
}

bool file_is_small(const struct file_store *file, size_t bytes) {
    return file->journal != NULL && bytes + 2 * STORE_KEY_BYTES <= JOURNAL_BODY_MAX;
}

result file_replace(struct store *store, const char *key, struct view value) {
    AUTO_BYTES struct bytes body = {0};
    if (!file_is_small(file_of(store), value.len))
        return replace_in_place(store, key, value);
    TRY(journal_add(&body, JOURNAL_SET, key, value));
    return file_set_durably(store, bytes_view(&body), key, value);
}

/* ------------------------------------------------------------------ the start and the end */

struct replay {
    struct store *store;
    unsigned long long changes;
};

static result do_again(void *context, const struct journal_change *change) {
    struct replay *replay = context;
    struct store *store = replay->store;
    char path[PATH_MAX];
    replay->changes++;
    if (change->kind == JOURNAL_SET)
        return file_overwrite_whole(store, change->key, change->value);
    TRY(file_path_of(store, change->key, path));
    if (change->kind == JOURNAL_DROP_ALL)
        return file_remove_tree(path);
    if (unlinkat(file_of(store)->root, change->key, 0) != 0 && errno != ENOENT)
        return file_write_error("removing", change->key);
    return OK;
}

/* NOT_FOUND where there is no journal. */
static result replay_journal(struct file_store *file) {
    AUTO_BYTES struct bytes text = {0};
    struct replay replay = {.store = &file->base};
    char path[PATH_MAX];
    TRY(file_path_of(&file->base, STORE_JOURNAL, path));
    TRY(file_read(path, JOURNAL_BYTES_MAX, &text));
    result parsed = journal_parse(bytes_view(&text), do_again, &replay);
    if (parsed == INTEGRITY)
        return error_at(INTEGRITY,
                        "%s: changes that were acknowledged are lost; move it away, start the "
                        "server and run `myelin repair`",
                        path);
    TRY(parsed);
    if (syncfs(file->root) != 0)
        return FAIL(IO, "syncing %s: %s", file->path, strerror(errno));
    if (replay.changes > 0)
        log_event(LOG_INFO, "journal", "changes=%llu", replay.changes);
    return OK;
}

static result forget_journal(struct file_store *file) {
    if (unlinkat(file->root, STORE_JOURNAL, 0) != 0 && errno != ENOENT)
        return FAIL(IO, "removing %s/" STORE_JOURNAL ": %s", file->path, strerror(errno));
    return file_sync_folder(file->path);
}

result file_journal_open(struct file_store *file) {
    result replayed = replay_journal(file);
    if (replayed != OK && replayed != NOT_FOUND)
        return replayed;
    if (journal_create(file->path, &file->journal) == OK)
        return OK;
    log_event(LOG_WARNING, "store", "no journal, so that every change waits for its files: %s",
              error_text());
    file->journal = NULL;
    return forget_journal(file);
}

void file_journal_close(struct file_store *file) {
    if (file->journal == NULL)
        return;
    if (file_spill(&file->base, "") != OK) /* what is said of it comes back */
        log_event(LOG_WARNING, "unwritten", "%s", error_text());
    if (file_new_window(file) == OK)
        unlinkat(file->root, STORE_JOURNAL, 0);
    else
        log_event(LOG_WARNING, "store", "the next start does what the journal says: %s",
                  error_text());
    journal_free(file->journal);
    file->journal = NULL;
}
