/*
 * How a server hears of newer versions of the system description, and tells others: a thread that
 * compares versions with one other server at a time.
 *
 * At the start it asks every other server, whoever is up; from then on one at random every few
 * seconds; and after every change it brings the new version to all. Servers name their version in
 * every answer, so a look costs one small request. A server that was away for a month hears of what
 * it missed from the first one it meets.
 */
#ifndef MYELIN_SYSTEM_GOSSIP_H
#define MYELIN_SYSTEM_GOSSIP_H

#include "net/tls.h"
#include "system/current.h"

/* A server's own description of the system: GET it, PUT a newer one. */
#define GOSSIP_PATH "/v1/system"

struct gossip;

/* `current` and `identity` must outlive it; `name` is this server's own, borrowed. NO_MEMORY. */
MUST_CHECK result gossip_start(struct current *current, const struct tls_identity *identity,
                               const char *name, struct gossip **out_gossip);

/* There is a newer version: all others are told soon. From any thread. NULL is fine. */
void gossip_wake(struct gossip *gossip);

/* Ends the thread and its calls. NULL is fine. */
void gossip_stop(struct gossip *gossip);

#endif
