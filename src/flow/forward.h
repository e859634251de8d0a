/*
 * Forward: an image is made readable for others by one small message to each storage server.
 *
 *     rekey (with t key servers) -> each storage server re-encrypts its envelope symbol
 *
 * The key servers make the re-encryption key by threshold and a1 exists nowhere; recovering a1
 * instead, as the paper does, is for those who ask for it (flow/forward_recover.h).
 */
#ifndef MYELIN_FLOW_FORWARD_H
#define MYELIN_FLOW_FORWARD_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct forward_done {
    const char *recipient;
    unsigned servers; /* storage servers that took it */
    uint64_t bytes;   /* sent to key and storage servers for it */
};

struct forward_options {
    bool recover_key; /* by KeyRecover and ReKeyGen */
    /* May be NULL. Told of each recipient once k storage servers or more have his forward. */
    void (*done)(void *context, const struct forward_done *done);
    void *context;
};

/*
 * Forwards the user's image `id` to each of `recipients[0..count-1]`. All of them are looked up
 * before the first one gets anything. Servers that do not have a forward are named by the session's
 * warnings.
 *
 * NOT_FOUND  no such image, or a recipient who is not enrolled: nobody has got anything then
 * INVALID    a recipient is no user name, is the user himself or named twice: nobody, likewise
 * QUORUM     fewer than t key servers, or k storage servers, took part, each named with its reason
 * INTEGRITY  key servers gave parts that make no right key
 * Recipients before the one in the text have the image when this fails.
 */
MUST_CHECK result flow_forward(struct session *session, const char *id,
                               const char *const recipients[], size_t count,
                               const struct forward_options *options);

#endif
