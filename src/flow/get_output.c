#include "flow/get_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "flow/get_output_path.h"

#define HIDDEN ".myelin-get-"

enum { SYNC_FILES_MAX = 8 /* of more, one sync of the file system is faster */ };

static void free_at(char **string) {
    free(*string);
}
#define AUTO_STRING __attribute__((cleanup(free_at)))

static result join_path(const char *folder, const char *name, char **out_path) {
    if (asprintf(out_path, "%s/%s", folder, name) < 0)
        return FAIL(NO_MEMORY, "no memory for a path");
    return OK;
}

void get_output_close(struct get_output *output) {
    while (!output->is_published && output->named > 0) {
        AUTO_FD int fd = -1;
        const char *last = NULL;
        if (get_output_parent(output->folder, output->names[--output->named], NULL, NULL, &fd,
                              &last) == OK &&
            fd >= 0)
            unlinkat(fd, last, 0);
    }
    if (output->temporary != NULL && file_remove_tree(output->temporary) != OK)
        log_event(LOG_WARNING, "cleanup", "the hidden folder of a get stays behind");
    if (output->temporary != NULL)
        close(output->hidden);
    while (output->made_count > 0) {
        char *made = output->made[--output->made_count];
        if (!output->is_published)
            rmdir(made);
        free(made);
    }
    free(output->made);
    free(output->temporary);
    free(output->folder);
    *output = (struct get_output){0};
}

static result remember_made(void *output_pointer, const char *path) {
    struct get_output *output = output_pointer;
    char *copy = strdup(path);
    char **grown = reallocarray(output->made, output->made_count + 1, sizeof *output->made);
    if (grown != NULL)
        output->made = grown;
    if (copy == NULL || grown == NULL) {
        free(copy);
        return FAIL(NO_MEMORY, "no memory for a path");
    }
    output->made[output->made_count++] = copy;
    return OK;
}

static result make_folder(struct get_output *output, const char *path) {
    if (mkdir(path, 0777) != 0) {
        struct stat there;
        if (errno == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
            return OK;
        return FAIL(IO, "the folder %s cannot be made: %s", path, strerror(errno));
    }
    result remembered = remember_made(output, path);
    if (remembered != OK)
        rmdir(path);
    return remembered;
}

/* The user's folder and every one on the way to it. */
static result make_folders(struct get_output *output, const char *path) {
    AUTO_STRING char *part = strdup(path);
    if (part == NULL)
        return FAIL(NO_MEMORY, "no memory for a path");
    for (char *slash = part; (slash = strchr(slash, '/')) != NULL; slash++) {
        if (slash == part || slash[-1] == '/')
            continue;
        *slash = '\0';
        TRY(make_folder(output, part));
        *slash = '/';
    }
    return make_folder(output, part);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static result check_distinct(const char *const names[], size_t count) {
    const char **sorted = calloc(count + 1, sizeof *sorted);
    if (sorted == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu names", count);
    memcpy(sorted, names, count * sizeof *names);
    qsort(sorted, count, sizeof *sorted, by_text);
    result distinct = OK;
    for (size_t i = 1; distinct == OK && i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            distinct = FAIL(INTEGRITY, "the image has two objects named %s", sorted[i]);
    free(sorted);
    return distinct;
}

static void folder_close(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

/* Who writes in a hidden folder holds its lock: what can be locked is of a get that was killed. */
static void remove_if_left(const char *folder, const char *name) {
    AUTO_STRING char *path = NULL;
    if (join_path(folder, name, &path) != OK)
        return;
    AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && file_remove_tree(path) != OK)
        log_event(LOG_WARNING, "cleanup", "%s", error_text());
}

static void remove_left(const char *folder) {
    __attribute__((cleanup(folder_close))) DIR *entries = opendir(folder);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strncmp(entry->d_name, HIDDEN, sizeof HIDDEN - 1) == 0)
            remove_if_left(folder, entry->d_name);
}

/* Another get may take the new folder for one that was left, until it is locked. */
static result make_hidden(struct get_output *output) {
    for (;;) {
        AUTO_STRING char *path = NULL;
        TRY(join_path(output->folder, HIDDEN "XXXXXX", &path));
        if (mkdtemp(path) == NULL)
            return FAIL(IO, "no folder can be made in %s: %s", output->folder, strerror(errno));
        AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat there;
        if (fd < 0 && errno != ENOENT)
            return FAIL(IO, "%s: %s", path, strerror(errno));
        /* A file system without locks has nobody who looks for what was left, either. */
        if (fd < 0 || (flock(fd, LOCK_EX) == 0 && fstat(fd, &there) == 0 && there.st_nlink == 0))
            continue;
        output->hidden = fd;
        output->temporary = path;
        fd = -1;
        path = NULL;
        return OK;
    }
}

static result open_output(struct get_output *output, const char *folder, const char *const names[],
                          size_t count) {
    TRY(check_distinct(names, count));
    for (size_t i = 0; i < count; i++)
        TRY(get_output_check_free(folder, names[i]));
    output->names = names;
    output->count = count;
    output->folder = strdup(folder);
    if (output->folder == NULL)
        return FAIL(NO_MEMORY, "no memory for a path");
    TRY(make_folders(output, folder));
    remove_left(folder);
    return make_hidden(output);
}

result get_output_open(const char *folder, const char *const names[], size_t count,
                       struct get_output *out_output) {
    AUTO_GET_OUTPUT struct get_output output = {0};
    TRY(open_output(&output, folder, names, count));
    *out_output = output;
    output = (struct get_output){0};
    return OK;
}

static result hidden_path(const struct get_output *output, size_t index, char **out_path) {
    if (asprintf(out_path, "%s/%zu", output->temporary, index) < 0)
        return FAIL(NO_MEMORY, "no memory for a path");
    return OK;
}

result get_output_create(const struct get_output *output, size_t index, int *out_fd) {
    AUTO_STRING char *path = NULL;
    TRY(hidden_path(output, index, &path));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    *out_fd = fd;
    return OK;
}

/* Not every file system has renameat2's flag; there the check of a moment before must do. */
static int rename_new(const char *from, int folder, const char *to) {
    if (renameat2(AT_FDCWD, from, folder, to, RENAME_NOREPLACE) == 0)
        return 0;
    struct stat there;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (fstatat(folder, to, &there, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(AT_FDCWD, from, folder, to);
}

static result name_object(struct get_output *output, size_t index) {
    AUTO_STRING char *from = NULL;
    AUTO_FD int fd = -1;
    const char *name = output->names[index], *last = NULL;
    TRY(hidden_path(output, index, &from));
    TRY(get_output_parent(output->folder, name, remember_made, output, &fd, &last));
    if (rename_new(from, fd, last) != 0)
        return FAIL(errno == EEXIST ? CONFLICT : IO, "%s/%s: %s", output->folder, name,
                    strerror(errno));
    return OK;
}

static result sync_file(const struct get_output *output, size_t index) {
    AUTO_STRING char *path = NULL;
    TRY(hidden_path(output, index, &path));
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd) != 0)
        return FAIL(IO, "syncing %s: %s", output->names[index], strerror(errno));
    return OK;
}

static result sync_all(const struct get_output *output) {
    if (syncfs(output->hidden) != 0)
        return FAIL(IO, "syncing %s: %s", output->folder, strerror(errno));
    return OK;
}

static result sync_files(const struct get_output *output) {
    if (output->count > SYNC_FILES_MAX)
        return sync_all(output);
    for (size_t i = 0; i < output->count; i++)
        TRY(sync_file(output, i));
    return OK;
}

static result sync_parent(const char *path) {
    AUTO_STRING char *parent = strdup(path);
    if (parent == NULL)
        return FAIL(NO_MEMORY, "no memory for a path");
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash++;
    if (slash != NULL)
        *slash = '\0';
    return file_sync_folder(slash == NULL ? "." : parent);
}

static result sync_names(const struct get_output *output) {
    for (size_t i = 0; i < output->count; i++)
        if (output->count > SYNC_FILES_MAX || strchr(output->names[i], '/') != NULL)
            return sync_all(output);
    for (size_t i = 0; i < output->made_count; i++)
        TRY(sync_parent(output->made[i]));
    return file_sync_folder(output->folder);
}

result get_output_publish(struct get_output *output) {
    TRY(sync_files(output));
    for (; output->named < output->count; output->named++)
        TRY(name_object(output, output->named));
    TRY(sync_names(output));
    output->is_published = true;
    return OK;
}
