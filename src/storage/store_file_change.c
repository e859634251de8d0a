/*
 * The "file:" backend: many values that become durable as one, through the journal.
 *
 * Where all of it is held in memory, store_file_publish.c does it without a file under a name that
 * goes away. Here is the rest: what lies in files is read back for the journal, and moved by
 * renames; what is too much for the journal is synced where it lies, or left to the caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "storage/store_file.h"

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
    *out_small = status.st_size >= 0 && file_is_small(file, body->len) &&
                 (uintmax_t)status.st_size <= JOURNAL_BODY_MAX &&
                 file_is_small(file, body->len + (size_t)status.st_size);
    if (!*out_small)
        return OK;
    TRY(file_path_of(store, from, path));
    TRY(file_read(path, JOURNAL_BODY_MAX, &value));
    return journal_add(body, JOURNAL_SET, key, bytes_view(&value));
}

static result add_prefix(struct store *store, const char *prefix, struct bytes *body,
                         bool *out_small) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store->methods->list(store, prefix, "", "", &names));
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

static result seal_files(struct store *store, const char *prefix, const char *key,
                         struct view value) {
    AUTO_BYTES struct bytes body = {0};
    struct file_store *file = file_of(store);
    bool small = file_is_small(file, value.len);
    TRY(file_spill(store, prefix));
    if (small)
        TRY(add_prefix(store, prefix, &body, &small));
    if (!small || !file_is_small(file, body.len + value.len)) {
        TRY(file_sync(store, prefix));
        return file_replace(store, key, value);
    }
    TRY(journal_add(&body, JOURNAL_SET, key, value));
    return file_set_durably(store, bytes_view(&body), key, value);
}

result file_seal(struct store *store, const char *prefix, const char *key, struct view value) {
    bool done = false;
    TRY(file_seal_held(store, prefix, key, value, &done));
    return done ? OK : seal_files(store, prefix, key, value);
}

/* ------------------------------------------------------------------ many steps as one */

static result add_value(struct store *store, const char *key, struct view value, struct bytes *body,
                        bool *out_small) {
    *out_small = file_is_small(file_of(store), body->len + value.len);
    return *out_small ? journal_add(body, JOURNAL_SET, key, value) : OK;
}

static result add_move(struct store *store, const struct steps *steps,
                       const struct store_step *step, struct bytes *body, bool *out_small) {
    const struct store_step *set = steps_find_set(steps, step->key);
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
    *out_small = file_is_small(file_of(store), body->len);
    return *out_small ? journal_add(body, JOURNAL_DROP_ALL, step->key, view_of("", 0)) : OK;
}

/* What is set comes first, as it does in the files. */
static result add_steps(struct store *store, const struct steps *steps, struct bytes *body,
                        bool *out_small) {
    *out_small = true;
    for (int set = 1; set >= 0; set--)
        for (size_t i = 0; *out_small && i < steps->count; i++)
            if ((steps->list[i].kind == STORE_SET) == (set == 1))
                TRY(add_step(store, steps, &steps->list[i], body, out_small));
    return OK;
}

static result do_sets(struct store *store, const struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_SET)
            TRY(file_write(store, steps->list[i].key, steps->list[i].value));
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
    file_unhold(store, step->key);
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
    struct journal_mark mark;
    result entered = do_sets(store, steps);
    if (entered == IO && file_give_spare(store))
        entered = do_sets(store, steps);
    if (entered == OK)
        entered = file_enter_durably(file_of(store), body, &mark);
    if (entered != OK)
        undo_sets(store, steps);
    return entered;
}

static result change_files(struct store *store, const struct steps *steps,
                           enum store_extent *out_extent) {
    AUTO_BYTES struct bytes body = {0};
    bool small;
    TRY(add_steps(store, steps, &body, &small));
    if (!small)
        return OK;
    TRY(set_and_enter(store, steps, bytes_view(&body)));
    result done = do_steps(store, steps);
    file_leave(file_of(store));
    *out_extent = done == OK ? STORE_DONE : STORE_DECIDED;
    return done;
}

static result spill_moved(struct store *store, const struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++) {
        if (steps->list[i].kind != STORE_MOVE)
            continue;
        TRY(file_spill(store, steps->list[i].key));
        TRY(file_spill(store, steps->list[i].to));
    }
    return OK;
}

result file_change(struct store *store, const struct store_step *list, size_t count,
                   enum store_extent *out_extent) {
    const struct steps steps = {list, count};
    bool done = false;
    *out_extent = STORE_NOTHING;
    if (file_of(store)->journal == NULL)
        return OK;
    TRY(file_change_held(store, &steps, &done));
    if (done) {
        *out_extent = STORE_DONE;
        return OK;
    }
    TRY(spill_moved(store, &steps));
    return change_files(store, &steps, out_extent);
}
