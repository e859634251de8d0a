/*
 * Serials of forwards and revocations, which the owner's machine counts in milliseconds since 1970.
 * Where its clock went back, or another machine of his goes ahead, what he signs next would be
 * older than what the servers have, and they refuse it.
 */
#ifndef MYELIN_FLOW_SERIAL_H
#define MYELIN_FLOW_SERIAL_H

#include "flow/image.h"

/* Where one of `answers`, by storage servers, is CONFLICT: asks for what the owner signed before
 * about this image and recipient, believes his own signature alone, and raises `serial_ms` above
 * it. Whether it did so: then what was refused can be signed again. INTERNAL, NO_MEMORY. */
MUST_CHECK result serial_learn(struct session *session, const struct image *image,
                               const char *recipient, const struct session_answer answers[],
                               uint64_t *serial_ms, bool *out_raised);

/* Whether the owner ever signed a forward of this image to the recipient, or its revocation, as far
 * as storage servers show; true, too, where too few of them answer to say that he did not.
 * INTERNAL, NO_MEMORY. */
MUST_CHECK result serial_was_signed(struct session *session, const struct image *image,
                                    const char *recipient, bool *out_was);

#endif
