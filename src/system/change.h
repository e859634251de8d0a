/*
 * The manager's changes of the system: each makes the next version of the description. They say no
 * where images would be left without enough servers, or slots would be forgotten on their way.
 *
 *     struct change change;
 *     TRY(change_begin(&description, force, &change));
 *     TRY(change_drain(&change, "storage-2"));
 *     TRY(change_sign(&change, ca, &next));
 *
 * All errors are INVALID or CONFLICT, saying why and what to do, or NOT_FOUND for a server that is
 * not there.
 */
#ifndef MYELIN_SYSTEM_CHANGE_H
#define MYELIN_SYSTEM_CHANGE_H

#include "system/ca.h"
#include "system/description.h"

/* A server to be: all borrowed, until change_sign. */
struct change_server {
    const char *name;
    const char *address;
    uint8_t identity[FORMAT_IDENTITY_BYTES];
    uint32_t weight;    /* 0: 100 */
    const char *domain; /* "": itself alone */
};

/* A description that is being written: the lists' own memory, all else borrowed from the version
 * before. Stays where it is. */
struct change {
    const struct description *before;
    bool force;
    Myelin__System system;
    Myelin__Placement previous;
    Myelin__Server servers[FORMAT_SERVERS_MAX + 1];
    Myelin__Server *storage[FORMAT_SERVERS_MAX + 1];
    Myelin__Server key_server;
    Myelin__Server *key[FORMAT_SERVERS_MAX + 1];
    Myelin__Seat seats[FORMAT_SEATS_MAX + 1];
    Myelin__Seat *seat[FORMAT_SEATS_MAX + 1];
};

/* With `force` slots may still be on their way, and servers may go that hold some: for servers that
 * are dead. */
MUST_CHECK result change_begin(const struct description *before, bool force,
                               struct change *out_change);

/* A storage server more: about 1/N of all slots move to it. */
MUST_CHECK result change_add_storage(struct change *change, const struct change_server *server);

/* It gives its slots away and gets no new ones. n active servers must be left. */
MUST_CHECK result change_drain(struct change *change, const char *name);

/* A draining one takes slots again. */
MUST_CHECK result change_activate(struct change *change, const char *name);

/* A drained one goes, once its slots are elsewhere; with force any. */
MUST_CHECK result change_remove(struct change *change, const char *name);

/* `server` takes the place of `old`, and all its slots; its weight and domain are the old one's. */
MUST_CHECK result change_replace(struct change *change, const char *old,
                                 const struct change_server *server);

MUST_CHECK result change_weight(struct change *change, const char *name, uint32_t weight);

/* A key server more, with the next share index. Users' shares go there when they reshare. */
MUST_CHECK result change_add_key(struct change *change, const struct change_server *server);

/* All slots are where they belong: readers need not look elsewhere any more. */
MUST_CHECK result change_settle(struct change *change);

/* Signs the next version. */
MUST_CHECK result change_sign(struct change *change, const struct ca *ca,
                              struct description *out_next);

#endif
