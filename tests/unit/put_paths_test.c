/* Paths sorted into images: names, studies, and everything that is refused before a byte leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/put_paths.h"

static char folder[] = "/tmp/put_paths_test.XXXXXX";
static char paths[8][256];

static const char *path_of(unsigned i, const char *name) {
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
    return paths[i];
}

static const char *write_file(unsigned i, const char *name, const void *data, size_t len) {
    const char *path = path_of(i, name);
    assert_int_equal(file_write_atomic(path, view_of(data, len), 0644), OK);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    memset(folder + strlen(folder) - 6, 'X', 6); /* mkdtemp again */
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return file_remove_tree(folder) != OK;
}

/* An explicit little-endian DICOM file of one study: a meta header, SOP and study UIDs. */
static size_t make_dicom(uint8_t *out, const char *study) {
    uint8_t *at = out;
    memset(at, 0, 128);
    memcpy(at + 128, "DICM", 4);
    at += 132;
    static const char syntax[20] = "1.2.840.10008.1.2.1"; /* padded by its zero byte */
    static const uint8_t group[] = {2, 0, 0, 0, 'U', 'L', 4, 0, 28, 0, 0, 0};
    static const uint8_t syntax_tag[] = {2, 0, 0x10, 0, 'U', 'I', 20, 0};
    memcpy(at, group, sizeof group);
    at += sizeof group;
    memcpy(at, syntax_tag, sizeof syntax_tag);
    at += sizeof syntax_tag;
    memcpy(at, syntax, sizeof syntax);
    at += sizeof syntax;
    static const uint8_t sop_tag[] = {8, 0, 0x18, 0, 'U', 'I', 4, 0, '1', '.', '2', 0};
    memcpy(at, sop_tag, sizeof sop_tag);
    at += sizeof sop_tag;
    uint8_t len = (uint8_t)((strlen(study) + 1) / 2 * 2);
    const uint8_t study_tag[] = {0x20, 0, 0x0d, 0, 'U', 'I', len, 0};
    memcpy(at, study_tag, sizeof study_tag);
    at += sizeof study_tag;
    memset(at, 0, len);
    memcpy(at, study, strlen(study));
    return (size_t)(at + len - out);
}

static void test_files_and_folders_become_objects(void **state) {
    (void)state;
    assert_int_equal(mkdir(path_of(0, "in"), 0755), 0);
    assert_int_equal(mkdir(path_of(0, "in/sub"), 0755), 0);
    write_file(0, "in/b", "bb", 2);
    write_file(0, "in/sub/a", "aaa", 3);
    const char *all[] = {write_file(1, "single file", "1", 1), path_of(0, "in/")};
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    assert_int_equal(put_paths_sort("scan 1", all, 2, &sorted), OK);
    assert_int_equal(sorted.image_count, 1);
    assert_string_equal(sorted.images[0].id, "scan 1");
    assert_int_equal(sorted.images[0].first, 0);
    assert_int_equal(sorted.images[0].count, 3);
    assert_int_equal(sorted.file_count, 3);
    assert_int_equal(sorted.bytes, 6);
    assert_string_equal(sorted.files[0].name, "b");
    assert_string_equal(sorted.files[1].name, "single file");
    assert_string_equal(sorted.files[2].name, "sub/a");
    assert_int_equal(sorted.files[2].size, 3);
}

static void test_dicom_files_go_to_their_studies(void **state) {
    (void)state;
    uint8_t one[512], two[512];
    size_t one_len = make_dicom(one, "1.2.3"), two_len = make_dicom(two, "1.2.4");
    const char *all[] = {write_file(0, "z", two, two_len), write_file(1, "a", one, one_len),
                         write_file(2, "b", two, two_len)};
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    assert_int_equal(put_paths_sort(NULL, all, 3, &sorted), OK);
    assert_int_equal(sorted.image_count, 2);
    assert_string_equal(sorted.images[0].id, "1.2.4");
    assert_int_equal(sorted.images[0].count, 2);
    assert_string_equal(sorted.files[0].name, "b");
    assert_string_equal(sorted.files[1].name, "z");
    assert_string_equal(sorted.images[1].id, "1.2.3");
    assert_int_equal(sorted.images[1].first, 2);
    assert_string_equal(sorted.files[2].name, "a");
}

static void refuse(const char *id, const char *const all[], size_t count, result expected,
                   const char *text) {
    struct put_paths sorted = {0};
    assert_int_equal(put_paths_sort(id, all, count, &sorted), expected);
    assert_null(sorted.files);
    assert_non_null(strstr(error_text(), text));
}

static void test_bad_input_is_refused_by_name(void **state) {
    (void)state;
    const char *plain = write_file(0, "plain", "x", 1);
    refuse(NULL, &plain, 1, INVALID, "plain is not a DICOM file");
    refuse("", &plain, 1, INVALID, "ID");
    refuse("x", &plain, 0, INVALID, "nothing to put");

    const char *with_empty[] = {plain, write_file(1, "empty", "", 0)};
    refuse("x", with_empty, 2, INVALID, "empty is empty");
    const char *with_missing[] = {plain, path_of(2, "missing")};
    refuse("x", with_missing, 2, IO, "missing cannot be read");
    const char *control = write_file(3, "tab\there", "x", 1);
    refuse("x", &control, 1, INVALID, "control character");

    assert_int_equal(mkdir(path_of(4, "other"), 0755), 0);
    const char *twice[] = {plain, write_file(4, "other/plain", "y", 1)};
    refuse("x", twice, 2, INVALID, "other/plain");
    assert_int_equal(mkdir(path_of(5, "nothing"), 0755), 0);
    const char *nothing = path_of(5, "nothing");
    refuse("x", &nothing, 1, INVALID, "without files");
    assert_int_equal(mkfifo(path_of(6, "pipe"), 0644), 0);
    const char *pipe = path_of(6, "pipe");
    refuse("x", &pipe, 1, INVALID, "neither a file nor a folder");
}

static void test_a_file_that_changes_is_noticed(void **state) {
    (void)state;
    const char *path = write_file(0, "file", "abc", 3);
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    assert_int_equal(put_paths_sort("x", &path, 1, &sorted), OK);
    AUTO_FD int fd = -1;
    struct codec_source source;
    assert_int_equal(put_file_open(&sorted.files[0], &fd, &source), OK);
    assert_int_equal(source.fd, fd);
    assert_int_equal(put_file_unchanged(&sorted.files[0], fd), OK);
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(put_file_unchanged(&sorted.files[0], fd), IO);
    int again = -1;
    assert_int_equal(put_file_open(&sorted.files[0], &again, &source), IO);
    assert_int_equal(again, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_and_folders_become_objects, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_dicom_files_go_to_their_studies, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_bad_input_is_refused_by_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_file_that_changes_is_noticed, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
