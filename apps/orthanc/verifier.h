/*
 * The verifier: on request, every slice of all of the user's images is checked at every storage
 * server, in the background, one image after the other; what came of it stays for /myelin/status,
 * over restarts too.
 */
#ifndef ORTHANC_VERIFIER_H
#define ORTHANC_VERIFIER_H

#include <jansson.h>

#include "gateway.h"

struct verifier;

/* NO_MEMORY; errors of myelin_local_key. */
MUST_CHECK result verifier_new(struct gateway *gateway, struct verifier **out_verifier);

/* Ends a running verification by cancelling the session's calls: nothing may need it any more. */
void verifier_free(struct verifier *verifier);

/* Starts one. CONFLICT where one is running, NO_MEMORY. */
MUST_CHECK result verifier_begin(struct verifier *verifier);

/* {"State": "never" | "running" | "good" | "bad", "TimeMs": its end, "Images": how many were looked
 * at, "Message": why it is not good, "Findings": [{Image, Server, State, Detail}, the first ones]};
 * a new reference. While one is running, the rest is of the one before. */
json_t *verifier_show(struct verifier *verifier);

#endif
