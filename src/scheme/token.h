/*
 * The identity token tau = h^f(a3,ID): all that servers ever see of an image's ID.
 *     f(a3, ID) = expand_message_xmd(SHA-256, I2OSP(a3, 32) || ID, "MYELIN-V1-TOKEN", 48) mod r
 */
#ifndef MYELIN_SCHEME_TOKEN_H
#define MYELIN_SCHEME_TOKEN_H

#include "group/g2.h"

/* f(a3, ID) for any byte string ID, the empty one included. The result is as secret as a3.
 * CRYPTO where it is zero (never seen: 2^-255); NO_MEMORY. */
MUST_CHECK result token_exponent(const struct scalar *a3, struct view id, struct scalar *out_f);

/* tau. Errors as token_exponent. */
MUST_CHECK result token(const struct scalar *a3, struct view id, struct g2 *out_tau);

#endif
