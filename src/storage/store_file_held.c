/* What the "file:" backend holds in memory, and how it comes to the files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/store_file.h"

/* ------------------------------------------------------------------ into memory */

/* Nothing that is held has to fear for its file, but where somebody else fills the disk meanwhile.
 */
static bool has_disk(const struct file_store *file) {
    struct statvfs status;
    return fstatvfs(file->root, &status) == 0 &&
           status.f_bavail > 4 * (uint64_t)HELD_BYTES_MAX / status.f_frsize;
}

bool file_is_absent(const struct file_store *file, const char *key) {
    struct stat status;
    return fstatat(file->root, key, &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

bool file_may_hold(struct store *store, const char *key, size_t bytes) {
    struct file_store *file = file_of(store);
    return file_is_small(file, bytes) && held_has_room(file->held, bytes) &&
           file_is_absent(file, key) && has_disk(file);
}

result file_hold(struct store *store, const char *key, struct bytes *value) {
    AUTO_HELD struct held_value *held = held_value_new(value);
    struct held_entry *entry = held == NULL ? NULL : held_entry_new(key, held);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "no memory to hold %s", key);
    held_add(file_of(store)->held, entry);
    return OK;
}

void file_unhold(struct store *store, const char *prefix) {
    struct file_store *file = file_of(store);
    if (!held_has_below(file->held, prefix))
        return;
    pthread_mutex_lock(&file->spilling);
    held_drop(file->held, prefix);
    pthread_mutex_unlock(&file->spilling);
}

/* ------------------------------------------------------------------ into files */

/* Readers do not see it grow: they see what is held. */
result file_spill_entry(struct store *store, const struct held_entry *entry) {
    struct view value = bytes_view(&entry->value->bytes);
    bool is_there = false;
    result written = file_write_first(store, entry->key, value, &is_there);
    TRY(written);
    if (is_there)
        TRY(file_overwrite_whole(store, entry->key, value));
    held_drop_value(file_of(store)->held, entry->key, entry->value);
    return OK;
}

/* Unless it is held no more, or has another value. */
static result spill_again(struct store *store, const struct held_entry *entry) {
    struct file_store *file = file_of(store);
    pthread_mutex_lock(&file->spilling);
    AUTO_HELD struct held_value *value = held_get(file->held, entry->key);
    bool is_held = value == entry->value;
    result spilled = is_held ? file_spill_entry(store, entry) : OK;
    if (spilled == IO && file_give_spare(store))
        spilled = file_spill_entry(store, entry);
    pthread_mutex_unlock(&file->spilling);
    return spilled;
}

static result spill(struct store *store, const char *prefix, bool said) {
    AUTO_HELD_LIST struct held_list list = {0};
    TRY(held_list(file_of(store)->held, prefix, said, &list));
    for (size_t i = 0; i < list.count; i++)
        TRY(spill_again(store, list.entries[i]));
    return OK;
}

result file_spill(struct store *store, const char *prefix) {
    return spill(store, prefix, false);
}

result file_spill_said(struct file_store *file) {
    return spill(&file->base, "", true);
}

/* ------------------------------------------------------------------ reading */

result file_open_held(const char *key, const struct held_value *value, int *out_fd) {
    AUTO_FD int fd = memfd_create("myelin-value", MFD_CLOEXEC);
    if (fd < 0)
        return file_write_error("reading", key);
    TRY(file_write_all(fd, bytes_view(&value->bytes), key));
    *out_fd = fd;
    fd = -1;
    return OK;
}

/* The component of a key that follows a prefix and ends in the suffix: its start, and its length
 * without the suffix; NULL where it is none. */
static const char *name_below(const char *key, const char *prefix, const char *suffix,
                              size_t *out_len) {
    size_t prefix_len = strlen(prefix), suffix_len = strlen(suffix);
    if (strncmp(key, prefix, prefix_len) != 0 || key[prefix_len] != '/')
        return NULL;
    const char *name = key + prefix_len + 1;
    size_t len = strcspn(name, "/");
    if (len <= suffix_len || len >= STORE_NAME_BYTES ||
        memcmp(name + len - suffix_len, suffix, suffix_len) != 0)
        return NULL;
    *out_len = len - suffix_len;
    return name;
}

result file_list_held(struct store *store, const char *prefix, const char *suffix,
                      const char *after, struct name_list *list) {
    AUTO_HELD_LIST struct held_list held = {0};
    TRY(held_list(file_of(store)->held, prefix, false, &held));
    for (size_t i = 0; i < held.count; i++) {
        size_t len = 0;
        const char *name = name_below(held.entries[i]->key, prefix, suffix, &len);
        if (name == NULL)
            continue;
        TRY(file_add_name(list, name, len));
        if (strcmp(list->names.names[list->names.count - 1], after) <= 0)
            list->names.count--;
    }
    return OK;
}
