#include "flow/enrol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/enrol_manager.h"
#include "flow/enrol_shares.h"

enum { CERTIFICATE_FILE_MAX = 64 << 10 };

/* One enrolment under way. */
struct enrolment {
    const struct enrol_options *options;
    struct enrol_manager manager;
    char keystore[PATH_MAX];    /* where it will be */
    char enrolling[PATH_MAX];   /* where it is until the shares are active */
    char issued[PATH_MAX];      /* the certificate as the CA keeps it */
    struct bytes issued_before; /* what stood there; empty: nothing */
};

static void enrolment_free(struct enrolment *enrolment) {
    bytes_free(&enrolment->issued_before);
    enrol_manager_close(&enrolment->manager);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static result join(const char *a, const char *between, const char *b, char out[PATH_MAX]) {
    int used = snprintf(out, PATH_MAX, "%s%s%s", a, between, b);
    return used > 0 && used < PATH_MAX ? OK : FAIL(INVALID, "a path is too long");
}

static result find_paths(struct enrolment *e) {
    const struct enrol_options *options = e->options;
    TRY(keystore_path(options->user, e->keystore, sizeof e->keystore));
    TRY(join(e->keystore, ".", "enrolling", e->enrolling));
    char name[FORMAT_NAME_MAX + 8];
    snprintf(name, sizeof name, "%s.pem", options->user);
    return join(e->manager.folder, "/issued/", name, e->issued);
}

/* ------------------------------------------------------------------ the user to be */

struct newcomer {
    struct secret_key *secret; /* a1, a2, a3: secret memory, freed before anything is activated */
    uint8_t possession[POSSESSION_BYTES];
    struct keystore keystore;
};

static void newcomer_free(struct newcomer *newcomer) {
    secret_free(newcomer->secret);
    newcomer->secret = NULL;
    keystore_free(&newcomer->keystore);
}

/* The CA's certificate for the name. A name that it gave to other keys may be that of an enrolment
 * that was broken off before its shares were active: the key servers will tell, and what the CA
 * has is kept to be put back. */
static result certify(struct enrolment *e, const struct ca_request *request,
                      struct bytes *out_certificate) {
    result issued = ca_issue_user(e->manager.ca, request, 0, out_certificate);
    if (issued != CONFLICT)
        return issued;
    TRY(file_read(e->issued, CERTIFICATE_FILE_MAX, &e->issued_before));
    TRY(ca_withdraw(e->manager.ca, e->options->user));
    return ca_issue_user(e->manager.ca, request, 0, out_certificate);
}

/* The CA's folder as it was before certify. */
static void uncertify(struct enrolment *e) {
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    result undone = e->issued_before.len == 0
                        ? ca_withdraw(e->manager.ca, e->options->user)
                        : file_write_atomic(e->issued, bytes_view(&e->issued_before), 0644);
    error_set(undone, "%s", why); /* the first failure is the one to report */
}

static result newcomer_new(struct enrolment *e, struct newcomer *newcomer) {
    const char *user = e->options->user;
    struct keystore *keystore = &newcomer->keystore;
    TRY(secret_new(sizeof *newcomer->secret, (void **)&newcomer->secret));
    TRY(secret_new(sizeof *keystore->secrets, (void **)&keystore->secrets));
    struct ca_request request = {.user = user};
    keygen(newcomer->secret, &request.public_key);
    keygen_prove(newcomer->secret, &request.public_key, view_of_string(user), newcomer->possession);
    sign_key_random(&keystore->secrets->identity);
    keystore->secrets->a3 = newcomer->secret->a3;
    snprintf(keystore->user, sizeof keystore->user, "%s", user);
    memcpy(keystore->trust.ca_key, e->manager.description.ca_key, FORMAT_IDENTITY_BYTES);
    memcpy(keystore->trust.system_id, e->manager.description.system->id.data, FORMAT_ID_BYTES);
    memcpy(request.identity, keystore->secrets->identity.public_key, sizeof request.identity);
    memcpy(request.possession, newcomer->possession, sizeof request.possession);
    return certify(e, &request, &keystore->certificate);
}

/* ------------------------------------------------------------------ the session */

static void show_session(const struct enrolment *e, struct session *session) {
    if (e->options->session != NULL)
        e->options->session(e->options->context, session);
}

/* Takes `keystore` over. The description stays: the session has its own. */
static result start_session(const struct enrolment *e, struct keystore *keystore,
                            struct session **out_session) {
    AUTO_DESCRIPTION struct description description = {0};
    TRY(description_load(e->options->system, &keystore->trust, &description));
    TRY(session_new(&description, keystore, out_session));
    show_session(e, *out_session);
    return OK;
}

/* ------------------------------------------------------------------ the steps */

static result finish(const struct enrolment *e) {
    if (renameat2(AT_FDCWD, e->enrolling, AT_FDCWD, e->keystore, RENAME_NOREPLACE) != 0)
        return FAIL(errno == EEXIST ? CONFLICT : IO, "renaming %s to %s: %s", e->enrolling,
                    e->keystore, strerror(errno));
    char home[PATH_MAX];
    TRY(keystore_home(home, sizeof home));
    return file_sync_folder(home);
}

static result hand_and_forget(const struct enrolment *e, struct session *session,
                              struct newcomer *newcomer) {
    result handed = enrol_hand_shares(session, newcomer->secret, newcomer->possession);
    secret_free(newcomer->secret);
    newcomer->secret = NULL;
    TRY(handed);
    TRY(session_check_cancel(session));
    return keystore_create(e->enrolling, &session->keystore, e->options->passphrase);
}

static result start_over(struct enrolment *e) {
    __attribute__((cleanup(newcomer_free))) struct newcomer newcomer = {0};
    TRY(newcomer_new(e, &newcomer));
    AUTO_SESSION struct session *session = NULL;
    result done = start_session(e, &newcomer.keystore, &session);
    if (done == OK)
        done = hand_and_forget(e, session, &newcomer);
    if (done != OK) {
        uncertify(e);
        show_session(e, NULL);
        return done == CONFLICT ? error_at(CONFLICT, "the name %s is taken", e->options->user)
                                : done;
    }
    /* From here on doing it again completes it. */
    done = enrol_activate(session);
    show_session(e, NULL);
    return done == OK ? finish(e) : done;
}

/* Completes what is in the `enrolling` file; `out_again` where its shares are gone, so that it
 * means nothing any more. */
static result resume(struct enrolment *e, bool *out_again) {
    AUTO_KEYSTORE struct keystore keystore = {0};
    result opened =
        keystore_open(e->enrolling, e->options->user, e->options->passphrase, &keystore);
    if (opened == DENIED)
        return FAIL(DENIED,
                    "an enrolment of %s was broken off, and this is not the passphrase chosen "
                    "then; to begin again remove %s",
                    e->options->user, e->enrolling);
    TRY(opened);
    AUTO_SESSION struct session *session = NULL;
    TRY(start_session(e, &keystore, &session));
    result activated = enrol_activate(session);
    show_session(e, NULL);
    if (activated == OK)
        return finish(e);
    *out_again = activated == NOT_FOUND || activated == CONFLICT;
    return activated;
}

/* Of earlier enrolments of this name, which are over: one runs at a time. */
static result sweep(const struct enrolment *e) {
    char home[PATH_MAX], issued[PATH_MAX], start[FORMAT_NAME_MAX + 16];
    TRY(keystore_home(home, sizeof home));
    snprintf(start, sizeof start, "%s.keystore.", e->options->user);
    TRY(file_sweep(home, start));
    TRY(join(e->manager.folder, "/", "issued", issued));
    snprintf(start, sizeof start, "%s.pem.", e->options->user);
    return file_sweep(issued, start);
}

static result enrol_locked(struct enrolment *e) {
    TRY(sweep(e));
    if (exists(e->keystore))
        return FAIL(CONFLICT, "%s is enrolled already: %s", e->options->user, e->keystore);
    if (exists(e->enrolling)) {
        bool again = false;
        result resumed = resume(e, &again);
        if (!again)
            return resumed;
        if (unlink(e->enrolling) != 0)
            return FAIL(IO, "removing %s: %s", e->enrolling, strerror(errno));
    }
    return start_over(e);
}

result flow_enrol(const struct enrol_options *options) {
    if (!format_is_name(options->user))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    options->user);
    __attribute__((cleanup(enrolment_free))) struct enrolment e = {.options = options};
    TRY(enrol_manager_open(options->system, options->user, &e.manager));
    TRY(find_paths(&e));
    return enrol_locked(&e);
}
