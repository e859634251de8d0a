#include "flow/enrol.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "flow/enrol_manager.h"
#include "flow/enrol_steps.h"

enum { CERTIFICATE_FILE_MAX = 64 << 10 };

unsigned enrol_needed(unsigned m, unsigned t) {
    return t + (m - t + 1) / 2;
}

/* At the manager's. */
struct certifying {
    const struct enrolment *enrolment;
    struct enrol_manager manager;
    char issued[PATH_MAX];      /* the certificate as the CA keeps it */
    struct bytes issued_before; /* what stood there; empty: nothing */
};

static void certifying_free(struct certifying *certifying) {
    bytes_free(&certifying->issued_before);
    enrol_manager_close(&certifying->manager);
}

/* The CA's certificate for the name. A name that it gave to other keys may be that of an enrolment
 * that was broken off before its shares were active: the key servers will tell, and what the CA
 * has is kept to be put back. */
static result certify(struct certifying *c, const struct ca_request *request,
                      struct bytes *out_certificate) {
    result issued = ca_issue_user(c->manager.ca, request, 0, out_certificate);
    if (issued != CONFLICT)
        return issued;
    TRY(file_read(c->issued, CERTIFICATE_FILE_MAX, &c->issued_before));
    TRY(ca_withdraw(c->manager.ca, request->user));
    return ca_issue_user(c->manager.ca, request, 0, out_certificate);
}

/* The CA's folder as it was before certify. */
static void uncertify(struct certifying *c) {
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    result undone = c->issued_before.len == 0
                        ? ca_withdraw(c->manager.ca, c->enrolment->options->user)
                        : file_write_atomic(c->issued, bytes_view(&c->issued_before), 0644);
    error_set(undone, "%s", why); /* the first failure is the one to report */
}

static result start_over(struct certifying *c) {
    const char *user = c->enrolment->options->user;
    AUTO_NEWCOMER struct newcomer newcomer = {0};
    AUTO_SESSION struct session *session = NULL;
    struct ca_request request;
    TRY(newcomer_new(user, &c->manager.description, &newcomer));
    newcomer_request(&newcomer, user, &request);
    TRY(certify(c, &request, &newcomer.keystore.certificate));
    result handed = enrolment_hand(c->enrolment, &newcomer, &session);
    if (handed != OK) {
        uncertify(c);
        return handed;
    }
    /* From here on doing it again completes it. */
    return enrolment_complete(c->enrolment, session);
}

/* Of earlier enrolments of this name, which are over: one runs at a time. */
static result sweep(const struct enrolment *enrolment) {
    char start[FORMAT_NAME_MAX + 16];
    snprintf(start, sizeof start, "%s.keystore.", enrolment->options->user);
    return file_sweep(enrolment->home, start);
}

static result open_manager(struct certifying *c) {
    const struct enrol_options *options = c->enrolment->options;
    TRY(enrol_manager_open(options->system, options->user, &c->manager));
    return snprintf(c->issued, PATH_MAX, "%s/issued/%s.pem", c->manager.folder, options->user) <
                   PATH_MAX
               ? OK
               : FAIL(INVALID, "a path is too long");
}

result flow_enrol(const struct enrol_options *options) {
    struct enrolment enrolment;
    bool done;
    TRY(enrolment_begin(options, &enrolment));
    __attribute__((cleanup(certifying_free))) struct certifying c = {.enrolment = &enrolment};
    TRY(open_manager(&c));
    TRY(sweep(&enrolment));
    TRY(enrolment_resume(&enrolment, &done));
    return done ? OK : start_over(&c);
}
