/* Durable small files: what a crash left of a replacement is swept, and nothing else. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static char folder[] = "/tmp/file_test.XXXXXX";

static const char *in_folder(const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_new(const char *name) {
    assert_int_equal(file_write_atomic(in_folder(name), view_of_string(name), 0600), OK);
}

static bool is_there(const char *name) {
    return access(in_folder(name), F_OK) == 0;
}

static void test_sweep(void **state) {
    (void)state;
    write_new("alice.share");
    write_new("alice.share.0123456789abcdef.tmp");
    write_new("bob.share.0123456789abcdef.tmp");
    write_new("tmp");
    assert_int_equal(file_sweep(folder, "alice.share."), OK);
    assert_true(is_there("alice.share") && is_there("tmp"));
    assert_false(is_there("alice.share.0123456789abcdef.tmp"));
    assert_true(is_there("bob.share.0123456789abcdef.tmp"));
    assert_int_equal(file_sweep(folder, ""), OK);
    assert_false(is_there("bob.share.0123456789abcdef.tmp"));
    assert_true(is_there("alice.share") && is_there("tmp"));
    assert_int_equal(file_sweep(in_folder("nowhere"), ""), OK);
}

static void test_sweep_what_cannot_be_removed(void **state) {
    (void)state;
    assert_int_equal(file_make_folders(in_folder("kept/a.tmp"), 0700), OK);
    assert_int_equal(file_sweep(in_folder("kept"), ""), IO);
    assert_non_null(strstr(error_text(), "kept/a.tmp"));
}

static void test_write_through(void **state) {
    (void)state;
    char beside[PATH_MAX];
    AUTO_BYTES struct bytes read = {0};
    snprintf(beside, sizeof beside, "%s", in_folder("beside"));
    assert_int_equal(file_make_folders(beside, 0700), OK);
    write_new("target");
    assert_int_equal(
        file_write_through(beside, in_folder("target"), view_of_string("changed"), 0600), OK);
    assert_int_equal(file_read(in_folder("target"), 100, &read), OK);
    assert_true(view_equal(bytes_view(&read), view_of_string("changed")));
    assert_int_equal(rmdir(beside), 0); /* nothing is left in it */
    assert_int_equal(file_write_through(beside, in_folder("target"), view_of_string("no"), 0600),
                     IO);
}

static int start(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int end(void **state) {
    (void)state;
    return file_remove_tree(folder) == OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_sweep_what_cannot_be_removed),
        cmocka_unit_test(test_write_through),
    };
    return cmocka_run_group_tests(tests, start, end);
}
