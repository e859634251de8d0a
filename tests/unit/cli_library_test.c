/* The library's face: what it refuses before it has met any server. */
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
#include "myelin.h"
#include "system/local.h"

static char folder[64];

static int start(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/myelin-library-XXXXXX");
    if (mkdtemp(folder) == NULL || setenv("MYELIN_HOME", folder, 1) != 0)
        return 1;
    return myelin_start();
}

static int end(void **state) {
    (void)state;
    return (int)file_remove_tree(folder);
}

static void in_folder(const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", folder, name);
}

static void a_session_needs_a_keystore(void **state) {
    (void)state;
    struct myelin_session *session = NULL;
    assert_int_equal(myelin_open(folder, "alice", "secret", 6, &session), MYELIN_NOT_FOUND);
    assert_non_null(strstr(myelin_error_text(), "alice"));
    assert_null(session);
    assert_int_equal(myelin_open(folder, "../alice", "secret", 6, &session), MYELIN_INVALID);
    assert_int_equal(myelin_open(folder, "alice", "", 0, &session), MYELIN_INVALID);
    myelin_close(NULL);
}

static void enrolling_needs_the_manager(void **state) {
    (void)state;
    char system[128], manager[128], moved[128], keystore[128];
    in_folder("system", system);
    in_folder("system/manager", manager);
    in_folder("system/elsewhere", moved);
    in_folder("alice.keystore", keystore);
    assert_int_equal(local_create(system, 1, 1, 1, 1), OK);
    assert_int_equal(myelin_enroll(system, "Alice", "secret", 6, NULL, NULL), MYELIN_INVALID);
    assert_int_equal(rename(manager, moved), 0);
    assert_int_equal(myelin_enroll(system, "alice", "secret", 6, NULL, NULL), MYELIN_DENIED);
    assert_int_equal(rename(moved, manager), 0);
    /* No server runs: the name must be free again afterwards, and no keystore be left. */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(myelin_enroll(system, "alice", "secret", 6, NULL, NULL), MYELIN_QUORUM);
        assert_non_null(strstr(myelin_error_text(), "key-1"));
        char issued[160];
        snprintf(issued, sizeof issued, "%s/issued/alice.pem", manager);
        assert_int_not_equal(access(issued, F_OK), 0);
        assert_int_not_equal(access(keystore, F_OK), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_needs_a_keystore),
        cmocka_unit_test(enrolling_needs_the_manager),
    };
    return cmocka_run_group_tests(tests, start, end);
}
