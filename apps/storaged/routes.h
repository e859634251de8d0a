/*
 * docs/PROTOCOL.md's table of a storage server's requests, as routes: each takes its path, query
 * and body apart, and hands them to src/storage.
 */
#ifndef MYELIN_STORAGED_ROUTES_H
#define MYELIN_STORAGED_ROUTES_H

#include "daemon/system.h"
#include "net/server.h"
#include "storage/scrub.h"
#include "storage/storage.h"

/* Their context. */
struct storaged {
    struct storage *storage;
    const struct daemon_system *system;
    struct mender *mender;
    struct scrub *scrub;
};

extern const struct server_route storaged_routes[];
extern const size_t storaged_route_count;

#endif
