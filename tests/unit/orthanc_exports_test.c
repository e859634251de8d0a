/* Which requests make an export. */
#include "exports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "735cf560-65a987fb-dc6c718c-1a0a6a94-45a94477"

static void exports_are_found_with_their_resource(void **state) {
    (void)state;
    static const struct {
        const char *path, *resource;
    } cases[] = {{"/patients/" ID "/archive", "/patients/" ID},
                 {"/studies/" ID "/archive", "/studies/" ID},
                 {"/studies/" ID "/media", "/studies/" ID},
                 {"/series/" ID "/media", "/series/" ID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char resource[EXPORTS_RESOURCE_BYTES];
        assert_true(exports_find(cases[i].path, resource));
        assert_string_equal(resource, cases[i].resource);
    }
}

static void all_else_is_none(void **state) {
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "/studies/",
        "/studies/archive",
        "/studies/" ID,
        "/studies/" ID "/",
        "/studies/" ID "/archives",
        "/studies/" ID "/series",
        "/studies/" ID "0/archive",
        "/studies/x" ID "/archive",
        "/instances/" ID "/archive",
        "/instances/" ID "/file",
        "/studies/735CF560-65a987fb-dc6c718c-1a0a6a94-45a94477/media",
        "/dicom-web/studies/1.2.3"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char resource[EXPORTS_RESOURCE_BYTES];
        assert_false(exports_find(paths[i], resource));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exports_are_found_with_their_resource),
                                       cmocka_unit_test(all_else_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
