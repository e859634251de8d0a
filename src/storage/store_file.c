/*
 * The "file:" backend: keys are paths below one folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/store_file.h"

#define SPARE "spare"

enum {
    SPARE_BYTES = 256 << 10,
    FSYNC_FILES_MAX = 8, /* below a prefix with more files one syncfs is faster */
};

static int root_of(struct store *store) {
    return file_of(store)->root;
}

result file_read_error(const char *doing, const char *key) {
    int error = errno;
    return FAIL(error == ENOENT ? NOT_FOUND : IO, "%s %s: %s", doing, key, strerror(error));
}

result file_write_error(const char *doing, const char *key) {
    return FAIL(IO, "%s %s: %s", doing, key, strerror(errno));
}

result file_path_of(struct store *store, const char *key, char out[PATH_MAX]) {
    int length = snprintf(out, PATH_MAX, "%s/%s", file_of(store)->path, key);
    if (length < 0 || length >= PATH_MAX)
        return FAIL(INVALID, "the store's path is too long");
    return OK;
}

void file_parent_of(const char *key, char out[STORE_KEY_BYTES]) {
    const char *slash = strrchr(key, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - key);
    memcpy(out, key, len);
    out[len] = '\0';
    if (len == 0)
        memcpy(out, ".", 2);
}

result file_make_parents(struct store *store, const char *key) {
    char parent[STORE_KEY_BYTES], above[STORE_KEY_BYTES], path[PATH_MAX];
    file_parent_of(key, parent);
    file_parent_of(parent, above);
    if (mkdirat(root_of(store), parent, STORE_FOLDER_MODE) == 0 || errno == EEXIST)
        return OK;
    if (errno != ENOENT)
        return file_write_error("making", parent);
    TRY(file_path_of(store, above, path));
    TRY(file_make_folders(path, STORE_FOLDER_MODE));
    if (mkdirat(root_of(store), parent, STORE_FOLDER_MODE) != 0 && errno != EEXIST)
        return file_write_error("making", parent);
    return OK;
}

/* Opens for writing, making the folders above where they are missing. -1, with errno. */
static result open_making(struct store *store, const char *key, int flags, int *out_fd) {
    flags |= O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    *out_fd = openat(root_of(store), key, flags, STORE_FILE_MODE);
    if (*out_fd >= 0 || errno != ENOENT)
        return OK;
    TRY(file_make_parents(store, key));
    *out_fd = openat(root_of(store), key, flags, STORE_FILE_MODE);
    return OK;
}

result file_open_new(struct store *store, const char *key, int *out_fd) {
    int fd = -1;
    file_unhold(store, key);
    TRY(open_making(store, key, O_TRUNC, &fd));
    if (fd < 0)
        return file_write_error("writing", key);
    *out_fd = fd;
    return OK;
}

/* All of it, or no file. */
static result write_whole(struct store *store, const char *key, int fd, struct view value) {
    result written = file_write_all(fd, value, key);
    if (written != OK)
        unlinkat(root_of(store), key, 0);
    return written;
}

result file_write(struct store *store, const char *key, struct view value) {
    AUTO_FD int fd = -1;
    TRY(file_open_new(store, key, &fd));
    return write_whole(store, key, fd, value);
}

result file_write_first(struct store *store, const char *key, struct view value, bool *out_there) {
    AUTO_FD int fd = -1;
    TRY(open_making(store, key, O_EXCL, &fd));
    *out_there = fd < 0 && errno == EEXIST;
    if (*out_there)
        return OK;
    return fd < 0 ? file_write_error("writing", key) : write_whole(store, key, fd, value);
}

static result file_put(struct store *store, const char *key, struct view value) {
    AUTO_BYTES struct bytes copy = {0};
    if (!file_may_hold(store, key, value.len))
        return file_write(store, key, value);
    TRY(bytes_append(&copy, value));
    return file_hold(store, key, &copy);
}

/* Holds some blocks of the disk against the day when it is full. Best effort: it is there when it
 * could be made whole. */
static void spare_make(const struct file_store *file) {
    struct stat there;
    if (fstatat(file->root, SPARE, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_size < SPARE_BYTES)
        unlinkat(file->root, SPARE, 0);
    AUTO_FD int fd = openat(file->root, SPARE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                            STORE_FILE_MODE);
    if (fd >= 0 && posix_fallocate(fd, 0, SPARE_BYTES) != 0)
        unlinkat(file->root, SPARE, 0);
}

bool file_give_spare(struct store *store) {
    return unlinkat(root_of(store), SPARE, 0) == 0;
}

/* ------------------------------------------------------------------ reading */

/* What is held of a key; where nothing is, its file, opened. A file that a change makes grows in
 * its place while the value is held: whoever found it open, and then nothing held, has all of it.
 */
static result find_value(struct store *store, const char *key, struct held_value **out_held,
                         int *out_fd) {
    struct held *held = file_of(store)->held;
    *out_fd = -1;
    *out_held = held_get(held, key);
    if (*out_held != NULL)
        return OK;
    AUTO_FD int fd = openat(root_of(store), key, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return file_read_error("reading", key);
    *out_held = held_get(held, key);
    if (*out_held != NULL)
        return OK;
    *out_fd = fd;
    fd = -1;
    return OK;
}

static result file_get(struct store *store, const char *key, size_t limit,
                       struct bytes *out_value) {
    AUTO_HELD struct held_value *held = NULL;
    AUTO_FD int fd = -1;
    TRY(find_value(store, key, &held, &fd));
    if (held != NULL)
        return held->bytes.len <= limit ? bytes_append(out_value, bytes_view(&held->bytes))
                                        : FAIL(INTEGRITY, "%s is longer than it can be", key);
    result got = file_read_open(fd, key, limit, out_value);
    return got == INVALID ? FAIL(INTEGRITY, "%s is longer than it can be", key) : got;
}

static result check_size(const struct stat *status, const char *key, uint64_t *out_bytes) {
    if (!S_ISREG(status->st_mode))
        return FAIL(INTEGRITY, "%s is not a regular file", key);
    *out_bytes = (uint64_t)status->st_size;
    return OK;
}

/* As find_value: the file is as long as it is after nothing was held. */
static result file_size(struct store *store, const char *key, uint64_t *out_bytes) {
    struct stat status;
    for (int look = 0; look < 2; look++) {
        AUTO_HELD struct held_value *held = held_get(file_of(store)->held, key);
        if (held != NULL) {
            *out_bytes = held->bytes.len;
            return OK;
        }
        if (fstatat(root_of(store), key, &status, AT_SYMLINK_NOFOLLOW) != 0)
            return file_read_error("reading", key);
    }
    return check_size(&status, key, out_bytes);
}

static result file_open_range(struct store *store, const char *key, uint64_t offset,
                              uint64_t length, int *out_fd, uint64_t *out_offset) {
    AUTO_HELD struct held_value *held = NULL;
    AUTO_FD int fd = -1;
    struct stat status;
    uint64_t bytes = 0;
    TRY(find_value(store, key, &held, &fd));
    if (held != NULL)
        TRY(file_open_held(key, held, &fd));
    if (fstat(fd, &status) != 0)
        return file_read_error("reading", key);
    TRY(check_size(&status, key, &bytes));
    if (offset > bytes || length > bytes - offset)
        return FAIL(INTEGRITY, "%s is short: %llu bytes", key, (unsigned long long)bytes);
    *out_offset = offset;
    *out_fd = fd;
    fd = -1;
    return OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(a, b);
}

result file_add_name(struct name_list *list, const char *name, size_t len) {
    if (list->names.count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        char(*grown)[STORE_NAME_BYTES] =
            reallocarray(list->names.names, capacity, sizeof *list->names.names);
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for %zu names", capacity);
        list->names.names = grown;
        list->capacity = capacity;
    }
    char *place = list->names.names[list->names.count++];
    memcpy(place, name, len);
    place[len] = '\0';
    return OK;
}

static result collect_names(DIR *folder, const char *prefix, const char *suffix, const char *after,
                            struct name_list *list) {
    size_t suffix_len = strlen(suffix);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            return errno == 0 ? OK : FAIL(IO, "listing %s: %s", prefix, strerror(errno));
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || len <= suffix_len || len >= STORE_NAME_BYTES ||
            memcmp(entry->d_name + len - suffix_len, suffix, suffix_len) != 0)
            continue;
        TRY(file_add_name(list, entry->d_name, len - suffix_len));
        if (strcmp(list->names.names[list->names.count - 1], after) <= 0)
            list->names.count--;
    }
}

/* In any order. */
static result list_files(struct store *store, const char *prefix, const char *suffix,
                         const char *after, struct name_list *list) {
    int fd = openat(root_of(store), prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? OK : FAIL(IO, "listing %s: %s", prefix, strerror(errno));
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return FAIL(IO, "listing %s: %s", prefix, strerror(errno));
    }
    result listed = collect_names(folder, prefix, suffix, after, list);
    closedir(folder);
    return listed;
}

/* A value may be in its file and be held. */
static void sort_names(struct store_names *names) {
    size_t count = 0;
    if (names->count > 0)
        qsort(names->names, names->count, sizeof *names->names, compare_names);
    for (size_t i = 0; i < names->count; i++) {
        if (count > 0 && strcmp(names->names[count - 1], names->names[i]) == 0)
            continue;
        memmove(names->names[count++], names->names[i], sizeof *names->names);
    }
    names->count = count;
}

/* What is held first: it may be in its file a moment later, and in both is no harm. */
static result file_list(struct store *store, const char *prefix, const char *suffix,
                        const char *after, struct store_names *out_names) {
    struct name_list list = {0};
    *out_names = (struct store_names){0};
    result listed = file_list_held(store, prefix, suffix, after, &list);
    if (listed == OK)
        listed = list_files(store, prefix, suffix, after, &list);
    if (listed != OK) {
        store_names_free(&list.names);
        return listed;
    }
    sort_names(&list.names);
    *out_names = list.names;
    return OK;
}

static result file_space(struct store *store, struct store_space *out_space) {
    struct statvfs status;
    if (fstatvfs(root_of(store), &status) != 0)
        return file_write_error("looking at", "the store's file system");
    out_space->free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    out_space->total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return OK;
}

/* ------------------------------------------------------------------ changing names */

result file_move(struct store *store, const char *from, const char *to, unsigned flags) {
    int root = root_of(store);
    if (renameat2(root, from, root, to, flags) == 0)
        return OK;
    struct stat there;
    if (errno != ENOENT)
        return file_write_error("publishing", to);
    if (fstatat(root, from, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return file_read_error("publishing", to);
    TRY(file_make_parents(store, to));
    if (renameat2(root, from, root, to, flags) != 0)
        return file_read_error("publishing", to);
    return OK;
}

/* Files alone are moved, and the journal has no word on them. */
static result move_files(struct store *store, const char *from, const char *to, unsigned flags) {
    TRY(file_spill(store, from));
    TRY(file_spill(store, to));
    TRY(file_settle(store, from));
    TRY(file_settle(store, to));
    return file_move(store, from, to, flags);
}

static result file_publish(struct store *store, const char *from, const char *to) {
    return move_files(store, from, to, 0);
}

static result file_publish_all(struct store *store, const char *from, const char *to) {
    return move_files(store, from, to, RENAME_NOREPLACE);
}

static result file_delete(struct store *store, const char *key) {
    file_unhold(store, key);
    if (unlinkat(root_of(store), key, 0) != 0 && errno != ENOENT)
        return file_write_error("removing", key);
    return file_note_removal(store, JOURNAL_DROP, key);
}

static result file_delete_all(struct store *store, const char *prefix) {
    char path[PATH_MAX];
    file_unhold(store, prefix);
    TRY(file_path_of(store, prefix, path));
    TRY(file_remove_tree(path));
    spare_make(file_of(store));
    return file_note_removal(store, JOURNAL_DROP_ALL, prefix);
}

/* ------------------------------------------------------------------ durability */

static result sync_folder(struct store *store, const char *prefix) {
    AUTO_FD int fd = openat(root_of(store), prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return OK;
    if (fd < 0 || fsync(fd) != 0)
        return file_write_error("syncing", prefix);
    return OK;
}

static result sync_file(struct store *store, const char *prefix, const char *name) {
    char key[STORE_KEY_BYTES + STORE_NAME_BYTES];
    snprintf(key, sizeof key, "%s/%s", prefix, name);
    AUTO_FD int fd = openat(root_of(store), key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fdatasync(fd) != 0)
        return file_write_error("syncing", key);
    return OK;
}

result file_sync_names(struct store *store, const char *prefix) {
    char parent[STORE_KEY_BYTES];
    TRY(file_spill(store, prefix));
    file_parent_of(prefix, parent);
    TRY(sync_folder(store, prefix));
    return sync_folder(store, parent);
}

static bool is_concerned(struct store *store, const char *prefix) {
    struct journal *journal = file_of(store)->journal;
    return journal != NULL && journal_concerns(journal, prefix);
}

/* Prefixes are flat here: a put's staging has no folders in it. Where the journal says something of
 * it, perhaps something older, that ends too. */
result file_sync(struct store *store, const char *prefix) {
    AUTO_NAMES struct store_names names = {0};
    TRY(file_spill(store, prefix));
    if (is_concerned(store, prefix))
        return file_settle(store, prefix);
    TRY(file_list(store, prefix, "", "", &names));
    if (names.count > FSYNC_FILES_MAX) {
        if (syncfs(root_of(store)) != 0)
            return file_write_error("syncing", prefix);
        return OK;
    }
    for (size_t i = 0; i < names.count; i++)
        TRY(sync_file(store, prefix, names.names[i]));
    return file_sync_names(store, prefix);
}

/* ------------------------------------------------------------------ the store */

static void file_close(struct store *store) {
    struct file_store *file = file_of(store);
    file_journal_close(file);
    held_free(file->held);
    file_close_at(&file->root);
    file_close_at(&file->lock);
    pthread_mutex_destroy(&file->spilling);
    pthread_rwlock_destroy(&file->window);
    free(file);
}

static const struct store_methods file_methods = {
    .close = file_close,
    .put = file_put,
    .replace = file_replace,
    .get = file_get,
    .writer_open = file_writer_open,
    .writer_append = file_writer_append,
    .writer_close = file_writer_close,
    .writer_abandon = file_writer_abandon,
    .size = file_size,
    .open_range = file_open_range,
    .publish = file_publish,
    .publish_all = file_publish_all,
    .remove = file_delete,
    .remove_all = file_delete_all,
    .sync = file_sync,
    .sync_names = file_sync_names,
    .seal = file_seal,
    .change = file_change,
    .list = file_list,
    .space = file_space,
};

/* Removes what a crash left of replacements, and does what the journal says. */
static result bring_up(struct file_store *file, const char *folder) {
    char path[PATH_MAX];
    TRY(file_sweep(folder, "")); /* of what others replace in the store's root */
    TRY(file_path_of(&file->base, STORE_NEW, path));
    TRY(file_make_folders(path, STORE_FOLDER_MODE));
    TRY(file_sweep(path, ""));
    TRY(file_journal_open(file));
    spare_make(file);
    return OK;
}

static result open_folder(struct file_store *file, const char *folder) {
    size_t len = strlen(folder);
    if (len == 0 || len >= sizeof file->path)
        return FAIL(INVALID, "the store's path has %zu characters", len);
    memcpy(file->path, folder, len + 1);
    TRY(file_make_folders(folder, STORE_FOLDER_MODE));
    file->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->root < 0)
        return FAIL(IO, "opening %s: %s", folder, strerror(errno));
    file->lock =
        openat(file->root, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, STORE_FILE_MODE);
    if (file->lock < 0)
        return FAIL(IO, "opening %s/lock: %s", folder, strerror(errno));
    if (flock(file->lock, LOCK_EX | LOCK_NB) != 0)
        return FAIL(errno == EWOULDBLOCK ? CONFLICT : IO, "another process uses the store %s",
                    folder);
    return bring_up(file, folder);
}

/* A new window does not wait for a pause in what others append. */
static void start_lock(pthread_rwlock_t *lock) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

result store_file_open(const char *folder, struct store **out_store) {
    struct file_store *file = calloc(1, sizeof *file);
    if (file == NULL)
        return FAIL(NO_MEMORY, "no memory for a store");
    file->base.methods = &file_methods;
    file->root = file->lock = -1;
    start_lock(&file->window);
    pthread_mutex_init(&file->spilling, NULL);
    result opened = held_create(&file->held);
    if (opened == OK)
        opened = open_folder(file, folder);
    if (opened != OK) {
        file_close(&file->base);
        return opened;
    }
    *out_store = &file->base;
    return OK;
}
