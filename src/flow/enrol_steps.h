/*
 * What enrolling at the manager's and away from it share: the steps once there is a certificate.
 */
#ifndef MYELIN_FLOW_ENROL_STEPS_H
#define MYELIN_FLOW_ENROL_STEPS_H

#include <limits.h>
#include <stdbool.h>

#include "flow/enrol.h"
#include "scheme/keygen.h"

/* One enrolment under way. */
struct enrolment {
    const struct enrol_options *options;
    char home[PATH_MAX];      /* the folder of keystores */
    char keystore[PATH_MAX];  /* where it will be */
    char enrolling[PATH_MAX]; /* where it is until the shares are active */
    char requested[PATH_MAX]; /* where a1 and a2 wait for a manager's answer */
};

/* INVALID where the user's name is none, or a path is too long. */
MUST_CHECK result enrolment_begin(const struct enrol_options *options, struct enrolment *out);

/* The user to be. */
struct newcomer {
    struct secret_key *secret; /* a1, a2, a3: secret memory, freed before anything is activated */
    struct public_key public_key;
    uint8_t possession[POSSESSION_BYTES];
    struct keystore keystore;
};

#define AUTO_NEWCOMER __attribute__((cleanup(newcomer_free)))
void newcomer_free(struct newcomer *newcomer);

/* New keys, for the system and manager of `description`; without a certificate. NO_MEMORY. */
MUST_CHECK result newcomer_new(const char *user, const struct description *description,
                               struct newcomer *out_newcomer);

/* What he asks the manager for; it borrows `user`. */
void newcomer_request(const struct newcomer *newcomer, const char *user,
                      struct ca_request *out_request);

/* Hands out the shares, forgets a1 and a2 and writes the `enrolling` keystore. The session takes
 * the newcomer's keystore over. Errors of flow_enrol; then nothing is to be completed. */
MUST_CHECK result enrolment_hand(const struct enrolment *enrolment, struct newcomer *newcomer,
                                 struct session **out_session);

/* From then on: activates the shares, and gives the keystore its name. Ends the session's watch. */
MUST_CHECK result enrolment_complete(const struct enrolment *enrolment, struct session *session);

/* CONFLICT where the user is enrolled; else completes what the `enrolling` file has, if it is
 * there: `out_done`. Where its shares are gone, so that it means nothing any more, it is removed.
 */
MUST_CHECK result enrolment_resume(const struct enrolment *enrolment, bool *out_done);

/* The watch that the options name; NULL ends it. */
void enrolment_show_session(const struct enrolment *enrolment, struct session *session);

#endif
