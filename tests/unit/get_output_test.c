/* Where a get writes: nothing to see before the end, nothing left after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/get_output.h"
#include "flow/get_output_path.h"
#include "flow/object.h"

static char base[] = "/tmp/get_output_test.XXXXXX";
static char folder[128];

static int make_base(void **state) {
    (void)state;
    memset(base + strlen(base) - 6, 'X', 6);
    if (mkdtemp(base) == NULL)
        return 1;
    snprintf(folder, sizeof folder, "%s/a/b", base);
    return 0;
}

static int remove_base(void **state) {
    (void)state;
    return file_remove_tree(base) != OK;
}

static bool exists(const char *name) {
    char path[256];
    struct stat there;
    snprintf(path, sizeof path, "%s/%s", base, name);
    return lstat(path, &there) == 0;
}

/* Entries that do not begin with a dot. */
static unsigned count_visible(const char *path) {
    unsigned count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void write_object(const struct get_output *output, size_t index, const char *text) {
    AUTO_FD int fd = -1;
    assert_int_equal(get_output_create(output, index, &fd), OK);
    assert_int_equal(file_write_all(fd, view_of_string(text), "an object"), OK);
}

static void test_names_appear_at_the_end(void **state) {
    (void)state;
    const char *const names[] = {"one", "deep/er/two"};
    struct get_output output;
    assert_int_equal(get_output_open(folder, names, 2, &output), OK);
    write_object(&output, 0, "1");
    write_object(&output, 1, "22");
    assert_int_equal(count_visible(folder), 0);
    assert_int_equal(get_output_publish(&output), OK);
    get_output_close(&output);
    assert_int_equal(count_visible(folder), 2);
    AUTO_BYTES struct bytes two = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/deep/er/two", folder);
    assert_int_equal(file_read(path, 10, &two), OK);
    assert_true(view_equal(bytes_view(&two), view_of_string("22")));
}

static void test_nothing_is_left_of_a_failure(void **state) {
    (void)state;
    const char *const names[] = {"one"};
    struct get_output output;
    assert_int_equal(get_output_open(folder, names, 1, &output), OK);
    write_object(&output, 0, "1");
    get_output_close(&output);
    assert_false(exists("a"));
}

static void test_a_name_that_turns_up_meanwhile_undoes_all(void **state) {
    (void)state;
    const char *const names[] = {"new/one", "taken"};
    assert_int_equal(file_make_folders(folder, 0755), OK);
    struct get_output output;
    assert_int_equal(get_output_open(folder, names, 2, &output), OK);
    write_object(&output, 0, "1");
    write_object(&output, 1, "2");
    char path[256];
    snprintf(path, sizeof path, "%s/taken", folder);
    assert_int_equal(file_write_atomic(path, view_of_string("mine"), 0644), OK);
    assert_int_equal(get_output_publish(&output), CONFLICT);
    get_output_close(&output);
    assert_int_equal(count_visible(folder), 1);
    AUTO_BYTES struct bytes mine = {0};
    assert_int_equal(file_read(path, 10, &mine), OK);
    assert_true(view_equal(bytes_view(&mine), view_of_string("mine")));
}

static void test_what_exists_is_not_replaced(void **state) {
    (void)state;
    const char *const names[] = {"one"}, *const twice[] = {"same", "x", "same"};
    assert_int_equal(file_make_folders(folder, 0755), OK);
    struct get_output output = {0};
    assert_int_equal(get_output_open(folder, twice, 3, &output), INTEGRITY);
    char path[256];
    snprintf(path, sizeof path, "%s/one", folder);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(get_output_open(folder, names, 1, &output), CONFLICT);
    assert_null(output.folder);
    snprintf(path, sizeof path, "%s/file", base);
    assert_int_equal(file_write_atomic(path, view_of_string("x"), 0644), OK);
    assert_int_equal(get_output_open(path, names, 1, &output), IO);
}

/* Only the very bytes count as fetched. */
static void test_what_is_there_already(void **state) {
    (void)state;
    static const char text[] = "an object's bytes";
    uint8_t hash[DIGEST_BYTES], other[DIGEST_BYTES];
    char path[256], link[256];
    bool has = true;
    digest_sha256(view_of_string(text), hash);
    digest_sha256(view_of_string("others"), other);
    assert_int_equal(get_output_has(folder, "deep/one", sizeof text - 1, hash, &has), OK);
    assert_false(has);
    snprintf(path, sizeof path, "%s/deep", folder);
    assert_int_equal(file_make_folders(path, 0755), OK);
    snprintf(path, sizeof path, "%s/deep/one", folder);
    assert_int_equal(file_write_atomic(path, view_of_string(text), 0644), OK);
    assert_int_equal(get_output_has(folder, "deep/one", sizeof text - 1, hash, &has), OK);
    assert_true(has);
    assert_int_equal(get_output_has(folder, "deep/one", sizeof text - 1, other, &has), OK);
    assert_false(has);
    assert_int_equal(get_output_has(folder, "deep/one", sizeof text, hash, &has), OK);
    assert_false(has);
    snprintf(link, sizeof link, "%s/deep/link", folder);
    assert_int_equal(symlink("one", link), 0);
    assert_int_equal(get_output_has(folder, "deep/link", sizeof text - 1, hash, &has), OK);
    assert_false(has);
    assert_int_equal(get_output_has(folder, "deep", 0, hash, &has), OK);
    assert_false(has);
}

/* What a killed get left goes with the next; what another is writing stays. */
static void test_hidden_folders_of_the_dead(void **state) {
    (void)state;
    const char *const first[] = {"first"}, *const second[] = {"second"};
    struct get_output running, next;
    assert_int_equal(get_output_open(folder, first, 1, &running), OK);
    write_object(&running, 0, "1");
    char left[256];
    snprintf(left, sizeof left, "%s/.myelin-get-abcdef/sub", folder);
    assert_int_equal(file_make_folders(left, 0700), OK);
    assert_int_equal(get_output_open(folder, second, 1, &next), OK);
    assert_false(exists("a/b/.myelin-get-abcdef"));
    write_object(&next, 0, "2");
    assert_int_equal(get_output_publish(&next), OK);
    get_output_close(&next);
    assert_int_equal(get_output_publish(&running), OK);
    get_output_close(&running);
    assert_int_equal(count_visible(folder), 2);
    unsigned entries = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        entries++;
    closedir(dir);
    assert_int_equal(entries, 4); /* with . and .. */
}

/* The user's folder has links to elsewhere; what an owner names goes through none of them. */
static void test_no_link_is_followed(void **state) {
    (void)state;
    const char *const names[] = {"link/one"}, *const deep[] = {"real/link/one"};
    const char *const late[] = {"new/one"};
    char link[256], elsewhere[256];
    struct get_output output = {0};
    assert_int_equal(file_make_folders(folder, 0755), OK);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", base);
    assert_int_equal(file_make_folders(elsewhere, 0755), OK);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink(elsewhere, link), 0);
    assert_int_equal(get_output_open(folder, names, 1, &output), CONFLICT);
    snprintf(link, sizeof link, "%s/real", folder);
    assert_int_equal(file_make_folders(link, 0755), OK);
    snprintf(link, sizeof link, "%s/real/link", folder);
    assert_int_equal(symlink("../../../elsewhere", link), 0);
    assert_int_equal(get_output_open(folder, deep, 1, &output), CONFLICT);
    assert_int_equal(get_output_open(folder, late, 1, &output), OK);
    write_object(&output, 0, "1");
    snprintf(link, sizeof link, "%s/new", folder);
    assert_int_equal(symlink(elsewhere, link), 0);
    assert_int_equal(get_output_publish(&output), CONFLICT);
    get_output_close(&output);
    assert_int_equal(count_visible(elsewhere), 0);
}

static void test_hidden_names(void **state) {
    (void)state;
    assert_true(get_output_is_hidden(".bash_profile"));
    assert_true(get_output_is_hidden("a/.ssh/authorized_keys"));
    assert_false(get_output_is_hidden("a.b/c."));
}

static void test_unsafe_names(void **state) {
    (void)state;
    assert_true(object_name_is_safe("part 1.bin"));
    assert_true(object_name_is_safe("a/b/\xc3\xa4"));
    assert_false(object_name_is_safe(""));
    assert_false(object_name_is_safe("/etc/passwd"));
    assert_false(object_name_is_safe("../x"));
    assert_false(object_name_is_safe("a/../x"));
    assert_false(object_name_is_safe("a//x"));
    assert_false(object_name_is_safe("a\nb"));
    assert_false(object_name_is_safe("\xff\xfe"));
    char longest[300];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_false(object_name_is_safe(longest));
    longest[255] = '\0';
    assert_true(object_name_is_safe(longest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_appear_at_the_end, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_of_a_failure, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_a_name_that_turns_up_meanwhile_undoes_all, make_base,
                                        remove_base),
        cmocka_unit_test_setup_teardown(test_what_exists_is_not_replaced, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_what_is_there_already, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_hidden_folders_of_the_dead, make_base, remove_base),
        cmocka_unit_test_setup_teardown(test_no_link_is_followed, make_base, remove_base),
        cmocka_unit_test(test_hidden_names),
        cmocka_unit_test(test_unsafe_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
