/*
 * Delete: objects of an image that stays go from all storage servers.
 */
#ifndef MYELIN_FLOW_DELETE_H
#define MYELIN_FLOW_DELETE_H

#include <stddef.h>

#include "base/result.h"

struct session;

/* What is done with a name that no object of the image has. */
enum delete_unknown {
    DELETE_REFUSES_UNKNOWN, /* NOT_FOUND, and nothing is deleted */
    DELETE_PASSES_UNKNOWN,
};

/*
 * Deletes the objects `names` of the user's image `id`, for good: no object of the image can have
 * one of their names again. Those that were deleted before are deleted again, for servers that
 * missed it. It is done where fewer than k of the storage servers that hold the image have not been
 * told; those are named by the session's warnings, learn it from the others, and any other server's
 * word hides what they still have.
 *
 * NOT_FOUND  no such image, or no such object
 * INVALID    what can be no object's name, or none given
 * QUORUM     k storage servers or more could not be told, or too few list the image's objects; some
 *            objects may be gone: to be called again
 */
MUST_CHECK result flow_delete(struct session *session, const char *id, const char *const names[],
                              size_t count, enum delete_unknown unknown);

#endif
