/*
 * Forward: an image is made readable for others by one small message to each storage server.
 *
 *     rekey (with t key servers) -> each storage server re-encrypts its envelope symbol
 */
#ifndef MYELIN_FLOW_FORWARD_H
#define MYELIN_FLOW_FORWARD_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

struct session;

struct forward_done {
    const char *recipient;
    unsigned servers; /* storage servers that took it */
    uint64_t bytes;   /* sent to key and storage servers for it */
};

/*
 * Forwards the user's image `id` to each of `recipients[0..count-1]`; `done`, which may be NULL, is
 * told of each once k storage servers or more have it. Those that do not have it are named by the
 * session's warnings.
 *
 * NOT_FOUND  no such image, or a recipient who is not enrolled: nobody has got anything then
 * INVALID    a recipient is no user name, or the user himself
 * QUORUM     fewer than t key servers, or k storage servers, took part, each named with its reason
 * INTEGRITY  key servers gave parts that make no right key
 * Recipients before the one in the text have the image when this fails.
 */
MUST_CHECK result flow_forward(struct session *session, const char *id,
                               const char *const recipients[], size_t count,
                               void (*done)(void *context, const struct forward_done *done),
                               void *context);

#endif
