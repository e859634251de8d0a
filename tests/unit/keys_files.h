/*
 * Temporary folders and files for the tests of a key server's store.
 */
#ifndef MYELIN_TESTS_KEYS_FILES_H
#define MYELIN_TESTS_KEYS_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"

/* A fresh folder of this test's own: *state. */
static inline int folder_setup(void **state) {
    char template[] = "/tmp/myelin-keys-XXXXXX";
    if (secret_start() != OK || mkdtemp(template) == NULL)
        return -1;
    log_set_level(LOG_ERROR + 1); /* damage is made on purpose here */
    *state = strdup(template);
    return *state == NULL ? -1 : 0;
}

static inline int folder_teardown(void **state) {
    int failed = file_remove_tree(*state) == OK ? 0 : -1;
    free(*state);
    return failed;
}

static inline const char *in_folder(const char *folder, const char *name) {
    static char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX)
        abort();
    return path;
}

static inline void read_whole(const char *path, struct bytes *out) {
    out->len = 0;
    assert_int_equal(file_read(path, 64 << 20, out), OK);
}

static inline void write_whole(const char *path, struct view contents) {
    assert_int_equal(file_write_atomic(path, contents, 0600), OK);
}

/* Turns one bit of a file. */
static inline void flip_bit(const char *path, size_t offset, unsigned bit) {
    AUTO_BYTES struct bytes contents = {0};
    read_whole(path, &contents);
    assert_true(offset < contents.len);
    contents.data[offset] ^= (uint8_t)(1u << bit);
    write_whole(path, bytes_view(&contents));
}

static inline bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static inline void assert_error_has(const char *words) {
    if (strstr(error_text(), words) == NULL)
        fail_msg("the error text \"%s\" does not say \"%s\"", error_text(), words);
}

#endif
