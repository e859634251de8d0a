#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "storage_area.h"

enum { FOLDERS = 256, FOLDER_MODE = 0700, FILE_MODE = 0600 };

static pthread_mutex_t moving = PTHREAD_MUTEX_INITIALIZER;

static void unlock(pthread_mutex_t **lock) {
    if (*lock != NULL)
        pthread_mutex_unlock(*lock);
}
#define AUTO_UNLOCK __attribute__((cleanup(unlock)))

/* ------------------------------------------------------------------ a plain file */

static result find_path(const struct gateway *gateway, const char *uuid, char out[PATH_MAX]) {
    const char *folder = gateway->config.archive;
    if (folder[0] == '\0' || !record_is_uuid(uuid))
        return FAIL(NOT_FOUND, "no plain file of attachment %.64s", uuid);
    int len = snprintf(out, PATH_MAX, "%s/%.2s/%.2s/%s", folder, uuid, uuid + 2, uuid);
    return len > 0 && len < PATH_MAX ? OK : FAIL(INVALID, "Myelin.Archive is too long a path");
}

result archive_read(const struct gateway *gateway, const char *uuid, struct bytes *out_data) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes data = {0};
    TRY(find_path(gateway, uuid, path));
    TRY(file_read(path, SIZE_MAX, &data));
    *out_data = data;
    data = (struct bytes){0};
    return OK;
}

result archive_remove(const struct gateway *gateway, const char *uuid) {
    char path[PATH_MAX];
    TRY(find_path(gateway, uuid, path));
    if (unlink(path) == 0)
        return OK;
    return FAIL(errno == ENOENT ? NOT_FOUND : IO, "%s: %s", path, strerror(errno));
}

/* ------------------------------------------------------------------ in */

struct walk {
    struct gateway *gateway;
    uint64_t count;
    struct archive_done done;
};

/* Such a file stays where it is, and is read from there. */
static bool is_too_large(const struct gateway *gateway, const char *uuid) {
    char path[PATH_MAX];
    struct stat found;
    return find_path(gateway, uuid, path) == OK && stat(path, &found) == 0 &&
           (uint64_t)found.st_size > gateway->config.attachment_bytes;
}

/* Orthanc may delete it meanwhile: then there is no file left to remove, and the map is not to keep
 * what was just put into it. */
static result adopt(struct walk *walk, const char *uuid) {
    struct gateway *gateway = walk->gateway;
    struct record record;
    if (is_too_large(gateway, uuid)) {
        walk->done.skipped++;
        return OK;
    }
    if (map_find(gateway->map, uuid, &record) != OK) {
        AUTO_BYTES struct bytes data = {0};
        result read = archive_read(gateway, uuid, &data);
        if (read == NOT_FOUND)
            return OK;
        TRY(read);
        TRY(storage_area_adopt(uuid, bytes_view(&data)));
    }
    result removed = archive_remove(gateway, uuid);
    if (removed == NOT_FOUND)
        return storage_area_drop(uuid);
    TRY(removed);
    walk->done.moved++;
    return OK;
}

static result walk_files(struct walk *walk, const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT ? OK : FAIL(IO, "%s: %s", path, strerror(errno));
    result walked = OK;
    const struct dirent *entry;
    while (walked == OK && walk->done.moved < walk->count && (entry = readdir(folder)) != NULL)
        if (record_is_uuid(entry->d_name))
            walked = adopt(walk, entry->d_name);
    closedir(folder);
    return walked;
}

result archive_move_in(struct gateway *gateway, uint64_t count, struct archive_done *out_done) {
    struct walk walk = {.gateway = gateway, .count = count};
    const char *root = gateway->config.archive;
    if (root[0] == '\0')
        return FAIL(INVALID, "Myelin.Archive does not say where the plain files are");
    AUTO_UNLOCK pthread_mutex_t *lock = pthread_mutex_trylock(&moving) == 0 ? &moving : NULL;
    if (lock == NULL)
        return FAIL(CONFLICT, "another request is moving the archive");
    for (unsigned i = 0; i < FOLDERS * FOLDERS && walk.done.moved < count; i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%02x/%02x", root, i / FOLDERS, i % FOLDERS);
        if (len < 0 || len >= (int)sizeof path)
            return FAIL(INVALID, "Myelin.Archive is too long a path");
        TRY(walk_files(&walk, path));
    }
    walk.done.is_done = walk.done.moved < count;
    *out_done = walk.done;
    return OK;
}

/* ------------------------------------------------------------------ out */

struct images_found {
    struct map_image_info *infos;
    size_t count, capacity;
    bool failed;
};

static void take_image(void *context, const struct map_image_info *info) {
    struct images_found *found = context;
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 64 : 2 * found->capacity;
        struct map_image_info *grown = reallocarray(found->infos, capacity, sizeof *grown);
        found->failed = found->failed || grown == NULL;
        if (grown == NULL)
            return;
        found->infos = grown;
        found->capacity = capacity;
    }
    found->infos[found->count++] = *info;
}

static result write_plain(struct gateway *gateway, const char *uuid, struct view data) {
    char path[PATH_MAX];
    TRY(find_path(gateway, uuid, path));
    char *name = strrchr(path, '/');
    *name = '\0';
    TRY(file_make_folders(path, FOLDER_MODE));
    *name = '/';
    return file_write_atomic(path, data, FILE_MODE);
}

static result release(struct gateway *gateway, const char *uuid) {
    AUTO_BYTES struct bytes data = {0};
    result read = storage_area_read(uuid, &data);
    if (read == NOT_FOUND) {
        struct record record;
        return map_find(gateway->map, uuid, &record) == NOT_FOUND ? OK : read; /* deleted now */
    }
    TRY(read);
    TRY(write_plain(gateway, uuid, bytes_view(&data)));
    if (storage_area_drop(uuid) == OK)
        return OK;
    return FAIL(IO, "attachment %s is a plain file now, and still in the map: %s", uuid,
                error_text());
}

static result release_image(struct walk *walk, const char *id) {
    struct record *records = NULL;
    size_t count = 0;
    TRY(map_attachments(walk->gateway->map, "", id, &records, &count));
    result released = OK;
    for (size_t i = 0; i < count && released == OK && walk->done.moved < walk->count; i++) {
        released = release(walk->gateway, records[i].uuid);
        walk->done.moved += released == OK;
    }
    free(records);
    TRY(released);
    return map_sync(walk->gateway->map); /* before the servers hear that the image is gone */
}

static result release_images(struct walk *walk, const struct images_found *found) {
    if (found->failed)
        return FAIL(NO_MEMORY, "no memory for a list of images");
    for (size_t i = 0; i < found->count && walk->done.moved < walk->count; i++) {
        if (found->infos[i].owner[0] == '\0')
            TRY(release_image(walk, found->infos[i].id));
        else
            walk->done.skipped += found->infos[i].living;
    }
    return OK;
}

result archive_move_out(struct gateway *gateway, uint64_t count, struct archive_done *out_done) {
    struct walk walk = {.gateway = gateway, .count = count};
    struct images_found found = {0};
    if (gateway->config.archive[0] == '\0')
        return FAIL(INVALID, "Myelin.Archive does not say where the plain files are to be");
    AUTO_UNLOCK pthread_mutex_t *lock = pthread_mutex_trylock(&moving) == 0 ? &moving : NULL;
    if (lock == NULL)
        return FAIL(CONFLICT, "another request is moving the archive");
    map_images(gateway->map, NULL, take_image, &found);
    map_images(gateway->map, "", take_image, &found);
    result released = release_images(&walk, &found);
    free(found.infos);
    TRY(released);
    walk.done.is_done = walk.done.moved < count;
    *out_done = walk.done;
    return OK;
}
