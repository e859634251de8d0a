#include "flow/put_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/dicom.h"
#include "flow/object.h"
#include "format/limits.h"

void put_paths_free(struct put_paths *paths) {
    for (size_t i = 0; i < paths->file_count; i++)
        free(paths->files[i].path);
    for (size_t i = 0; i < paths->image_count; i++)
        free(paths->images[i].id);
    free(paths->files);
    free(paths->images);
    *paths = (struct put_paths){0};
}

/* Room for one more at the end of an array that grows by doubling. */
static result grow(void *array_pointer, size_t count, size_t size) {
    void **array = array_pointer;
    if (count > 0 && (count & (count - 1)) != 0)
        return OK;
    void *grown = reallocarray(*array, count == 0 ? 1 : 2 * count, size);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for a list of %zu files", count);
    *array = grown;
    return OK;
}

static result image_of(struct put_paths *paths, const char *id, size_t *out_image) {
    /* Files of a study mostly come together: the last image first. */
    for (size_t i = paths->image_count; i-- > 0;)
        if (strcmp(paths->images[i].id, id) == 0) {
            *out_image = i;
            return OK;
        }
    TRY(grow(&paths->images, paths->image_count, sizeof *paths->images));
    char *copy = strdup(id);
    if (copy == NULL)
        return FAIL(NO_MEMORY, "no memory for an image's ID");
    paths->images[paths->image_count] = (struct put_image){.id = copy};
    *out_image = paths->image_count++;
    return OK;
}

static result study_of(const char *path, char out_id[DICOM_UID_MAX + 1]) {
    struct dicom_info info;
    TRY(dicom_probe_path(path, &info));
    if (!info.is_dicom)
        return FAIL(INVALID, "%s is not a DICOM file: say which image it belongs to with --id",
                    path);
    if (info.study_uid[0] == '\0')
        return FAIL(INVALID, "%s has no StudyInstanceUID: say which image it belongs to with --id",
                    path);
    memcpy(out_id, info.study_uid, sizeof info.study_uid);
    return OK;
}

/* A look at the file itself: readable to its first byte, regular, not empty. */
static result look_at(struct put_file *file) {
    AUTO_FD int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    uint8_t first;
    if (fd < 0 || fstat(fd, &stat) != 0)
        return FAIL(IO, "%s cannot be read: %s", file->path, strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return FAIL(INVALID, "%s is neither a file nor a folder", file->path);
    if (stat.st_size == 0)
        return FAIL(INVALID, "%s is empty", file->path);
    if (pread(fd, &first, 1, 0) != 1)
        return FAIL(IO, "%s cannot be read: %s", file->path, strerror(errno));
    if (!object_name_is_safe(file->name))
        return FAIL(INVALID,
                    "%s: an object's name is UTF-8 of at most %d bytes without control characters",
                    file->path, FORMAT_OBJECT_NAME_MAX);
    file->size = (uint64_t)stat.st_size;
    file->changed = stat.st_mtim;
    return OK;
}

/* `name_at`: where in `path` the object's name starts. */
static result add_file(struct put_paths *paths, const char *id, const char *path, size_t name_at) {
    TRY(grow(&paths->files, paths->file_count, sizeof *paths->files));
    struct put_file file = {.path = strdup(path)};
    if (file.path == NULL)
        return FAIL(NO_MEMORY, "no memory for a path");
    file.name = file.path + name_at;
    paths->files[paths->file_count++] = file;

    struct put_file *added = &paths->files[paths->file_count - 1];
    TRY(look_at(added));
    char study[DICOM_UID_MAX + 1];
    if (id == NULL)
        TRY(study_of(path, study));
    TRY(image_of(paths, id == NULL ? study : id, &added->image));
    paths->images[added->image].count++;
    paths->bytes += added->size;
    return OK;
}

static void fts_close_at(FTS **walk) {
    if (*walk != NULL)
        fts_close(*walk);
}

static result add_entry(struct put_paths *paths, const char *id, const FTSENT *entry,
                        size_t folder_len) {
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return OK;
    case FTS_F:
        return add_file(paths, id, entry->fts_path, folder_len);
    case FTS_DC:
        return FAIL(INVALID, "%s is a link to a folder that it lies in", entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
    case FTS_SLNONE:
        return FAIL(IO, "%s cannot be read: %s", entry->fts_path,
                    strerror(entry->fts_errno != 0 ? entry->fts_errno : ENOENT));
    default:
        return FAIL(INVALID, "%s is neither a file nor a folder", entry->fts_path);
    }
}

static result add_folder(struct put_paths *paths, const char *id, const char *path) {
    char *const roots[] = {(char *)(uintptr_t)path, NULL}; /* fts reads only */
    __attribute__((cleanup(fts_close_at))) FTS *walk =
        fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (walk == NULL)
        return FAIL(IO, "%s cannot be read: %s", path, strerror(errno));
    size_t before = paths->file_count;
    size_t folder_len = strlen(path);
    while (folder_len > 0 && path[folder_len - 1] == '/')
        folder_len--;
    FTSENT *entry;
    while (errno = 0, (entry = fts_read(walk)) != NULL)
        TRY(add_entry(paths, id, entry, folder_len + 1));
    if (errno != 0)
        return FAIL(IO, "%s cannot be read: %s", path, strerror(errno));
    if (paths->file_count == before)
        return FAIL(INVALID, "%s is a folder without files", path);
    return OK;
}

static result add_path(struct put_paths *paths, const char *id, const char *path) {
    struct stat stat_;
    if (stat(path, &stat_) != 0)
        return FAIL(IO, "%s cannot be read: %s", path, strerror(errno));
    if (S_ISDIR(stat_.st_mode))
        return add_folder(paths, id, path);
    const char *slash = strrchr(path, '/');
    return add_file(paths, id, path, slash == NULL ? 0 : (size_t)(slash + 1 - path));
}

static int by_image_and_name(const void *a, const void *b) {
    const struct put_file *left = a, *right = b;
    if (left->image != right->image)
        return left->image < right->image ? -1 : 1;
    return strcmp(left->name, right->name);
}

static result sort(struct put_paths *paths) {
    qsort(paths->files, paths->file_count, sizeof *paths->files, by_image_and_name);
    for (size_t i = 1; i < paths->file_count; i++)
        if (by_image_and_name(&paths->files[i - 1], &paths->files[i]) == 0)
            return FAIL(INVALID, "%s and %s would both be the object %s of one image",
                        paths->files[i - 1].path, paths->files[i].path, paths->files[i].name);
    size_t first = 0;
    for (size_t i = 0; i < paths->image_count; i++) {
        paths->images[i].first = first;
        first += paths->images[i].count;
    }
    return OK;
}

static result check_id(const char *id) {
    if (id != NULL && (id[0] == '\0' || strlen(id) > FORMAT_IMAGE_ID_MAX))
        return FAIL(INVALID, "an image's ID has 1 to %d bytes", FORMAT_IMAGE_ID_MAX);
    return OK;
}

static result sort_paths(const char *id, const char *const paths[], size_t count,
                         struct put_paths *sorted) {
    if (count == 0)
        return FAIL(INVALID, "nothing to put: name a file or a folder");
    TRY(check_id(id));
    for (size_t i = 0; i < count; i++)
        TRY(add_path(sorted, id, paths[i]));
    return sort(sorted);
}

result put_paths_sort(const char *id, const char *const paths[], size_t count,
                      struct put_paths *out_paths) {
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    TRY(sort_paths(id, paths, count, &sorted));
    *out_paths = sorted;
    sorted = (struct put_paths){0};
    return OK;
}

static result add_blob(struct put_paths *paths, const char *id, const struct put_blob *blob) {
    if (blob->bytes.len == 0)
        return FAIL(INVALID, "an object is empty");
    if (!object_name_is_safe(blob->name))
        return FAIL(INVALID, "an object's name is not safe as a file's");
    if (blob->note.len > FORMAT_NOTE_MAX)
        return FAIL(INVALID, "%s: a note of %zu bytes, at most %d", blob->name, blob->note.len,
                    FORMAT_NOTE_MAX);
    TRY(grow(&paths->files, paths->file_count, sizeof *paths->files));
    struct put_file file = {.path = strdup(blob->name),
                            .memory = blob->bytes.data,
                            .note = blob->note,
                            .size = blob->bytes.len};
    if (file.path == NULL)
        return FAIL(NO_MEMORY, "no memory for a name");
    file.name = file.path;
    paths->files[paths->file_count++] = file;
    paths->bytes += file.size;
    size_t image;
    TRY(image_of(paths, id, &image));
    paths->images[image].count++;
    return OK;
}

result put_paths_of_blobs(const char *id, const struct put_blob blobs[], size_t count,
                          struct put_paths *out_paths) {
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    TRY(check_id(id));
    if (count == 0)
        return FAIL(INVALID, "nothing to put");
    for (size_t i = 0; i < count; i++)
        TRY(add_blob(&sorted, id, &blobs[i]));
    TRY(sort(&sorted));
    *out_paths = sorted;
    sorted = (struct put_paths){0};
    return OK;
}

result put_file_unchanged(const struct put_file *file, int fd) {
    struct stat stat;
    if (file->memory != NULL)
        return OK;
    if (fstat(fd, &stat) != 0)
        return FAIL(IO, "%s cannot be read: %s", file->path, strerror(errno));
    if ((uint64_t)stat.st_size != file->size || stat.st_mtim.tv_sec != file->changed.tv_sec ||
        stat.st_mtim.tv_nsec != file->changed.tv_nsec)
        return FAIL(IO, "%s was changed while it was put", file->path);
    return OK;
}

result put_file_open(const struct put_file *file, int *out_fd, struct codec_source *out_source) {
    *out_fd = -1;
    if (file->memory != NULL) {
        *out_source = codec_source_memory(view_of(file->memory, (size_t)file->size), file->path);
        return OK;
    }
    AUTO_FD int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAIL(IO, "%s cannot be read: %s", file->path, strerror(errno));
    TRY(put_file_unchanged(file, fd));
    TRY(codec_source_file(fd, file->path, out_source));
    *out_fd = fd;
    fd = -1;
    return OK;
}
