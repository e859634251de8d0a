/*
 * The "file:" backend's journal: small changes are written to it and flushed, then made in the
 * files, which nobody waits for.
 *
 * Why this is right. A window begins when everything in the files is on the disk (syncfs), and a
 * change is made in the files before its window can end (the lock `window`). So after a crash the
 * disk holds the files as the window found them, and of what was done since any part, or none; and
 * the journal says what every key that was made durable since then has. Doing that again, in
 * order, is right whatever part there was.
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

static result new_window(struct file_store *file) {
    pthread_rwlock_wrlock(&file->window);
    result ended = end_window(file);
    pthread_rwlock_unlock(&file->window);
    return ended;
}

result file_settle(struct store *store, const char *key) {
    struct file_store *file = file_of(store);
    bool concerned = file->journal != NULL && journal_concerns(file->journal, key);
    return concerned ? new_window(file) : OK;
}

/* On success the window's lock is held for reading, until leave(). */
static result enter(struct file_store *file, struct view body, struct journal_mark *out_mark) {
    for (;;) {
        bool full = false;
        pthread_rwlock_rdlock(&file->window);
        result appended = journal_append(file->journal, body, out_mark, &full);
        if (appended == OK && !full)
            return OK;
        pthread_rwlock_unlock(&file->window);
        TRY(appended);
        TRY(new_window(file));
    }
}

static void leave(struct file_store *file) {
    pthread_rwlock_unlock(&file->window);
}

static result enter_durably(struct file_store *file, struct view body) {
    struct journal_mark mark;
    TRY(enter(file, body, &mark));
    result flushed = journal_flush(file->journal, mark);
    if (flushed != OK)
        leave(file);
    return flushed;
}

result file_note_removal(struct store *store, enum journal_kind kind, const char *key) {
    struct file_store *file = file_of(store);
    AUTO_BYTES struct bytes body = {0};
    struct journal_mark mark;
    if (file->journal == NULL || !journal_concerns(file->journal, key))
        return OK;
    TRY(journal_add(&body, kind, key, view_of("", 0)));
    TRY(enter(file, bytes_view(&body), &mark));
    leave(file);
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

/* Makes `body`, where it has room for it, durable; and `key`, of which it says the value, so. */
static result set_durably(struct store *store, struct view body, const char *key,
                          struct view value) {
    struct file_store *file = file_of(store);
    char fresh[STORE_KEY_BYTES];
    TRY(write_fresh(store, key, value, fresh));
    result durable = enter_durably(file, body);
    if (durable != OK) {
        unlinkat(file->root, fresh, 0);
        return durable;
    }
    result renamed = rename_fresh(store, fresh, key);
    leave(file);
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
    TRY(file_settle(store, key));
    result replaced = replace_at_once(store, key, value);
    if (replaced != IO || !file_give_spare(store))
        return replaced;
    return replace_at_once(store, key, value);
}

static bool is_small(const struct file_store *file, size_t bytes) {
    return file->journal != NULL && bytes + 2 * STORE_KEY_BYTES <= JOURNAL_BODY_MAX;
}

result file_replace(struct store *store, const char *key, struct view value) {
    AUTO_BYTES struct bytes body = {0};
    if (!is_small(file_of(store), value.len))
        return replace_in_place(store, key, value);
    TRY(journal_add(&body, JOURNAL_SET, key, value));
    return set_durably(store, bytes_view(&body), key, value);
}

/* ------------------------------------------------------------------ what lies in files already */

/* Adds the value of `from` as that of `key`. `out_small` unset, and nothing added, where the body
 * would grow too long; NOT_FOUND. */
static result add_file(struct store *store, const char *from, const char *key, struct bytes *body,
                       bool *out_small) {
    AUTO_BYTES struct bytes value = {0};
    struct file_store *file = file_of(store);
    char path[PATH_MAX];
    struct stat status;
    if (fstatat(file->root, from, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return file_read_error("reading", from);
    *out_small = status.st_size >= 0 && is_small(file, body->len) &&
                 (uintmax_t)status.st_size <= JOURNAL_BODY_MAX &&
                 is_small(file, body->len + (size_t)status.st_size);
    if (!*out_small)
        return OK;
    TRY(file_path_of(store, from, path));
    TRY(file_read(path, JOURNAL_BODY_MAX, &value));
    return journal_add(body, JOURNAL_SET, key, bytes_view(&value));
}

static result add_prefix(struct store *store, const char *prefix, struct bytes *body,
                         bool *out_small) {
    AUTO_NAMES struct store_names names = {0};
    TRY(file_list(store, prefix, "", "", &names));
    *out_small = true;
    for (size_t i = 0; *out_small && i < names.count; i++) {
        char key[STORE_KEY_BYTES + STORE_NAME_BYTES];
        int length = snprintf(key, sizeof key, "%s/%s", prefix, names.names[i]);
        if (length >= STORE_KEY_BYTES || !store_key_is_valid(key))
            return FAIL(IO, "syncing %s: it holds what is not a value", prefix);
        result added = add_file(store, key, key, body, out_small);
        TRY(added == NOT_FOUND ? FAIL(IO, "syncing %s: %s is gone", prefix, key) : added);
    }
    return OK;
}

result file_seal(struct store *store, const char *prefix, const char *key, struct view value) {
    AUTO_BYTES struct bytes body = {0};
    struct file_store *file = file_of(store);
    bool small = is_small(file, value.len);
    if (small)
        TRY(add_prefix(store, prefix, &body, &small));
    if (!small || !is_small(file, body.len + value.len)) {
        TRY(file_sync(store, prefix));
        return file_replace(store, key, value);
    }
    TRY(journal_add(&body, JOURNAL_SET, key, value));
    return set_durably(store, bytes_view(&body), key, value);
}

/* ------------------------------------------------------------------ many steps as one */

struct steps {
    const struct store_step *list;
    size_t count;
};

/* The step that gives a key the value which is moved on; or NULL: it has one. */
static const struct store_step *find_set(const struct steps *steps, const char *key) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_SET && strcmp(steps->list[i].key, key) == 0)
            return &steps->list[i];
    return NULL;
}

static result add_value(struct store *store, const char *key, struct view value, struct bytes *body,
                        bool *out_small) {
    *out_small = is_small(file_of(store), body->len + value.len);
    return *out_small ? journal_add(body, JOURNAL_SET, key, value) : OK;
}

static result add_move(struct store *store, const struct steps *steps,
                       const struct store_step *step, struct bytes *body, bool *out_small) {
    const struct store_step *set = find_set(steps, step->key);
    result added = set != NULL ? add_value(store, step->to, set->value, body, out_small)
                               : add_file(store, step->key, step->to, body, out_small);
    if (added == NOT_FOUND)
        return OK;
    TRY(added);
    return *out_small ? journal_add(body, JOURNAL_DROP, step->key, view_of("", 0)) : OK;
}

static result add_step(struct store *store, const struct steps *steps,
                       const struct store_step *step, struct bytes *body, bool *out_small) {
    if (step->kind == STORE_SET)
        return add_value(store, step->key, step->value, body, out_small);
    if (step->kind == STORE_MOVE)
        return add_move(store, steps, step, body, out_small);
    *out_small = is_small(file_of(store), body->len);
    return *out_small ? journal_add(body, JOURNAL_DROP_ALL, step->key, view_of("", 0)) : OK;
}

/* What is set comes first, as it does in the files. */
static result add_steps(struct store *store, const struct steps *steps, struct bytes *body,
                        bool *out_small) {
    *out_small = file_of(store)->journal != NULL;
    for (int set = 1; set >= 0; set--)
        for (size_t i = 0; *out_small && i < steps->count; i++)
            if ((steps->list[i].kind == STORE_SET) == (set == 1))
                TRY(add_step(store, steps, &steps->list[i], body, out_small));
    return OK;
}

static result do_sets(struct store *store, const struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_SET)
            TRY(file_put(store, steps->list[i].key, steps->list[i].value));
    return OK;
}

static void undo_sets(struct store *store, const struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_SET)
            unlinkat(file_of(store)->root, steps->list[i].key, 0);
}

static result do_step(struct store *store, const struct store_step *step) {
    char path[PATH_MAX];
    if (step->kind == STORE_SET)
        return OK;
    if (step->kind == STORE_MOVE) {
        result moved = file_move(store, step->key, step->to, 0);
        return moved == NOT_FOUND ? OK : moved;
    }
    TRY(file_path_of(store, step->key, path));
    if (file_remove_tree(path) != OK) /* it stands in nobody's way: a start removes it */
        log_event(LOG_WARNING, "store", "left behind: %s", error_text());
    return OK;
}

static result do_steps(struct store *store, const struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++) {
        result done = do_step(store, &steps->list[i]);
        if (done == IO && file_give_spare(store))
            done = do_step(store, &steps->list[i]);
        TRY(done);
    }
    return OK;
}

/* The values are in the files before they count, so that no room can lack for them then. */
static result set_and_enter(struct store *store, const struct steps *steps, struct view body) {
    result entered = do_sets(store, steps);
    if (entered == IO && file_give_spare(store))
        entered = do_sets(store, steps);
    if (entered == OK)
        entered = enter_durably(file_of(store), body);
    if (entered != OK)
        undo_sets(store, steps);
    return entered;
}

result file_change(struct store *store, const struct store_step *list, size_t count,
                   enum store_extent *out_extent) {
    const struct steps steps = {list, count};
    AUTO_BYTES struct bytes body = {0};
    bool small;
    *out_extent = STORE_NOTHING;
    TRY(add_steps(store, &steps, &body, &small));
    if (!small)
        return OK;
    TRY(set_and_enter(store, &steps, bytes_view(&body)));
    result done = do_steps(store, &steps);
    leave(file_of(store));
    *out_extent = done == OK ? STORE_DONE : STORE_DECIDED;
    return done;
}

/* ------------------------------------------------------------------ the start and the end */

struct replay {
    struct store *store;
    unsigned long long changes;
};

static result do_again(void *context, const struct journal_change *change) {
    struct replay *replay = context;
    struct store *store = replay->store;
    char path[PATH_MAX], fresh[STORE_KEY_BYTES];
    replay->changes++;
    if (change->kind == JOURNAL_SET) {
        TRY(write_fresh(store, change->key, change->value, fresh));
        return rename_fresh(store, fresh, change->key);
    }
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
    if (new_window(file) == OK)
        unlinkat(file->root, STORE_JOURNAL, 0);
    else
        log_event(LOG_WARNING, "store", "the next start does what the journal says: %s",
                  error_text());
    journal_free(file->journal);
    file->journal = NULL;
}
