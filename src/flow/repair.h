/*
 * Repair: verify, then each storage server at which something is lost, stale or bad mends its own
 * store from the others' (src/storage/mend.h), then verify again. The servers work on ciphertext;
 * the client only asks, and believes none of what they say about it.
 */
#ifndef MYELIN_FLOW_REPAIR_H
#define MYELIN_FLOW_REPAIR_H

#include <stdint.h>

#include "base/result.h"

struct session;

/* As RepairedPart.outcome. */
enum repair_outcome {
    REPAIR_GOOD,
    REPAIR_REBUILT,
    REPAIR_COPIED,
    REPAIR_FAILED,
    REPAIR_DROPPED, /* a slot that is another server's now */
};

/* "good", "rebuilt", "copied", "failed", "dropped". */
const char *repair_outcome_name(enum repair_outcome outcome);

/* Borrowed for the time of the call. */
struct repair_part {
    const char *id;     /* the image's */
    const char *object; /* its id in hexadecimal; NULL: the envelope and all else of the image */
    const char *server; /* that mended its store */
    unsigned slot;
    enum repair_outcome outcome; /* never REPAIR_GOOD */
    const char *detail;          /* why it failed; else "" */
};

/* Told of everything that was not good. Calls never overlap. */
typedef void (*repair_report)(void *context, const struct repair_part *part);

struct repair_totals {
    uint64_t images;        /* looked at */
    uint64_t repaired;      /* of these, that are good now and were not */
    uint64_t parts;         /* made good */
    uint64_t bytes_read;    /* by servers from servers */
    uint64_t bytes_written; /* by servers to their stores */
};

/*
 * The user's image `id`, or all of his own where it is NULL. `out_totals` may be NULL; it is set in
 * any case.
 *
 * OK         all is good now, at every server
 * INTEGRITY  something stays lost, stale or bad; the text names the servers and why
 * QUORUM     too few good symbols are left or reachable to rebuild from; or what there is is good,
 *            but servers did not answer
 * NOT_FOUND  the user has no such image
 */
MUST_CHECK result flow_repair(struct session *session, const char *id, repair_report report,
                              void *context, struct repair_totals *out_totals);

#endif
