/* The names and addresses that messages may carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/format.h"

static char long_name[] = "a123456789012345678901234567890123456789012345678901234567890123";

static void names_follow_the_rule(void **state) {
    (void)state;
    assert_true(format_is_name("a"));
    assert_true(format_is_name("0.b_c-d"));
    assert_true(format_is_name(long_name + 1)); /* 63 */
    assert_false(format_is_name(long_name));    /* 64 */
    static const char *const bad[] = {"",   "-a",  ".",   "_a",  "A",
                                      "aB", "a b", "a/b", "a\n", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(format_is_name(bad[i]));
}

static void addresses_follow_the_rule(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1:1", "storage.example.org:65535", "[::1]:4001",
                                       "localhost:80"};
    static const char *const bad[] = {"",      "host",     "host:",     "host:0",      ":80",
                                      "a b:1", "host:065", "h:65536",   "h:1x",        "[::1]",
                                      "[]:1",  "[g::]:1",  "[::1]4001", "http://a:80", "h:123456"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(format_is_address(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (format_is_address(bad[i]))
            fail_msg("accepted: '%s'", bad[i]);
    char longest[FORMAT_ADDRESS_MAX + 2];
    memset(longest, 'h', sizeof longest);
    memcpy(longest + FORMAT_ADDRESS_MAX - 6, ":65535", 7);
    assert_true(format_is_address(longest));
    memcpy(longest + FORMAT_ADDRESS_MAX - 5, ":65535", 7);
    assert_false(format_is_address(longest));
}

static void object_names_stay_in_their_folder(void **state) {
    (void)state;
    static const char *const good[] = {"a",          "...",          "a/b c/d.dcm",     ".hidden",
                                       "\xc3\xa4\n", "\xe2\x82\xac", "\xf0\x9f\xa7\xa0"};
    static const char *const bad[] = {"",
                                      "/",
                                      "/a",
                                      "a/",
                                      "a//b",
                                      ".",
                                      "..",
                                      "../a",
                                      "a/../b",
                                      "a/.",
                                      "a/..",
                                      "\xff",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!format_is_object_name(good[i]))
            fail_msg("refused: '%s'", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (format_is_object_name(bad[i]))
            fail_msg("accepted: '%s'", bad[i]);
    char longest[FORMAT_OBJECT_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[FORMAT_OBJECT_NAME_MAX] = '\0';
    assert_true(format_is_object_name(longest));
    longest[FORMAT_OBJECT_NAME_MAX] = 'n';
    longest[FORMAT_OBJECT_NAME_MAX + 1] = '\0';
    assert_false(format_is_object_name(longest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_rule),
        cmocka_unit_test(addresses_follow_the_rule),
        cmocka_unit_test(object_names_stay_in_their_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
