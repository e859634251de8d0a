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
    bool is_done;   /* all that it should hold was looked at */
    struct verify_forward {
        char recipient[FORMAT_NAME_MAX + 1];
        uint64_t serial_ms;
    } * forwards; /* by recipient, revocations too; owned */
    size_t forward_count;
    bool has_forwards; /* the list is whole */
};
void verify_server_clean_up(struct verify_server *verify);

/* Tells where a server lacks what another one, whose word is the owner's, has of forwards. */
void verify_server_compare(struct verify_server *verify, const struct verify_server *other);

/* Fetches and checks all that the server should hold of the image. */
void verify_server(struct verify_server *verify);

#endif
