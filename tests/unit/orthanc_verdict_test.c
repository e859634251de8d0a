/* The last verification, kept over restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "verdict.h"

static const uint8_t KEY[VERDICT_KEY_BYTES] = {1}, OTHER[VERDICT_KEY_BYTES] = {2};
static char folder[] = "/tmp/myelin-verdict-XXXXXX", path[64];

static int set_up(void **state) {
    (void)state;
    bool is_made = mkdtemp(folder) != NULL;
    snprintf(path, sizeof path, "%s/verification", folder);
    return is_made ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static json_t *verdict_of(const char *state, size_t findings, size_t detail_len) {
    char *detail = calloc(1, detail_len + 1);
    json_t *list = json_array();
    assert_non_null(detail);
    memset(detail, 'x', detail_len);
    for (size_t i = 0; i < findings; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "Image", "1.2.3", "Server",
                                              "storage-2", "State", "bad", "Detail", detail));
    free(detail);
    return json_pack("{s:s, s:I, s:I, s:s, s:o}", "State", state, "TimeMs",
                     (json_int_t)1700000000000, "Images", (json_int_t)7, "Message", "", "Findings",
                     list);
}

static void what_is_kept_comes_back_and_nobody_else_reads_it(void **state) {
    (void)state;
    json_t *loaded = NULL;
    json_t *verdict = verdict_of("bad", 3, 20);
    assert_int_equal(verdict_load(path, KEY, &loaded), NOT_FOUND);
    assert_int_equal(verdict_keep(path, KEY, verdict), OK);
    assert_int_equal(verdict_load(path, KEY, &loaded), OK);
    assert_true(json_equal(loaded, verdict));
    json_decref(loaded);
    loaded = NULL;
    assert_int_equal(verdict_load(path, OTHER, &loaded), INTEGRITY);
    AUTO_BYTES struct bytes box = {0};
    assert_int_equal(file_read(path, 1 << 20, &box), OK);
    assert_null(memmem(box.data, box.len, "storage-2", 9));
    box.data[box.len / 2] ^= 1;
    assert_int_equal(file_write_atomic(path, bytes_view(&box), 0600), OK);
    assert_int_equal(verdict_load(path, KEY, &loaded), INTEGRITY);
    assert_null(loaded);
    json_decref(verdict);
}

static void findings_that_do_not_fit_are_left_out(void **state) {
    (void)state;
    json_t *loaded = NULL;
    json_t *verdict = verdict_of("bad", 100, 1000);
    assert_int_equal(verdict_keep(path, KEY, verdict), OK);
    assert_int_equal(json_array_size(json_object_get(verdict, "Findings")), 100);
    assert_int_equal(verdict_load(path, KEY, &loaded), OK);
    assert_in_range(json_array_size(json_object_get(loaded, "Findings")), 50, 65);
    json_decref(loaded);
    json_decref(verdict);
}

static void what_is_no_verdict_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"State\":\"running\",\"TimeMs\":1,\"Images\":1,\"Message\":\"\",\"Findings\":[]}",
        "{\"State\":\"good\",\"TimeMs\":0,\"Images\":1,\"Message\":\"\",\"Findings\":[]}",
        "{\"State\":\"good\",\"TimeMs\":1,\"Images\":-1,\"Message\":\"\",\"Findings\":[]}",
        "{\"State\":\"good\",\"TimeMs\":1,\"Images\":1,\"Message\":\"\",\"Findings\":{}}",
        "{\"State\":\"good\",\"TimeMs\":1,\"Images\":1,\"Message\":\"\",\"Findings\":[1]}",
        "{\"State\":\"good\",\"TimeMs\":1,\"Images\":1,\"Message\":\"\",\"Findings\":[],\"X\":1}"};
    json_t *verdict = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(verdict_parse(view_of_string(texts[i]), &verdict), INTEGRITY);
    assert_null(verdict);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back_and_nobody_else_reads_it),
        cmocka_unit_test(findings_that_do_not_fit_are_left_out),
        cmocka_unit_test(what_is_no_verdict_is_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
