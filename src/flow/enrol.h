/*
 * Enrol: a name becomes a user of the system, with a keystore here and shares at the key servers.
 *
 *     keygen -> certificate -> share_keygen -> hand one share to each key server -> forget a1, a2
 *     -> keystore on disk -> activate -> keystore under its name
 *
 * The shares are pending, and replaced by a new attempt's, until they are activated; they are
 * activated only once enough key servers have them and the keystore that goes with them is on disk,
 * as NAME.keystore.enrolling. So an enrolment that was broken off either leaves the name free, or
 * is completed from that file by doing it again.
 */
#ifndef MYELIN_FLOW_ENROL_H
#define MYELIN_FLOW_ENROL_H

#include "flow/session.h"
#include "system/ca.h"

struct enrol_options {
    const char *system; /* the folder, which holds the manager's CA too where that is to certify */
    const char *user;
    const struct passphrase *passphrase; /* of the keystore to be */
    struct view certificate;             /* DER: a manager's answer from elsewhere; else empty */

    /* Told of the session that the flow works with, to show its progress, to cancel it and to take
     * its warnings; and with NULL before that session is closed. May be NULL. */
    void (*session)(void *context, struct session *session);
    void *context;
};

/* Key servers that must have their share before anything is activated: t + half of the spare ones,
 * rounded up. */
unsigned enrol_needed(unsigned m, unsigned t);

/*
 * Enrols `user`. Key servers that were not reached never get a share of him, and are named by the
 * session's warnings.
 *
 * INVALID    `user` is no name
 * INTEGRITY  the system description is older than one seen before
 * CONFLICT   he is enrolled already, here or with the system
 * DENIED     the manager's CA is not in the system's folder, or is another system's; or there is a
 *            keystore of a broken-off enrolment and the passphrase is not its
 * QUORUM     too few key servers took their share, each named with its reason
 * IO
 */
MUST_CHECK result flow_enrol(const struct enrol_options *options);

/*
 * Where the manager is elsewhere: makes the request that he is to certify (ca_request_make's) and
 * gives it, with its fingerprint. Keys, a1 and a2 among them, wait in NAME.keystore.requested under
 * the passphrase for his answer; asking again gives a request for the same keys.
 *
 * CONFLICT   he is enrolled already, or enrolling
 * DENIED     there is a request, and the passphrase is not its; or it is for another system
 * INVALID, INTEGRITY, IO
 */
MUST_CHECK result flow_enrol_request(const struct enrol_options *options, struct bytes *out_request,
                                     char out_fingerprint[CA_FINGERPRINT]);

/*
 * ... and enrols with that answer, the options' certificate; a1 and a2 are then destroyed. Doing it
 * again completes what was broken off.
 *
 * NOT_FOUND  no request was made here
 * DENIED     the certificate is of other keys, for another user, expired, or from another manager;
 *            or the passphrase is not the request's
 * else as flow_enrol
 */
MUST_CHECK result flow_enrol_answered(const struct enrol_options *options);

/*
 * Renews: the certificate that `user` has, expired or not, is issued again for the same keys, put
 * in his keystore and brought to the key servers, who show it to others. Doing it again completes
 * what was broken off; key servers that were not reached are named by the session's warnings.
 * Where the options have a certificate, it is that which a manager elsewhere issued.
 *
 * NOT_FOUND  he has no keystore here
 * DENIED     as for enrolling; or the passphrase is not the keystore's
 * CONFLICT   the manager gave the name to other keys since
 * QUORUM     too few key servers have it now; the keystore has it all the same
 * INVALID, INTEGRITY, IO
 */
MUST_CHECK result flow_renew(const struct enrol_options *options);

#endif
