/*
 * Remove: a whole image goes from all storage servers, its forwards with it.
 */
#ifndef MYELIN_FLOW_REMOVE_H
#define MYELIN_FLOW_REMOVE_H

#include "base/result.h"

struct session;

/*
 * Removes the user's image `id`. It is done where fewer than k storage servers have not been told;
 * those are named by the session's warnings, and any other server's word hides what they still
 * have.
 *
 * NOT_FOUND  no such image
 * QUORUM     k storage servers or more could not be told
 */
MUST_CHECK result flow_remove(struct session *session, const char *id);

#endif
