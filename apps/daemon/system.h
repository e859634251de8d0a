/*
 * What both daemons do about the system description: answer it, take newer versions while they
 * run, and tell the other servers.
 */
#ifndef MYELIN_DAEMON_SYSTEM_H
#define MYELIN_DAEMON_SYSTEM_H

#include "daemon/options.h"
#include "net/server.h"
#include "system/current.h"
#include "system/gossip.h"
#include "system/identity.h"

struct daemon_system {
    struct current *current;
    struct server *_Atomic server; /* whose answers name the version; NULL before it runs */
    struct gossip *_Atomic gossip;
};

/* The newest version of the description at options->system and in `folder`, the store's. The struct
 * stays where it is from now on. */
MUST_CHECK result daemon_system_open(const struct options *options, const char *folder,
                                     struct daemon_system *out_system);

/* Once the server runs: its answers name the version, and other servers' versions are looked at. */
MUST_CHECK result daemon_system_start(struct daemon_system *system, struct server *server,
                                      const struct identity *identity);

/* Before the server is stopped, and at the very end. */
void daemon_system_stop(struct daemon_system *system);
void daemon_system_close(struct daemon_system *system);

/* GET and PUT of GOSSIP_PATH. */
MUST_CHECK result daemon_system_answer(const struct daemon_system *system,
                                       struct server_exchange *exchange);
MUST_CHECK result daemon_system_take(const struct daemon_system *system,
                                     struct server_exchange *exchange);

#endif
