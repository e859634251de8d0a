/*
 * A store in a folder of its own, for a test.
 */
#ifndef MYELIN_TESTS_STORE_FIXTURE_H
#define MYELIN_TESTS_STORE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/secret.h"
#include "storage/store.h"

struct world {
    char folder[64];
    struct store *store;
};

static inline int setup(void **state) {
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(secret_start(), OK);
    snprintf(world->folder, sizeof world->folder, "/tmp/myelin-store-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(store_open(world->folder, &world->store), OK);
    *state = world;
    return 0;
}

static inline int teardown(void **state) {
    struct world *world = *state;
    store_close(world->store);
    assert_int_equal(file_remove_tree(world->folder), OK);
    free(world);
    return 0;
}

#endif
