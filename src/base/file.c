#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

static result io_error(const char *doing, const char *path) {
    int error = errno;
    return FAIL(error == ENOENT || error == ENOTDIR ? NOT_FOUND : IO, "%s %s: %s", doing, path,
                strerror(error));
}

void file_close_at(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

result file_read(const char *path, size_t limit, struct bytes *out) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error("reading", path);
    return file_read_open(fd, path, limit, out);
}

result file_read_open(int fd, const char *path, size_t limit, struct bytes *out) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return io_error("reading", path);
    if (!S_ISREG(status.st_mode))
        return FAIL(INVALID, "reading %s: not a regular file", path);
    if (status.st_size < 0 || (uintmax_t)status.st_size > limit)
        return FAIL(INVALID, "reading %s: longer than %zu bytes", path, limit);
    TRY(bytes_reserve(out, out->len + (size_t)status.st_size));
    size_t wanted = (size_t)status.st_size;
    while (wanted > 0) {
        ssize_t got = read(fd, out->data + out->len, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_error("reading", path);
        if (got == 0)
            return FAIL(IO, "reading %s: shorter than its size said", path);
        out->len += (size_t)got;
        wanted -= (size_t)got;
    }
    return OK;
}

result file_write_all(int fd, struct view data, const char *path) {
    while (data.len > 0) {
        ssize_t written = write(fd, data.data, data.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return FAIL(IO, "writing %s: %s", path, strerror(errno));
        data.data += written;
        data.len -= (size_t)written;
    }
    return OK;
}

result file_overwrite(int fd, const char *path) {
    static const uint8_t zeros[4096];
    struct stat status;
    if (fstat(fd, &status) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        return FAIL(IO, "overwriting %s: %s", path, strerror(errno));
    for (off_t left = status.st_size; left > 0; left -= (off_t)sizeof zeros)
        TRY(file_write_all(
            fd, view_of(zeros, left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros), path));
    return fsync(fd) == 0 ? OK : FAIL(IO, "syncing %s: %s", path, strerror(errno));
}

result file_parent(const char *path, char out[PATH_MAX]) {
    if (strlen(path) >= PATH_MAX)
        return FAIL(INVALID, "a path of %zu characters is too long", strlen(path));
    memcpy(out, path, strlen(path) + 1);
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        memcpy(out, ".", 2);
    else if (slash == out)
        out[1] = '\0';
    else
        *slash = '\0';
    return OK;
}

result file_sync_folder(const char *path) {
    AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return FAIL(IO, "syncing %s: %s", path, strerror(errno));
    return OK;
}

#define TEMPORARY_SUFFIX ".tmp"

/* A fresh, synced file whose name starts with `start`; the name goes to `out_temporary`. `path`:
 * what it is for. */
static result write_fresh(const char *start, const char *path, struct view contents, mode_t mode,
                          char out_temporary[PATH_MAX]) {
    uint64_t nonce;
    secret_random(&nonce, sizeof nonce);
    int length = snprintf(out_temporary, PATH_MAX, "%s.%016llx" TEMPORARY_SUFFIX, start,
                          (unsigned long long)nonce);
    if (length < 0 || length >= PATH_MAX)
        return FAIL(INVALID, "a path of %zu characters is too long", strlen(start));
    AUTO_FD int fd = open(out_temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return FAIL(IO, "writing %s: %s", path, strerror(errno));
    result written = file_write_all(fd, contents, path);
    if (written == OK && fsync(fd) != 0)
        written = FAIL(IO, "syncing %s: %s", path, strerror(errno));
    if (written != OK)
        unlink(out_temporary);
    return written;
}

static result replace(const char *start, const char *path, struct view contents, mode_t mode) {
    char temporary[PATH_MAX], parent[PATH_MAX];
    TRY(file_parent(path, parent));
    TRY(write_fresh(start, path, contents, mode, temporary));
    if (rename(temporary, path) != 0) {
        result failed = FAIL(IO, "writing %s: %s", path, strerror(errno));
        unlink(temporary);
        return failed;
    }
    return file_sync_folder(parent);
}

result file_write_atomic(const char *path, struct view contents, mode_t mode) {
    return replace(path, path, contents, mode);
}

result file_write_through(const char *folder, const char *path, struct view contents, mode_t mode) {
    char start[PATH_MAX];
    if (snprintf(start, sizeof start, "%s/new", folder) >= PATH_MAX)
        return FAIL(INVALID, "a path of %zu characters is too long", strlen(folder));
    return replace(start, path, contents, mode);
}

result file_create_atomic(const char *path, struct view contents, mode_t mode) {
    char temporary[PATH_MAX], parent[PATH_MAX];
    TRY(file_parent(path, parent));
    TRY(write_fresh(path, path, contents, mode, temporary));
    result created = OK;
    if (link(temporary, path) != 0) /* unlike rename, link never replaces */
        created = FAIL(errno == EEXIST ? CONFLICT : IO, "making %s: %s", path, strerror(errno));
    unlink(temporary);
    return created == OK ? file_sync_folder(parent) : created;
}

static void folder_close(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

result file_sweep(const char *folder, const char *start) {
    __attribute__((cleanup(folder_close))) DIR *entries = opendir(folder);
    const size_t tail = sizeof TEMPORARY_SUFFIX - 1;
    if (entries == NULL)
        return errno == ENOENT ? OK : FAIL(IO, "reading %s: %s", folder, strerror(errno));
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        size_t len = strlen(entry->d_name);
        if (len < tail || strcmp(entry->d_name + len - tail, TEMPORARY_SUFFIX) != 0 ||
            strncmp(entry->d_name, start, strlen(start)) != 0)
            continue;
        if (unlinkat(dirfd(entries), entry->d_name, 0) != 0 && errno != ENOENT)
            return FAIL(IO, "removing %s/%s: %s", folder, entry->d_name, strerror(errno));
    }
    return OK;
}

result file_make_folders(const char *path, mode_t mode) {
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode) ? OK : FAIL(IO, "%s is not a folder", path);
    char parent[PATH_MAX];
    TRY(file_parent(path, parent));
    TRY(file_make_folders(parent, mode));
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return FAIL(IO, "making %s: %s", path, strerror(errno));
    return file_sync_folder(parent);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

result file_remove_tree(const char *path) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return FAIL(IO, "removing %s: %s", path, strerror(errno));
    return OK;
}
