/*
 * The offline check of an access log: any segments of it, archived or not, without the server.
 */
#ifndef MYELIN_AUDIT_CHECK_H
#define MYELIN_AUDIT_CHECK_H

#include "audit/chain.h"

struct check_file {
    const char *path;         /* the caller's */
    bool is_whole;            /* every record is good, and continues the file before it */
    struct chain_head before; /* what it continues */
    struct chain_head last;   /* its last good entry, or what it continues */
    uint64_t entries;         /* good ones */
    uint64_t first;           /* the first of them; 0: there is none */
    uint64_t offset;          /* where the good part ends: of the fault, where not whole */
    uint64_t sequence;        /* which entry should be there */
    char why[ERROR_TEXT_BYTES];
};

enum check_head {
    CHECK_HEAD_NONE,    /* none to compare with */
    CHECK_HEAD_HOLDS,   /* the log has that entry */
    CHECK_HEAD_DIFFERS, /* it has another one there */
    CHECK_HEAD_MISSING, /* it ends before, or the entry is in what is damaged */
    CHECK_HEAD_OLDER,   /* it is in segments that were not given */
};

struct check {
    struct check_file *files; /* in the log's order */
    size_t count;
    unsigned faults; /* files that are not whole */
    uint64_t entries;
    struct chain_head before, last; /* of all files together */
    enum check_head head;
};

#define AUTO_CHECK __attribute__((cleanup(check_free)))
void check_free(struct check *check);

/* A good entry; what it fails with ends the check. */
typedef result (*check_take)(void *context, const struct chain_head *at,
                             const Myelin__AuditBody *body);

/* Checks `count` segments, given in any order, and whether they hold `head` (may be NULL). `take`
 * (may be NULL) gets all good entries in order. Faults are in `out_check`, not in the result. IO,
 * NOT_FOUND where a file cannot be read; NO_MEMORY. */
MUST_CHECK result check_segments(const char *const paths[], size_t count,
                                 const struct chain_head *head, check_take take, void *context,
                                 struct check *out_check);

#endif
