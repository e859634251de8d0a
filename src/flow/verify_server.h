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
};

/* Fetches and checks all that the server should hold of the image. */
void verify_server(struct verify_server *verify);

#endif
