/*
 * Who asks, and the line in the access log that says so.
 */
#ifndef MYELIN_KEYS_CALLER_H
#define MYELIN_KEYS_CALLER_H

#include "keys/service.h"

/* DENIED unless the certificate is of this system. */
MUST_CHECK result caller_check_member(const struct key_service *service,
                                      const struct tls_peer *peer);

/* DENIED unless it is a user's of this system. */
MUST_CHECK result caller_check_user(const struct key_service *service, const struct tls_peer *peer);

/* As caller_check_user; DENIED too where the share of his name that is here came with another
 * identity key. Whoever has none here, or a damaged one, passes. IO, NO_MEMORY. */
MUST_CHECK result caller_check_himself(const struct key_service *service,
                                       const struct tls_peer *peer);

/* The caller's own active share, or what is left where this server holds none any more
 * (share_file_holds; share_store_choose refuses that). DENIED where he is no user, has enrolled
 * nowhere, or shows another identity key than when he enrolled; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result caller_share(const struct key_service *service, const struct tls_peer *peer,
                               struct share_record *out_record);

/* The identity key of another user, from the certificate that he enrolled here with. NOT_FOUND
 * where he has no active share; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result caller_identity_of(const struct key_service *service, const char *user,
                                     uint8_t out_identity[SIGN_PUBLIC_BYTES]);

/* What an entry in the access log says besides who, when and how it went. */
struct access {
    const char *action;    /* open, rekey, recover, revoke, enroll */
    const char *owner;     /* "" for none */
    struct view tau;       /* empty for none */
    const char *recipient; /* "" for none */
};

/* Puts an entry in the access log, durably, and gives `outcome` back with its error text; OK
 * becomes IO where there can be no entry, so that nothing happens that is not in the log. */
MUST_CHECK result caller_settle(const struct key_service *service, const struct tls_peer *peer,
                                const struct access *access, result outcome);

#endif
