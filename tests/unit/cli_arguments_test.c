/* The command line's words and options, wherever they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../apps/myelin/arguments.c"

enum { ARGUMENTS_MAX = 16 };

/* Splits "myelin ..." at its spaces; the strings stay until the next call. */
static result parse(const char *line, struct arguments *out) {
    static char text[512];
    static char *argv[ARGUMENTS_MAX + 1];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word != NULL && argc < ARGUMENTS_MAX;
         word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return arguments_parse(argc, argv, out);
}

static void options_stand_anywhere(void **state) {
    (void)state;
    static const char *const lines[] = {
        "myelin get scan --from alice -o out --user bob",
        "myelin --user bob get --from alice scan -o out",
        "myelin -o out --user bob --from alice get scan",
        "myelin -oout --user=bob --from=alice get -- scan",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        AUTO_ARGUMENTS struct arguments arguments = {0};
        assert_int_equal(parse(lines[i], &arguments), OK);
        assert_string_equal(arguments.command, "get");
        assert_int_equal(arguments.word_count, 1);
        assert_string_equal(arguments.words[0], "scan");
        assert_string_equal(arguments.values[OPTION_FROM], "alice");
        assert_string_equal(arguments.values[OPTION_OUT], "out");
        assert_string_equal(arguments.values[OPTION_USER], "bob");
        assert_null(arguments.values[OPTION_JSON]);
    }
}

static void recipients_follow_their_option(void **state) {
    (void)state;
    static const char *const lines[] = {
        "myelin forward scan --to bob carol",      "myelin forward --to bob --to carol scan",
        "myelin forward --to bob carol scan",      "myelin forward scan --to bob --json --to carol",
        "myelin --to bob forward scan --to carol",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        AUTO_ARGUMENTS struct arguments arguments = {0};
        assert_int_equal(parse(lines[i], &arguments), OK);
        assert_string_equal(arguments.command, "forward");
        assert_int_equal(arguments.word_count, 1);
        assert_string_equal(arguments.words[0], "scan");
        assert_int_equal(arguments.recipient_count, 2);
        assert_string_equal(arguments.recipients[0], "bob");
        assert_string_equal(arguments.recipients[1], "carol");
    }
}

static void a_lone_recipient_is_not_the_id(void **state) {
    (void)state;
    AUTO_ARGUMENTS struct arguments arguments = {0};
    assert_int_equal(parse("myelin forward --to bob", &arguments), OK);
    assert_int_equal(arguments.word_count, 0);
    assert_int_equal(arguments.recipient_count, 1);
    assert_int_equal(arguments_check(&arguments, OPTION_BIT(OPTION_TO), 1, 1), INVALID);
}

static void objects_follow_their_option(void **state) {
    (void)state;
    static const char *const lines[] = {
        "myelin rm scan --object a.dcm b.dcm",
        "myelin rm --object a.dcm --object b.dcm scan",
        "myelin --object a.dcm rm scan --object b.dcm",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        AUTO_ARGUMENTS struct arguments arguments = {0};
        assert_int_equal(parse(lines[i], &arguments), OK);
        assert_int_equal(arguments.word_count, 1);
        assert_string_equal(arguments.words[0], "scan");
        assert_int_equal(arguments.recipient_count, 2);
        assert_string_equal(arguments.recipients[0], "a.dcm");
        assert_string_equal(arguments.recipients[1], "b.dcm");
    }
}

static void what_follows_two_dashes_is_a_word(void **state) {
    (void)state;
    AUTO_ARGUMENTS struct arguments arguments = {0};
    assert_int_equal(parse("myelin put --id x -- --json -o", &arguments), OK);
    assert_int_equal(arguments.word_count, 2);
    assert_string_equal(arguments.words[0], "--json");
    assert_string_equal(arguments.words[1], "-o");
    assert_null(arguments.values[OPTION_JSON]);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    static const struct {
        const char *line, *named;
    } wrong[] = {
        {"myelin ls --frobnicate", "--frobnicate"}, {"myelin ls -x", "-x"},
        {"myelin get scan --from", "--from"},       {"myelin get scan -o", "-o"},
        {"myelin put --id a --id b f", "--id"},     {"myelin ls --json=yes", "--json=yes"},
        {"myelin put --copies", "--copies"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        AUTO_ARGUMENTS struct arguments arguments = {0};
        assert_int_equal(parse(wrong[i].line, &arguments), INVALID);
        assert_non_null(strstr(error_text(), wrong[i].named));
    }
}

static void a_command_takes_its_own_options_only(void **state) {
    (void)state;
    AUTO_ARGUMENTS struct arguments arguments = {0};
    assert_int_equal(parse("myelin ls --json --id x", &arguments), OK);
    assert_int_equal(arguments_check(&arguments, OPTION_BIT(OPTION_JSON), 0, 0), INVALID);
    assert_non_null(strstr(error_text(), "--id"));
    assert_int_equal(
        arguments_check(&arguments, OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_ID), 0, 0), OK);
}

static void words_are_counted(void **state) {
    (void)state;
    AUTO_ARGUMENTS struct arguments arguments = {0};
    assert_int_equal(parse("myelin show one two", &arguments), OK);
    assert_int_equal(arguments_check(&arguments, 0, 1, 1), INVALID);
    assert_non_null(strstr(error_text(), "two"));
    assert_int_equal(arguments_check(&arguments, 0, 3, 3), INVALID);
    assert_int_equal(arguments_check(&arguments, 0, 2, 2), OK);
}

static void numbers_have_bounds(void **state) {
    (void)state;
    static const struct {
        const char *line;
        result expected;
        unsigned number;
    } cases[] = {
        {"myelin up d", OK, 3},
        {"myelin up d --k 1", OK, 1},
        {"myelin up d --k 255", OK, 255},
        {"myelin up d --k 0", INVALID, 0},
        {"myelin up d --k 256", INVALID, 0},
        {"myelin up d --k -1", INVALID, 0},
        {"myelin up d --k many", INVALID, 0},
        {"myelin up d --k 3x", INVALID, 0},
        {"myelin up d --k 99999999999999999999", INVALID, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARGUMENTS struct arguments arguments = {0};
        unsigned number = 0;
        assert_int_equal(parse(cases[i].line, &arguments), OK);
        assert_int_equal(arguments_number(&arguments, OPTION_K, 3, &number), cases[i].expected);
        if (cases[i].expected == OK)
            assert_int_equal(number, cases[i].number);
    }
}

static void no_command_is_no_error_yet(void **state) {
    (void)state;
    AUTO_ARGUMENTS struct arguments arguments = {0};
    assert_int_equal(parse("myelin --help", &arguments), OK);
    assert_null(arguments.command);
    assert_non_null(arguments.values[OPTION_HELP]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(recipients_follow_their_option),
        cmocka_unit_test(a_lone_recipient_is_not_the_id),
        cmocka_unit_test(objects_follow_their_option),
        cmocka_unit_test(what_follows_two_dashes_is_a_word),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(a_command_takes_its_own_options_only),
        cmocka_unit_test(words_are_counted),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(no_command_is_no_error_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
