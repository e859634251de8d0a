/* Names from others reach neither the terminal's commands nor the JSON unharmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../apps/myelin/print.c"

/* What print_column writes. */
static const char *printed(const char *text, int width) {
    static char out[512];
    memset(out, 0, sizeof out);
    FILE *file = fmemopen(out, sizeof out - 1, "w");
    assert_non_null(file);
    print_column(file, text, width);
    fclose(file);
    return out;
}

static void harmless_text_stays(void **state) {
    (void)state;
    assert_string_equal(printed("scan 1.2/\\x", 0), "scan 1.2/\\x");
    assert_string_equal(printed("M\xc3\xbcller \xe5\xb1\xb1 \xf0\x9f\xa7\xa0", 0),
                        "M\xc3\xbcller \xe5\xb1\xb1 \xf0\x9f\xa7\xa0");
}

static void what_a_terminal_acts_on_is_written_out(void **state) {
    (void)state;
    assert_string_equal(printed("a\x1b[2Jb\r\n\x7f", 0), "a\\x1b[2Jb\\x0d\\x0a\\x7f");
    assert_string_equal(printed("\xc2\x9b"
                                "2J",
                                0),
                        "\\u009b2J");                                         /* C1: CSI */
    assert_string_equal(printed("gpj\xe2\x80\xae.exe", 0), "gpj\\u202e.exe"); /* right to left */
    assert_string_equal(printed("\xef\xbb\xbfx", 0), "\\ufeffx");
}

static void what_is_no_utf8_is_written_out(void **state) {
    (void)state;
    assert_string_equal(printed("\xff\xfe", 0), "\\xff\\xfe");
    assert_string_equal(printed("\xc3", 0), "\\xc3");                   /* cut off */
    assert_string_equal(printed("\xc0\x9b", 0), "\\xc0\\x9b");          /* overlong escape */
    assert_string_equal(printed("\xed\xa0\x80", 0), "\\xed\\xa0\\x80"); /* surrogate */
    assert_string_equal(printed("\xf4\x90\x80\x80", 0), "\\xf4\\x90\\x80\\x80");
}

static void columns_are_filled_up(void **state) {
    (void)state;
    assert_string_equal(printed("ab", 4), "ab  ");
    assert_string_equal(printed("\x1b", 5), "\\x1b ");
    assert_string_equal(printed("longer", 4), "longer");
}

static void json_takes_any_bytes(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"scan", "scan"}, {"a\xff", "a\xef\xbf\xbd"}, {"", ""}, {"\xc3\xbc", "\xc3\xbc"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *value = print_json_text(texts[i][0]);
        assert_non_null(value);
        assert_string_equal(json_string_value(value), texts[i][1]);
        json_decref(value);
    }
}

static void sizes_and_times(void **state) {
    (void)state;
    char text[PRINT_SIZE];
    print_size(999, text);
    assert_string_equal(text, "999 B");
    print_size(12345678, text);
    assert_string_equal(text, "12.3 MB");
    print_size(UINT64_MAX, text);
    assert_string_equal(text, "18.4 EB");
    print_time(1700000000123, text);
    assert_string_equal(text, "2023-11-14 22:13:20Z");
    print_time(UINT64_MAX, text);
    assert_true(strlen(text) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_text_stays),
        cmocka_unit_test(what_a_terminal_acts_on_is_written_out),
        cmocka_unit_test(what_is_no_utf8_is_written_out),
        cmocka_unit_test(columns_are_filled_up),
        cmocka_unit_test(json_takes_any_bytes),
        cmocka_unit_test(sizes_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
