/*
 * The "file:" backend: seals and changes of what is held in memory.
 *
 * A seal says the values in the journal. A change says that other keys have them now, and names the
 * place where the journal has the bytes already; when that is durable they are held under the new
 * keys, and written to files there. Until a file is whole, readers see what is held. A file that
 * cannot be written is written when the window ends, before which nothing is lost: a window with
 * values that no file has goes on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "storage/store_file.h"

const struct store_step *steps_find_set(const struct steps *steps, const char *key) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_SET && strcmp(steps->list[i].key, key) == 0)
            return &steps->list[i];
    return NULL;
}

/* A value's bytes, for the table. */
static result copy_value(struct view value, struct held_value **out_value) {
    AUTO_BYTES struct bytes copy = {0};
    TRY(bytes_append(&copy, value));
    *out_value = held_value_new(&copy);
    return *out_value == NULL ? FAIL(NO_MEMORY, "no memory for a value") : OK;
}

/* Says it in full. `out_small` unset, and nothing added, where the body would grow too long. */
static result say(const struct file_store *file, struct held_entry *entry, struct bytes *body,
                  bool *out_small) {
    struct view value = bytes_view(&entry->value->bytes);
    *out_small = file_is_small(file, body->len + value.len);
    if (!*out_small)
        return OK;
    TRY(journal_add(body, JOURNAL_SET, entry->key, value));
    entry->in_body = body->len - value.len;
    return OK;
}

/* The transaction is durable. */
static void note_said(const struct held_list *list, const struct journal_mark *mark) {
    for (size_t i = 0; i < list->count; i++) {
        const struct held_entry *entry = list->entries[i];
        bool in_full = entry->in_body != 0;
        if (in_full)
            atomic_store(&entry->value->said_at, mark->body + entry->in_body);
        atomic_store(&entry->value->copied, !in_full);
    }
}

/* ------------------------------------------------------------------ sealing */

/* What is below the prefix, and the key last. */
static result list_sealed(struct store *store, const char *prefix, const char *key,
                          struct view value, struct held_list *list) {
    AUTO_HELD struct held_value *sealed = NULL;
    TRY(held_list(file_of(store)->held, prefix, false, list));
    TRY(copy_value(value, &sealed));
    return held_list_add(list, key, sealed);
}

/* One block of memory for the body, where it can be one. */
static result reserve(const struct held_list *list, struct bytes *body) {
    size_t total = 0;
    for (size_t i = 0; i < list->count && total <= JOURNAL_BODY_MAX; i++)
        total += STORE_KEY_BYTES + list->entries[i]->value->bytes.len;
    return total <= JOURNAL_BODY_MAX ? bytes_reserve(body, total) : OK;
}

result file_seal_held(struct store *store, const char *prefix, const char *key, struct view value,
                      bool *out_done) {
    AUTO_HELD_LIST struct held_list list = {0};
    AUTO_BYTES struct bytes body = {0};
    struct file_store *file = file_of(store);
    struct journal_mark mark;
    bool small = file_is_absent(file, prefix) && file_may_hold(store, key, value.len);
    *out_done = false;
    if (!small)
        return OK;
    TRY(list_sealed(store, prefix, key, value, &list));
    TRY(reserve(&list, &body));
    for (size_t i = 0; small && i < list.count; i++)
        TRY(say(file, list.entries[i], &body, &small));
    if (!small)
        return OK;
    TRY(file_enter_durably(file, bytes_view(&body), &mark));
    note_said(&list, &mark);
    held_add(file->held, list.entries[--list.count]);
    file_leave(file);
    *out_done = true;
    return OK;
}

/* ------------------------------------------------------------------ changing */

struct publication {
    struct store *store;
    const struct steps *steps;
    struct held_list values; /* by the keys that they get */
    struct held_list added;  /* the same, for the table */
    struct bytes body;
    bool is_held; /* all that is concerned; and it fits */
    bool is_done;
};

static void publication_clean_up(struct publication *p) {
    held_list_free(&p->values);
    held_list_free(&p->added);
    bytes_free(&p->body);
}

static result add_in_full(struct publication *p, const char *key, struct held_value *value) {
    TRY(held_list_add(&p->values, key, value));
    return say(file_of(p->store), p->values.entries[p->values.count - 1], &p->body, &p->is_held);
}

static result add_value(struct publication *p, const char *key, struct held_value *value) {
    if (value->said_at == 0 || value->copied)
        return add_in_full(p, key, value);
    p->is_held = file_is_small(file_of(p->store), p->body.len);
    if (!p->is_held)
        return OK;
    TRY(held_list_add(&p->values, key, value));
    return journal_add_copy(&p->body, key, value->said_at, value->bytes.len);
}

static bool is_moved_on(const struct steps *steps, const char *key) {
    for (size_t i = 0; i < steps->count; i++)
        if (steps->list[i].kind == STORE_MOVE && strcmp(steps->list[i].key, key) == 0)
            return true;
    return false;
}

static result add_set(struct publication *p, const struct store_step *step, const char *key) {
    AUTO_HELD struct held_value *value = NULL;
    TRY(copy_value(step->value, &value));
    return add_in_full(p, key, value);
}

static result add_drop(struct publication *p, enum journal_kind kind, const char *key) {
    p->is_held = file_is_small(file_of(p->store), p->body.len);
    return p->is_held ? journal_add(&p->body, kind, key, view_of("", 0)) : OK;
}

/* A value that is set and moved on in one has never been at the key that it was set to. */
static result add_move(struct publication *p, const struct store_step *step) {
    struct file_store *file = file_of(p->store);
    const struct store_step *set = steps_find_set(p->steps, step->key);
    if (set != NULL)
        return add_set(p, set, step->to);
    AUTO_HELD struct held_value *value = held_get(file->held, step->key);
    p->is_held = file_is_absent(file, step->key);
    if (value == NULL || !p->is_held)
        return OK;
    TRY(add_value(p, step->to, value));
    return p->is_held ? add_drop(p, JOURNAL_DROP, step->key) : OK;
}

static result add_step(struct publication *p, const struct store_step *step) {
    if (step->kind == STORE_MOVE)
        return add_move(p, step);
    if (step->kind == STORE_DROP)
        return add_drop(p, JOURNAL_DROP_ALL, step->key);
    return is_moved_on(p->steps, step->key) ? OK : add_set(p, step, step->key);
}

/* What is set comes first, as the store says. */
static result gather(struct publication *p) {
    p->is_held = true;
    for (int set = 1; set >= 0; set--)
        for (size_t i = 0; p->is_held && i < p->steps->count; i++)
            if ((p->steps->list[i].kind == STORE_SET) == (set == 1))
                TRY(add_step(p, &p->steps->list[i]));
    return OK;
}

/* All that can fail comes before it counts. */
static result make_ready(struct publication *p) {
    for (size_t i = 0; i < p->values.count; i++)
        TRY(held_list_add(&p->added, p->values.entries[i]->key, p->values.entries[i]->value));
    return OK;
}

/* Under their new keys first: what moves is somewhere all the time. */
static void hold_anew(struct publication *p) {
    struct held *held = file_of(p->store)->held;
    while (p->added.count > 0)
        held_add(held, p->added.entries[--p->added.count]);
    for (size_t i = 0; i < p->steps->count; i++)
        if (p->steps->list[i].kind == STORE_MOVE)
            held_drop_value(held, p->steps->list[i].key, NULL);
}

/* What the disk refuses stays held. */
static void write_files(struct publication *p) {
    bool refused = false;
    for (size_t i = 0; i < p->values.count; i++) {
        result written = file_spill_entry(p->store, p->values.entries[i]);
        if (written != OK && !refused)
            log_event(LOG_WARNING, "unwritten", "%s", error_text());
        refused = refused || written != OK;
    }
}

static void drop(struct store *store, const char *prefix) {
    char path[PATH_MAX];
    file_unhold(store, prefix);
    if (file_is_absent(file_of(store), prefix))
        return;
    if (file_path_of(store, prefix, path) != OK ||
        file_remove_tree(path) != OK) /* it stands in nobody's way: a start removes it */
        log_event(LOG_WARNING, "store", "left behind: %s", error_text());
}

/* Under the window's lock for reading. `out_full`, and nothing is done, where the journal has no
 * room before the next window. */
static result publish(struct publication *p, bool *out_full) {
    struct file_store *file = file_of(p->store);
    struct journal_mark mark;
    TRY(gather(p));
    if (!p->is_held)
        return OK;
    TRY(make_ready(p));
    TRY(journal_append(file->journal, bytes_view(&p->body), &mark, out_full));
    if (*out_full)
        return OK;
    TRY(journal_flush(file->journal, mark));
    note_said(&p->values, &mark);
    hold_anew(p);
    write_files(p);
    for (size_t i = 0; i < p->steps->count; i++)
        if (p->steps->list[i].kind == STORE_DROP)
            drop(p->store, p->steps->list[i].key);
    p->is_done = true;
    return OK;
}

/* What the body says of places in the journal is of this window: in the next, files have it. */
result file_change_held(struct store *store, const struct steps *steps, bool *out_done) {
    struct file_store *file = file_of(store);
    bool full = true;
    *out_done = false;
    while (full) {
        __attribute__((cleanup(publication_clean_up))) struct publication p = {.store = store,
                                                                               .steps = steps};
        full = false;
        pthread_rwlock_rdlock(&file->window);
        result published = publish(&p, &full);
        pthread_rwlock_unlock(&file->window);
        TRY(published);
        *out_done = p.is_done;
        if (full)
            TRY(file_new_window(file));
    }
    return OK;
}
