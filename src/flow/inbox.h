/*
 * What others have forwarded to the user, from all storage servers.
 */
#ifndef MYELIN_FLOW_INBOX_H
#define MYELIN_FLOW_INBOX_H

#include "flow/session.h"

/* One forward to the user. */
struct inbox_item {
    char *id; /* as the owner labelled it: may hold anything but zero bytes */
    const struct session_user *owner;
    uint8_t tau[FORMAT_TAU_BYTES];
    uint64_t serial_ms; /* when it was forwarded */
    uint64_t objects, sealed_bytes;
    unsigned servers; /* that list it */
};

struct inbox {
    struct inbox_item *items; /* by owner, then ID */
    size_t count;
};

#define AUTO_INBOX __attribute__((cleanup(inbox_free)))
void inbox_free(struct inbox *inbox);

/* Every forward to the user that its owner signed and enough storage servers list to read it, where
 * those that did not answer are taken to list it too: what fewer have was revoked and they missed
 * that. Those of `from` alone where it is not NULL. Forged ones cost a warning. QUORUM where fewer
 * than k storage servers answer. */
MUST_CHECK result inbox_collect(struct session *session, const char *from, struct inbox *out_inbox);

#endif
