/*
 * Put's first step: paths become files with object names, sorted into images, every one of them
 * looked at before the first byte leaves.
 */
#ifndef MYELIN_FLOW_PUT_PATHS_H
#define MYELIN_FLOW_PUT_PATHS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "codec/source.h"
#include "flow/put.h"

/* One object to be. `name` points into `path`. Its bytes are in a file, or at `memory`, where they
 * stay the caller's and `path` is what error texts call it. */
struct put_file {
    char *path;
    const char *name;
    const uint8_t *memory; /* NULL: read from `path` */
    struct view note;      /* sealed with its description; borrowed */
    uint64_t size; /* with `changed`, as it was looked at: a file that differs later was changed */
    struct timespec changed;
    size_t image; /* index */
};

struct put_image {
    char *id;
    size_t first, count; /* of files */
};

/* Files stand image by image, in an image by name; images in the order in which the paths named
 * them first. */
struct put_paths {
    struct put_file *files;
    size_t file_count;
    struct put_image *images;
    size_t image_count;
    uint64_t bytes; /* all files */
};

#define AUTO_PUT_PATHS __attribute__((cleanup(put_paths_free)))
void put_paths_free(struct put_paths *paths);

/* `id` NULL: each DICOM file into the image of its study. INVALID, IO and NO_MEMORY as flow_put. */
MUST_CHECK result put_paths_sort(const char *id, const char *const paths[], size_t count,
                                 struct put_paths *out_paths);

/* The same of objects from memory, all into one image. INVALID and NO_MEMORY as flow_put_blobs. */
MUST_CHECK result put_paths_of_blobs(const char *id, const struct put_blob blobs[], size_t count,
                                     struct put_paths *out_paths);

/* Opens it for reading; IO where it is not as it was looked at. The caller closes `out_fd`, which
 * is -1 where its bytes are in memory. */
MUST_CHECK result put_file_open(const struct put_file *file, int *out_fd,
                                struct codec_source *out_source);

/* IO where the open file is no longer as it was looked at. */
MUST_CHECK result put_file_unchanged(const struct put_file *file, int fd);

#endif
