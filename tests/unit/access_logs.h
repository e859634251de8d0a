/*
 * Access logs in temporary folders, for tests of them.
 */
#ifndef MYELIN_TESTS_ACCESS_LOGS_H
#define MYELIN_TESTS_ACCESS_LOGS_H

#include "keys_files.h"

#include "keys/access_log.h"

enum { ALL = 100 };

static inline void append_as(struct access_log *log, const char *user, const char *owner,
                             uint8_t image, result expected) {
    char user_text[64], owner_text[64], action[] = "open", outcome[] = "ok";
    uint8_t id[32];
    Myelin__AuditBody body = MYELIN__AUDIT_BODY__INIT;
    snprintf(user_text, sizeof user_text, "%s", user);
    snprintf(owner_text, sizeof owner_text, "%s", owner);
    memset(id, image, sizeof id);
    body.time_ms = 1700000000000;
    body.user = user_text;
    body.owner = owner_text;
    body.action = action;
    body.outcome = outcome;
    body.image = format_bytes(view_of(id, sizeof id));
    assert_int_equal(access_log_append(log, &body), expected);
}

static inline struct access_log *open_log(const char *folder) {
    struct access_log *log = NULL;
    assert_int_equal(access_log_open(folder, &log), OK);
    assert_int_equal(access_log_wait(log, 20000), OK);
    return log;
}

/* The entries that alice sees; frees nothing of the caller's. */
static inline Myelin__AuditPage *page_of(struct access_log *log, const char *name,
                                         const uint8_t *image, uint64_t after, size_t limit) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__AuditPage *page = NULL;
    assert_int_equal(access_log_page(log, name, image, after, limit, &wire), OK);
    assert_int_equal(format_parse_audit_page(bytes_view(&wire), &page), OK);
    return page;
}

static inline size_t count_of(struct access_log *log, const char *name) {
    AUTO_FORMAT Myelin__AuditPage *page = page_of(log, name, NULL, 0, ALL);
    return page->n_entry;
}

/* A log of `count` entries by alice, closed again. */
static inline void make_log(const char *folder, int count) {
    struct access_log *log = open_log(folder);
    for (int i = 0; i < count; i++)
        append_as(log, "alice", "alice", (uint8_t)i, OK);
    access_log_close(log);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

#endif
