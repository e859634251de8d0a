/*
 * Verify: every slice of an image at every storage server is fetched and compared with the hashes
 * that the owner signed, and what the servers have of forwards with each other. It takes no key
 * server and no content key, so objects are named by their ids.
 */
#ifndef MYELIN_FLOW_VERIFY_H
#define MYELIN_FLOW_VERIFY_H

#include <stdbool.h>

#include "base/result.h"

struct session;

enum verify_state {
    VERIFY_GOOD,
    VERIFY_LOST,        /* the server lacks what it should hold */
    VERIFY_STALE,       /* it holds what its owner has replaced or taken back since */
    VERIFY_BAD,         /* what it holds is not what was signed */
    VERIFY_UNREACHABLE, /* it did not answer, so nothing is known */
};

/* "good", "lost", "stale", "bad", "unreachable". */
const char *verify_state_name(enum verify_state state);

/* Borrowed for the time of the call. */
struct verify_finding {
    const char *id;     /* the image's */
    const char *object; /* its id in hexadecimal; NULL: the envelope and all else of the image */
    const char *server; /* "storage-2" */
    enum verify_state state;
    const char *detail; /* what was wrong; "" with VERIFY_GOOD */
};

/* Told of everything that is not good, and of each server with which all of an image is good
 * (object NULL). Calls never overlap. */
typedef void (*verify_report)(void *context, const struct verify_finding *finding);

/*
 * Checks the user's image `id`, or all of his own images where it is NULL.
 *
 * OK         every slice at every server that answered is good, and all answered
 * INTEGRITY  something is lost, stale or bad; the text names the servers, and what mends them
 * QUORUM     nothing is, but servers, named, did not answer
 * NOT_FOUND  the user has no such image
 */
MUST_CHECK result flow_verify(struct session *session, const char *id, verify_report report,
                              void *context);

#endif
