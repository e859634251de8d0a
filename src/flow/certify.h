/*
 * The manager's answers to those who are elsewhere, in his folder.
 */
#ifndef MYELIN_FLOW_CERTIFY_H
#define MYELIN_FLOW_CERTIFY_H

#include "base/bytes.h"
#include "system/ca.h"

struct certify_answer {
    char name[FORMAT_NAME_MAX + 1];
    char fingerprint[CA_FINGERPRINT]; /* of a request */
};

/* Looks at a request (ca_request_make's) and, with `out_certificate`, answers it with one (DER,
 * appended). `again`: though the name was given to other keys, whose owner never enrolled; key
 * servers refuse the new ones if he did. INTEGRITY where it is no request or was altered; DENIED
 * where it is for another system, or there is no CA here; CONFLICT where the name is taken; IO. */
MUST_CHECK result flow_certify(const char *system, struct view request, bool again,
                               struct certify_answer *out_answer, struct bytes *out_certificate);

/* The certificate of a user or server again (ca_renew). NOT_FOUND where the name was given to
 * nobody, or is a server's that the system has no more. */
MUST_CHECK result flow_certify_renewal(const char *system, const char *name,
                                       struct bytes *out_certificate);

#endif
