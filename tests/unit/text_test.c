/* Words from outside, as a terminal may see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lines.h"
#include "base/result.h"
#include "base/text.h"

static void assert_shown(const char *text, const char *expected) {
    char shown[200];
    text_show(text, shown, sizeof shown);
    assert_string_equal(shown, expected);
}

static void what_acts_on_a_terminal_is_escaped(void **state) {
    (void)state;
    assert_shown("plain \xc3\xa4 \xe6\x97\xa5 a\\b", "plain \xc3\xa4 \xe6\x97\xa5 a\\b");
    assert_shown("\x1b[2J\x07\n\t\x7f", "\\x1b[2J\\x07\\x0a\\x09\\x7f");
    assert_shown("\xc2\x9b"
                 "31m",
                 "\\u009b31m");
    assert_shown("\x9b"
                 "31m\xff\xc3",
                 "\\x9b31m\\xff\\xc3");
    assert_shown("a\xe2\x80\xae"
                 "b\xe2\x80\x8f",
                 "a\\u202eb\\u200f");
    assert_shown("\xf3\xa0\x80\x81", "\\ue0001");
}

static void only_whole_characters_fit(void **state) {
    (void)state;
    char shown[6];
    text_show("abc\x1b", shown, sizeof shown);
    assert_string_equal(shown, "abc");
    text_show("abcd\xc3\xa4", shown, sizeof shown);
    assert_string_equal(shown, "abcd");
    text_show("abc\xc3\xa4", shown, sizeof shown);
    assert_string_equal(shown, "abc\xc3\xa4");
}

static void errors_are_escaped(void **state) {
    (void)state;
    assert_int_equal(FAIL(DENIED, "storage-1: %s", "\x1b]0;x\x07\xc2\x9b"), DENIED);
    assert_string_equal(error_text(), "storage-1: \\x1b]0;x\\x07\\u009b");
    assert_int_equal(error_at(DENIED, "image %s", "\r"), DENIED);
    assert_string_equal(error_text(), "image \\x0d: storage-1: \\x1b]0;x\\x07\\u009b");
}

static void pieces_are_whole_or_not_there(void **state) {
    (void)state;
    AUTO_BYTES struct bytes text = {0};
    assert_int_equal(lines_add(&text, "%s %d\n", "one", 1), OK);
    assert_int_equal(lines_add(&text, "%*d", LINES_PIECE_MAX + 1, 2), INTERNAL);
    assert_true(view_equal(bytes_view(&text), view_of_string("one 1\n")));
    assert_int_equal(lines_add(&text, "%*d", LINES_PIECE_MAX, 3), OK);
    assert_int_equal(text.len, 6 + LINES_PIECE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_acts_on_a_terminal_is_escaped),
        cmocka_unit_test(only_whole_characters_fit),
        cmocka_unit_test(errors_are_escaped),
        cmocka_unit_test(pieces_are_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
