/*
 * Revoke: storage servers forget the forward, and key servers refuse what is older than the
 * revocation. What a recipient has read already stays read.
 */
#ifndef MYELIN_FLOW_REVOKE_H
#define MYELIN_FLOW_REVOKE_H

#include "base/result.h"

struct session;

/*
 * Revokes the forward of the user's image `id` to `recipient`. It is in force, and this succeeds,
 * where fewer than t key servers or fewer than k storage servers have not been told; those that
 * have not are named by the session's warnings. Doing it again tells those that were missed. A
 * recipient whom nobody knows costs a warning.
 *
 * NOT_FOUND  no such image, or no server knows of a forward of it to the recipient (it is revoked
 *            all the same, lest they lie or have lost it)
 * INVALID    `recipient` is no user name
 * QUORUM     too many servers could not be told: the recipient may still be able to open the image
 */
MUST_CHECK result flow_revoke(struct session *session, const char *id, const char *recipient);

#endif
