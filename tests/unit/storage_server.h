/*
 * For the tests of src/storage: a storage server in a folder of its own, and who asks it.
 */
#ifndef MYELIN_TESTS_STORAGE_SERVER_H
#define MYELIN_TESTS_STORAGE_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "format/hash.h"
#include "format/layout.h"
#include "group/pairing.h"
#include "scheme/codeword.h"
#include "scheme/rekeygen.h"
#include "scheme/token.h"
#include "storage/check.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing.h"
#include "storage/put.h"
#include "storage/removal.h"

enum {
    FIXTURE_K = 2,
    FIXTURE_N = 3,
    FIXTURE_SLOT = 1, /* of this server, "storage-2" */
    FIXTURE_OBJECTS = 5,
    FIXTURE_SEGMENT = 4096,
    FIXTURE_SLICE = (FIXTURE_SEGMENT + FORMAT_TAG_BYTES) / FIXTURE_K,
};

static uint64_t fixture_now_ms = 1700000000000;

static int64_t fixture_step_ms; /* by which the time of day is wrong */

static inline uint64_t fixture_clock(void) {
    return fixture_now_ms + (uint64_t)fixture_step_ms;
}

static inline uint64_t fixture_steady_clock(void) {
    return fixture_now_ms;
}

/* ------------------------------------------------------------------ who */

struct person {
    char name[16];
    struct sign_key key;
    struct storage_caller caller;
};

static inline void person_make(struct person *person, const char *name, enum storage_role role) {
    snprintf(person->name, sizeof person->name, "%s", name);
    sign_key_random(&person->key);
    person->caller = (struct storage_caller){person->name, role, person->key.public_key,
                                             view_of("a certificate", 13)};
}

struct fixture {
    char folder[64];
    struct store *store;
    struct storage *storage;
    struct sign_key server;
    struct person alice, bob, mallory, key_server, other_server;
};

static inline struct storage_options fixture_options(const struct fixture *fixture) {
    return (struct storage_options){.server = "storage-2",
                                    .key = &fixture->server,
                                    .now_ms = fixture_clock,
                                    .steady_ms = fixture_steady_clock};
}

static inline void fixture_start(struct fixture *fixture) {
    struct storage_options options = fixture_options(fixture);
    assert_int_equal(store_open(fixture->folder, &fixture->store), OK);
    assert_int_equal(storage_open(fixture->store, &options, &fixture->storage), OK);
}

static inline void fixture_stop(struct fixture *fixture) {
    storage_close(fixture->storage);
    store_close(fixture->store);
    fixture->storage = NULL;
    fixture->store = NULL;
}

static inline void fixture_restart(struct fixture *fixture) {
    fixture_stop(fixture);
    fixture_start(fixture);
}

/* In memory where there is such a folder: most of the time would be spent waiting for a disk. */
static inline void fixture_folder(char folder[64]) {
    snprintf(folder, 64, "%s/myelin-storage-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline int fixture_setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(secret_start(), OK);
    log_set_level(LOG_ERROR + 1);
    fixture_folder(fixture->folder);
    sign_key_random(&fixture->server);
    person_make(&fixture->alice, "alice", STORAGE_ROLE_USER);
    person_make(&fixture->bob, "bob", STORAGE_ROLE_USER);
    person_make(&fixture->mallory, "mallory", STORAGE_ROLE_USER);
    person_make(&fixture->key_server, "key-1", STORAGE_ROLE_KEY_SERVER);
    person_make(&fixture->other_server, "storage-1", STORAGE_ROLE_OTHER);
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    fixture_stop(fixture);
    assert_int_equal(file_remove_tree(fixture->folder), OK);
    free(fixture);
    return 0;
}

#endif
