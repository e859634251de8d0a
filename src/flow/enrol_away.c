/* Enrolment where the manager is not: a request, his answer, and the same steps then. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/enrol_steps.h"
#include "system/user.h"

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* The user's folder, for him alone; what somebody left who was killed is swept. */
static result lock_home(const struct enrolment *e, int *out_lock) {
    TRY(file_make_folders(e->home, 0700));
    return keystore_lock(e->keystore, e->options->user, out_lock);
}

static result load_description(const struct enrolment *e, struct description *out_description) {
    AUTO_DESCRIPTION struct description description = {0};
    TRY(description_load(e->options->system, NULL, &description));
    TRY(description_check_version(&description, e->home));
    *out_description = description;
    description = (struct description){0};
    return OK;
}

/* The newcomer that waits for an answer. */
static result open_requested(const struct enrolment *e, const struct description *description,
                             struct newcomer *out_newcomer) {
    AUTO_NEWCOMER struct newcomer newcomer = {0};
    const char *user = e->options->user;
    TRY(keystore_open_request(e->requested, user, e->options->passphrase, &newcomer.keystore,
                              &newcomer.secret));
    TRY(description_check_trust(description, &newcomer.keystore.trust));
    keygen_public(newcomer.secret, &newcomer.public_key);
    keygen_prove(newcomer.secret, &newcomer.public_key, view_of_string(user), newcomer.possession);
    *out_newcomer = newcomer;
    newcomer = (struct newcomer){0};
    return OK;
}

/* ------------------------------------------------------------------ the request */

static result find_or_make(const struct enrolment *e, const struct description *description,
                           struct newcomer *newcomer) {
    if (exists(e->requested))
        return open_requested(e, description, newcomer);
    TRY(newcomer_new(e->options->user, description, newcomer));
    return keystore_create_request(e->requested, &newcomer->keystore, newcomer->secret,
                                   e->options->passphrase);
}

static result check_no_enrolment(const struct enrolment *e) {
    if (exists(e->keystore))
        return FAIL(CONFLICT, "%s is enrolled already: %s", e->options->user, e->keystore);
    if (exists(e->enrolling))
        return FAIL(CONFLICT,
                    "an enrolment of %s was broken off, and has its certificate: do it "
                    "again, or remove %s",
                    e->options->user, e->enrolling);
    return OK;
}

result flow_enrol_request(const struct enrol_options *options, struct bytes *out_request,
                          char out_fingerprint[CA_FINGERPRINT]) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_NEWCOMER struct newcomer newcomer = {0};
    AUTO_FD int lock = -1;
    struct enrolment e;
    struct ca_request request;
    TRY(enrolment_begin(options, &e));
    TRY(load_description(&e, &description));
    TRY(lock_home(&e, &lock));
    TRY(check_no_enrolment(&e));
    TRY(find_or_make(&e, &description, &newcomer));
    newcomer_request(&newcomer, options->user, &request);
    ca_request_fingerprint(&request, out_fingerprint);
    return ca_request_make(&newcomer.keystore.secrets->identity, newcomer.keystore.trust.system_id,
                           &request, out_request);
}

/* ------------------------------------------------------------------ the answer */

static result check_answer(const struct enrolment *e, const struct description *description,
                           const struct newcomer *newcomer) {
    struct user user;
    struct view certificate = e->options->certificate;
    result read =
        user_from_certificate(certificate, description, e->options->user, time(NULL), &user);
    if (read == INTEGRITY || read == PROTOCOL)
        return error_set(DENIED, "%s", error_text());
    TRY(read);
    if (!ca_is_for(certificate, newcomer->keystore.secrets->identity.public_key,
                   &newcomer->public_key))
        return FAIL(DENIED, "the certificate of %s is for other keys than those of the request",
                    e->options->user);
    return OK;
}

static result enrol_with_answer(const struct enrolment *e, const struct description *description) {
    AUTO_NEWCOMER struct newcomer newcomer = {0};
    AUTO_SESSION struct session *session = NULL;
    if (!exists(e->requested))
        return FAIL(NOT_FOUND, "%s has made no request here: 'myelin enroll %s --request FILE'",
                    e->options->user, e->options->user);
    TRY(open_requested(e, description, &newcomer));
    TRY(check_answer(e, description, &newcomer));
    TRY(bytes_append(&newcomer.keystore.certificate, e->options->certificate));
    TRY(enrolment_hand(e, &newcomer, &session));
    return enrolment_complete(e, session);
}

result flow_enrol_answered(const struct enrol_options *options) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_FD int lock = -1;
    struct enrolment e;
    bool done;
    TRY(enrolment_begin(options, &e));
    TRY(load_description(&e, &description));
    TRY(lock_home(&e, &lock));
    TRY(enrolment_resume(&e, &done));
    return done ? OK : enrol_with_answer(&e, &description);
}
