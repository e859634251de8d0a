/* The plugin's pages: what is in it, how it is served, and that no page needs more than its policy
 * allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pages.h"

static void every_file_is_whole_and_has_a_type(void **state) {
    (void)state;
    size_t count = 0;
    for (const struct pages_file *file = pages_files; file->name != NULL; file++, count++) {
        assert_ptr_equal(pages_find(file->name), file);
        assert_non_null(pages_type(file->name));
        assert_true(file->end > file->data);
        assert_int_equal(*file->end, 0);
        assert_non_null(strstr(pages_policy(file->name), "default-src 'none'"));
    }
    assert_true(count >= 14);
}

static void what_is_not_there_is_not_found(void **state) {
    (void)state;
    static const char *const names[] = {"",      ".",          "..",          "../plugin.c",
                                        "study", "STUDY.HTML", "study.html/", "pages.h"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_null(pages_find(names[i]));
    assert_null(pages_type("passwd"));
    assert_null(pages_type(""));
}

/* Without a policy that allows them, inline scripts, handlers and styles would be dead at best. */
static void pages_hold_no_inline_code(void **state) {
    (void)state;
    static const char *const inlines[] = {
        "<script>",  "<style",      " style=", " onclick=", " onload=",
        " onerror=", "javascript:", "//cdn",   "https://"};
    size_t pages = 0;
    for (const struct pages_file *file = pages_files; file->name != NULL; file++) {
        if (strcmp(pages_type(file->name), "text/html; charset=utf-8") != 0)
            continue;
        pages++;
        for (size_t i = 0; i < sizeof inlines / sizeof inlines[0]; i++)
            assert_null(strstr(file->data, inlines[i]));
    }
    assert_int_equal(pages, 4);
}

/* A text becomes markup by these alone. */
static void scripts_make_no_markup_of_texts(void **state) {
    (void)state;
    static const char *const makers[] = {"innerHTML",      "outerHTML", "insertAdjacentHTML",
                                         "document.write", ".html(",    "DOMParser",
                                         "eval("};
    size_t scripts = 0;
    for (const struct pages_file *file = pages_files; file->name != NULL; file++) {
        const char *end = strrchr(file->name, '.');
        if (strcmp(end, ".js") != 0 || strstr(file->name, ".min.") != NULL)
            continue;
        scripts++;
        for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
            assert_null(strstr(file->data, makers[i]));
    }
    assert_true(scripts >= 8);
}

static void only_the_decoders_may_make_code(void **state) {
    (void)state;
    assert_null(strstr(pages_policy("viewer.html"), "unsafe"));
    assert_null(strstr(pages_policy("study.html"), "unsafe"));
    assert_null(strstr(pages_policy("study.html"), "data:"));
    assert_non_null(strstr(pages_policy("index.worker.min.worker.js"), "'unsafe-eval'"));
    assert_null(strstr(pages_policy("index.worker.min.worker.js"), "*"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_whole_and_has_a_type),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(pages_hold_no_inline_code),
        cmocka_unit_test(scripts_make_no_markup_of_texts),
        cmocka_unit_test(only_the_decoders_may_make_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
