#include "flow/get_output_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* A part of a way: "a/b" of "a/b/c", with the last part alone in `part`. */
struct step {
    const char *folder;
    const char *name;
    size_t len; /* of `name` up to here */
    char part[NAME_MAX + 1];
};

static result remember(const struct step *step, int parent, get_output_made made, void *context) {
    char *path = NULL;
    if (asprintf(&path, "%s/%.*s", step->folder, (int)step->len, step->name) < 0)
        return FAIL(NO_MEMORY, "no memory for a path");
    result remembered = made(context, path);
    free(path);
    if (remembered != OK)
        unlinkat(parent, step->part, AT_REMOVEDIR);
    return remembered;
}

/* -1, and OK, where it is missing and must not be made. */
static result open_step(const struct step *step, int parent, get_output_made made, void *context,
                        int *out_fd) {
    *out_fd = openat(parent, step->part, FOLDER_FLAGS);
    if (*out_fd < 0 && errno == ENOENT && made != NULL) {
        if (mkdirat(parent, step->part, 0777) == 0)
            TRY(remember(step, parent, made, context));
        *out_fd = openat(parent, step->part, FOLDER_FLAGS);
    }
    if (*out_fd >= 0 || (errno == ENOENT && made == NULL))
        return OK;
    bool is_in_the_way = errno == ENOTDIR || errno == ELOOP;
    const char *why = is_in_the_way ? "exists and is a link or no folder: choose another with -o"
                                    : strerror(errno);
    return FAIL(is_in_the_way ? CONFLICT : IO, "%s/%.*s %s", step->folder, (int)step->len,
                step->name, why);
}

result get_output_parent(const char *folder, const char *name, get_output_made made, void *context,
                         int *out_fd, const char **out_last) {
    struct step step = {.folder = folder, .name = name};
    AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno != ENOENT || made != NULL))
        return FAIL(IO, "%s: %s", folder, strerror(errno));
    const char *part = name;
    for (const char *slash; fd >= 0 && (slash = strchr(part, '/')) != NULL; part = slash + 1) {
        size_t len = (size_t)(slash - part);
        if (len == 0 || len > NAME_MAX)
            return FAIL(INTERNAL, "a name that is not safe");
        memcpy(step.part, part, len);
        step.part[len] = '\0';
        step.len = (size_t)(slash - name);
        int next = -1;
        TRY(open_step(&step, fd, made, context, &next));
        file_close_at(&fd);
        fd = next;
    }
    *out_last = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
    *out_fd = fd;
    fd = -1;
    return OK;
}

/* Of what a file has, up to one byte more than `size`: what grows meanwhile is another. */
static result hash_file(int fd, uint64_t size, uint8_t out_hash[DIGEST_BYTES], uint64_t *out_size) {
    enum { PIECE_BYTES = 64 << 10 };
    uint8_t piece[PIECE_BYTES];
    struct digest digest;
    result hashed = OK;
    *out_size = 0;
    digest_start(&digest);
    while (hashed == OK && *out_size <= size) {
        ssize_t len = read(fd, piece, sizeof piece);
        if (len == 0)
            break;
        if (len < 0 && errno != EINTR)
            hashed = FAIL(IO, "%s", strerror(errno));
        if (len > 0) {
            digest_update(&digest, view_of(piece, (size_t)len));
            *out_size += (uint64_t)len;
        }
    }
    digest_finish(&digest, out_hash);
    return hashed;
}

result get_output_has(const char *folder, const char *name, uint64_t size,
                      const uint8_t sha256[DIGEST_BYTES], bool *out_has) {
    AUTO_FD int parent = -1;
    const char *last = NULL;
    struct stat there;
    uint8_t hash[DIGEST_BYTES];
    uint64_t found = 0;
    *out_has = false;
    TRY(get_output_parent(folder, name, NULL, NULL, &parent, &last));
    if (parent < 0 || fstatat(parent, last, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(there.st_mode) || (uint64_t)there.st_size != size)
        return OK;
    AUTO_FD int fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) /* one that cannot be read is none of ours: it is in the way */
        return OK;
    result hashed = hash_file(fd, size, hash, &found);
    if (hashed != OK)
        return error_at(hashed, "%s/%s", folder, name);
    if (found != size || memcmp(hash, sha256, DIGEST_BYTES) != 0)
        return OK;
    if (fsync(fd) != 0 || fsync(parent) != 0)
        return FAIL(IO, "syncing %s/%s: %s", folder, name, strerror(errno));
    *out_has = true;
    return OK;
}

result get_output_check_free(const char *folder, const char *name) {
    AUTO_FD int fd = -1;
    const char *last = NULL;
    struct stat there;
    TRY(get_output_parent(folder, name, NULL, NULL, &fd, &last));
    if (fd < 0)
        return OK;
    if (fstatat(fd, last, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return FAIL(
            CONFLICT,
            "%s/%s exists already and is not what the image has: choose another folder with -o",
            folder, name);
    if (errno != ENOENT)
        return FAIL(IO, "%s/%s: %s", folder, name, strerror(errno));
    return OK;
}

bool get_output_is_hidden(const char *name) {
    return name[0] == '.' || strstr(name, "/.") != NULL;
}
