/*
 * A directory entry: what a user's certificate says of him. Nobody's word counts but the CA's, so
 * it does not matter which key server the certificate came from.
 */
#ifndef MYELIN_SYSTEM_USER_H
#define MYELIN_SYSTEM_USER_H

#include <time.h>

#include "scheme/keygen.h"
#include "system/description.h"

struct user {
    char name[FORMAT_NAME_MAX + 1];
    uint8_t identity[FORMAT_IDENTITY_BYTES]; /* verifies his records */
    struct public_key public_key;            /* PK, validated */
    time_t expires;                          /* of the certificate */
};

/*
 * Checks a user's certificate (DER) at the time `now` and reads it. `name` is who was asked for.
 *
 * DENIED     expired, from another CA, of another system or role
 * INTEGRITY  it is another user's: whoever sent it lied
 * PROTOCOL   no certificate, or one without a valid PK
 */
MUST_CHECK result user_from_certificate(struct view certificate,
                                        const struct description *description, const char *name,
                                        time_t now, struct user *out_user);

/* PK of a certificate that was checked already, such as a TLS peer's. PROTOCOL where it carries
 * none or an invalid one. */
MUST_CHECK result user_public_key(struct view certificate, struct public_key *out_public_key);

#endif
