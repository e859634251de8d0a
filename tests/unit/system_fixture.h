/*
 * A system of three storage and two key servers in a temporary folder, with its manager's CA and a
 * user alice, for tests of src/system.
 */
#ifndef MYELIN_TESTS_SYSTEM_FIXTURE_H
#define MYELIN_TESTS_SYSTEM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/secret.h"
#include "scheme/keygen.h"
#include "system/ca.h"
#include "system/description.h"
#include "system/identity.h"
#include "system/keystore.h"
#include "system/local.h"
#include "system/user.h"

static char fixture_root[64]; /* temporary; holds "system" */
static char fixture_dir[80];  /* the system's folder */
static struct ca *fixture_ca; /* its manager */
static struct description fixture_description;
static struct sign_key fixture_key; /* alice's identity key */
static struct secret_key fixture_secret;
static struct ca_request fixture_request; /* alice's */

static inline void fixture_says(const char *text) {
    if (strstr(error_text(), text) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), text);
}

#define EXPECT(expression, code, text)                                                             \
    do {                                                                                           \
        result expect_got_ = (expression);                                                         \
        if (expect_got_ != (code))                                                                 \
            fail_msg("%s: %s, %s", #expression, result_name(expect_got_), error_text());           \
        fixture_says(text);                                                                        \
    } while (0)

#define EXPECT_OK(expression)                                                                      \
    do {                                                                                           \
        result expect_got_ = (expression);                                                         \
        if (expect_got_ != OK)                                                                     \
            fail_msg("%s: %s, %s", #expression, result_name(expect_got_), error_text());           \
    } while (0)

/* A path below the temporary folder; good until the eighth call after. */
static inline const char *fixture_path(const char *name) {
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_root, name);
    return path;
}

static inline struct ca_request fixture_new_request(const char *user, const struct sign_key *key,
                                                    struct secret_key *secret) {
    struct ca_request request = {.user = user};
    keygen(secret, &request.public_key);
    memcpy(request.identity, key->public_key, sizeof request.identity);
    keygen_prove(secret, &request.public_key, view_of_string(user), request.possession);
    return request;
}

static inline int fixture_start(void **state) {
    (void)state;
    char manager[128];
    snprintf(fixture_root, sizeof fixture_root, "/tmp/myelin-test-XXXXXX");
    if (secret_start() != OK || mkdtemp(fixture_root) == NULL)
        return -1;
    snprintf(fixture_dir, sizeof fixture_dir, "%s/system", fixture_root);
    if (local_create(fixture_dir, 3, 2, 2, 2) != OK ||
        local_manager_path(fixture_dir, manager, sizeof manager) != OK ||
        ca_load(manager, &fixture_ca) != OK ||
        description_load(fixture_dir, NULL, &fixture_description) != OK) {
        fprintf(stderr, "%s\n", error_text());
        return -1;
    }
    sign_key_random(&fixture_key);
    fixture_request = fixture_new_request("alice", &fixture_key, &fixture_secret);
    return 0;
}

static inline int fixture_stop(void **state) {
    (void)state;
    ca_free_at(&fixture_ca);
    description_free(&fixture_description);
    return file_remove_tree(fixture_root) == OK ? 0 : -1;
}

static inline struct bytes fixture_read(const char *path) {
    struct bytes contents = {0};
    EXPECT_OK(file_read(path, 1 << 20, &contents));
    return contents;
}

static inline void fixture_write(const char *path, struct view contents) {
    EXPECT_OK(file_write_atomic(path, contents, 0600));
}

#endif
