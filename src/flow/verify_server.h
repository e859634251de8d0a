/*
 * Verify's work at one storage server, on a thread of its own.
 */
#ifndef MYELIN_FLOW_VERIFY_SERVER_H
#define MYELIN_FLOW_VERIFY_SERVER_H

#include <stdatomic.h>

#include "flow/manifests.h"
#include "flow/verify.h"

/* Takes one finding; from any of the threads. */
typedef void (*verify_take)(void *context, unsigned server, const char *object,
                            enum verify_state state, const char *detail);

struct verify_server {
    struct session *session;
    const struct image *image;
    const struct manifests *manifests;
    unsigned server;
    struct http_client *client;
    verify_take take;
    void *context;
    atomic_uint_least64_t *bytes_done;
    bool has_fault; /* something was not good */

    /* While slots are on their way the one that comes may be missing, as long as the one who had it
     * still has it. */
    int coming, leaving;        /* slots; -1: none */
    bool lacks_coming;          /* or a part of it */
    bool has_leaving;           /* all of it, good */
    bool is_at_leaving;         /* this is what is being looked at */
    char why[ERROR_TEXT_BYTES]; /* the first thing missing of what is coming */
    bool is_done;               /* all that it should hold was looked at */
    struct verify_forward {
        char recipient[FORMAT_NAME_MAX + 1];
        uint64_t serial_ms;
    } * forwards; /* by recipient, revocations too; owned */
    size_t forward_count;
    bool has_forwards; /* the list is whole */
};
void verify_server_clean_up(struct verify_server *verify);

/* Tells what is missing of a slot on its way that `others` do not have any more either. */
void verify_server_settle(struct verify_server *verify, const struct verify_server *const others[],
                          unsigned count);

/* Tells where a server lacks what another one, whose word is the owner's, has of forwards. */
void verify_server_compare(struct verify_server *verify, const struct verify_server *other);

/* Fetches and checks all that the server should hold of the image. */
void verify_server(struct verify_server *verify);

#endif
