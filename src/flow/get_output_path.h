/*
 * Names below a get's folder. The folder is the user's own choice, links and all; the names in it
 * are the owner's, who may be anybody: on their way no link is followed, so that nothing is written
 * elsewhere than below the folder.
 */
#ifndef MYELIN_FLOW_GET_OUTPUT_PATH_H
#define MYELIN_FLOW_GET_OUTPUT_PATH_H

#include "base/digest.h"
#include "flow/get_output.h"

/* A folder that this get has made, `path` from the user's point of view: it remembers. */
typedef result (*get_output_made)(void *context, const char *path);

/* Opens the folder that `name`, a safe one, is in, and says where in `name` its last part begins.
 * Folders that are missing are made, and told to `made`; where that is NULL, *out_fd is -1 then.
 * CONFLICT where a part of the way is a link or no folder; IO. The caller closes the descriptor. */
MUST_CHECK result get_output_parent(const char *folder, const char *name, get_output_made made,
                                    void *context, int *out_fd, const char **out_last);

/* Whether `folder` has a regular file of that name with `size` bytes of that SHA-256; it is durable
 * then. CONFLICT where a part of the way is a link or no folder; IO. */
MUST_CHECK result get_output_has(const char *folder, const char *name, uint64_t size,
                                 const uint8_t sha256[DIGEST_BYTES], bool *out_has);

/* CONFLICT where `folder` has something of that name, or of a part of it that is no folder. */
MUST_CHECK result get_output_check_free(const char *folder, const char *name);

/* True where a part of `name` begins with a dot: files that a listing hides and that shells and
 * other programs read by themselves. */
bool get_output_is_hidden(const char *name);

#endif
