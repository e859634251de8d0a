/*
 * Durable small files: whole reads with a bound, atomic replacement that survives power loss.
 */
#ifndef MYELIN_BASE_FILE_H
#define MYELIN_BASE_FILE_H

#include <limits.h>
#include <sys/types.h>

#include "base/bytes.h"

/* The whole file into `out`, which is appended to. NOT_FOUND, IO; INVALID where it is longer than
 * `limit` bytes or is not a regular file. The text names the path. */
MUST_CHECK result file_read(const char *path, size_t limit, struct bytes *out);

/* The same of a file that was opened at its start; `path` is for the text. */
MUST_CHECK result file_read_open(int fd, const char *path, size_t limit, struct bytes *out);

/* Replaces or makes `path`: a new file beside it is written, fsynced and renamed, then the folder
 * fsynced. Readers see the old or the new contents, never a mixture. IO. */
MUST_CHECK result file_write_atomic(const char *path, struct view contents, mode_t mode);

/* As file_write_atomic; the new file is written in `folder`, of the same file system, which a crash
 * may leave it in. */
MUST_CHECK result file_write_through(const char *folder, const char *path, struct view contents,
                                     mode_t mode);

/* As file_write_atomic, but CONFLICT where `path` exists already. */
MUST_CHECK result file_create_atomic(const char *path, struct view contents, mode_t mode);

/* Removes what crashes left of replacements: the files of `folder` whose names start with `start`
 * and end in ".tmp". For folders in which nobody else is writing such files now. No error where the
 * folder is not there. IO. */
MUST_CHECK result file_sweep(const char *folder, const char *start);

/* Makes a folder and its missing parents, each durable. No error where it is there. IO. */
MUST_CHECK result file_make_folders(const char *path, mode_t mode);

/* The folder that a path is in: "." where it names none. INVALID where the path is too long. */
MUST_CHECK result file_parent(const char *path, char out[PATH_MAX]);

/* fsync of a folder: makes renames and removals in it durable. IO. */
MUST_CHECK result file_sync_folder(const char *path);

/* Writes all of `data` to `fd` where write() would write less. IO; `path` is for the text. */
MUST_CHECK result file_write_all(int fd, struct view data, const char *path);

/* Zeros over all of a file, and fsync: for secrets in a file that no folder names any more. File
 * systems and disks that write elsewhere keep the old blocks. IO; `path` is for the text. */
MUST_CHECK result file_overwrite(int fd, const char *path);

/* Removes a folder and all below it, following no links. No error where it is not there. IO. */
MUST_CHECK result file_remove_tree(const char *path);

/* For __attribute__((cleanup)). */
void file_close_at(int *fd);
#define AUTO_FD __attribute__((cleanup(file_close_at)))

#endif
