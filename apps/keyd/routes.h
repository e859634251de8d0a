/*
 * The key server's routes, as docs/PROTOCOL.md lists them: each is one function of
 * keys/service.h. The server's context is the struct key_service.
 */
#ifndef MYELIN_KEYD_ROUTES_H
#define MYELIN_KEYD_ROUTES_H

#include "daemon/system.h"
#include "keys/service.h"
#include "net/server.h"

/* Their context. */
struct keyd {
    struct key_service *service;
    const struct daemon_system *system;
};

extern const struct server_route keyd_routes[];
extern const size_t keyd_route_count;

#endif
