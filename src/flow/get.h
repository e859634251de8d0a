/*
 * Get: an image's objects, with their names and bytes, from any k storage servers.
 *
 *     t key servers share_decrypt -> combine -> content key -> fetch any k slices per segment ->
 *     verify -> decode -> open -> decompress
 *
 * A storage server that is dead, hung, slow or lying costs one warning that names it, and a spare
 * one takes its place. Bytes reach the user's folder only when all of the image has proved to be
 * what its owner signed.
 */
#ifndef MYELIN_FLOW_GET_H
#define MYELIN_FLOW_GET_H

#include <stdbool.h>

#include "base/result.h"

struct session;

struct get_options {
    const char *from; /* the owner who forwarded it; NULL: the user's own */
    bool hidden;      /* take names with parts that begin with a dot from others, too */
    unsigned u;       /* storage servers that each key server asks first; 0: fan_out_default's */
};

/*
 * Fetches the image `id` into `folder`, which is made where it does not exist. Names with "/" make
 * folders in it. A file that is there already and has an object's very bytes counts as fetched, so
 * that a get which was killed is completed by doing it again.
 *
 * CONFLICT   `folder` has something else of an object's name: nothing is fetched or replaced
 * NOT_FOUND  there is no such image, or no such forward
 * DENIED     the owner has revoked the forward, or never made it; or another's image has a name
 *            that a listing would hide (".ssh/authorized_keys") and `hidden` is not set
 * QUORUM     fewer than k storage servers, or t key servers, are good; each named with its reason
 * INTEGRITY  what is left of the image is not what its owner signed, or a name in it is unsafe
 * INVALID    u is larger than n, or t u smaller than k
 * IO         the local disk
 * On failure nothing is left behind: no file, and no folder that this call made.
 */
MUST_CHECK result flow_get(struct session *session, const char *id,
                           const struct get_options *options, const char *folder);

#endif
