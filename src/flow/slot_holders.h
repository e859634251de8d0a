/*
 * Which storage servers may have which slots of an image: those that placement gives them to now,
 * those of the version before while slots are on their way, and those that the owner's record
 * names, in case that nothing was ever moved.
 */
#ifndef MYELIN_FLOW_SLOT_HOLDERS_H
#define MYELIN_FLOW_SLOT_HOLDERS_H

#include "flow/session.h"

enum { HOLDER_SLOTS = 3 };

struct slot_holders {
    unsigned servers;                            /* as many as the session has storage servers */
    bool is_holder[FORMAT_SERVERS_MAX];          /* by server */
    bool is_current[FORMAT_SERVERS_MAX];         /* of those: placement gives it a slot now */
    int slots[FORMAT_SERVERS_MAX][HOLDER_SLOTS]; /* by server, the likeliest first; then -1 */
};

/* `servers` are the `count` names by slot of a record of the image; count 0 where none is known. */
void slot_holders_find(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                       char *const servers[], size_t count, struct slot_holders *out_holders);

/* Whether the server, by its name, may have the slot. */
bool slot_holders_may_have(const struct slot_holders *holders, unsigned server, unsigned slot);

#endif
