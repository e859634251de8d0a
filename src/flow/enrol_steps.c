#include "flow/enrol_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/enrol_shares.h"

static result join(const char *a, const char *b, char out[PATH_MAX]) {
    int used = snprintf(out, PATH_MAX, "%s%s", a, b);
    return used > 0 && used < PATH_MAX ? OK : FAIL(INVALID, "a path is too long");
}

result enrolment_begin(const struct enrol_options *options, struct enrolment *out) {
    if (!format_is_name(options->user))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    options->user);
    *out = (struct enrolment){.options = options};
    TRY(keystore_home(out->home, sizeof out->home));
    TRY(keystore_path(options->user, out->keystore, sizeof out->keystore));
    TRY(join(out->keystore, ".enrolling", out->enrolling));
    return join(out->keystore, ".requested", out->requested);
}

/* ------------------------------------------------------------------ the user to be */

void newcomer_free(struct newcomer *newcomer) {
    secret_free(newcomer->secret);
    newcomer->secret = NULL;
    keystore_free(&newcomer->keystore);
}

result newcomer_new(const char *user, const struct description *description,
                    struct newcomer *out_newcomer) {
    AUTO_NEWCOMER struct newcomer newcomer = {0};
    struct keystore *keystore = &newcomer.keystore;
    TRY(secret_new(sizeof *newcomer.secret, (void **)&newcomer.secret));
    TRY(secret_new(sizeof *keystore->secrets, (void **)&keystore->secrets));
    keygen(newcomer.secret, &newcomer.public_key);
    keygen_prove(newcomer.secret, &newcomer.public_key, view_of_string(user), newcomer.possession);
    sign_key_random(&keystore->secrets->identity);
    keystore->secrets->a3 = newcomer.secret->a3;
    snprintf(keystore->user, sizeof keystore->user, "%s", user);
    memcpy(keystore->trust.ca_key, description->ca_key, FORMAT_IDENTITY_BYTES);
    memcpy(keystore->trust.system_id, description->system->id.data, FORMAT_ID_BYTES);
    *out_newcomer = newcomer;
    newcomer = (struct newcomer){0};
    return OK;
}

void newcomer_request(const struct newcomer *newcomer, const char *user,
                      struct ca_request *out_request) {
    out_request->user = user;
    out_request->public_key = newcomer->public_key;
    memcpy(out_request->identity, newcomer->keystore.secrets->identity.public_key,
           sizeof out_request->identity);
    memcpy(out_request->possession, newcomer->possession, sizeof out_request->possession);
}

/* ------------------------------------------------------------------ the session */

void enrolment_show_session(const struct enrolment *enrolment, struct session *session) {
    if (enrolment->options->session != NULL)
        enrolment->options->session(enrolment->options->context, session);
}

/* Takes `keystore` over. */
static result start_session(const struct enrolment *e, struct keystore *keystore,
                            struct session **out_session) {
    AUTO_DESCRIPTION struct description description = {0};
    TRY(description_load(e->options->system, &keystore->trust, &description));
    TRY(session_new(&description, keystore, out_session));
    enrolment_show_session(e, *out_session);
    return OK;
}

/* ------------------------------------------------------------------ the steps */

static result hand_and_forget(const struct enrolment *e, struct session *session,
                              struct newcomer *newcomer) {
    result handed = enrol_hand_shares(session, newcomer->secret, newcomer->possession);
    secret_free(newcomer->secret);
    newcomer->secret = NULL;
    TRY(handed);
    TRY(session_check_cancel(session));
    return keystore_create(e->enrolling, &session->keystore, e->options->passphrase);
}

result enrolment_hand(const struct enrolment *enrolment, struct newcomer *newcomer,
                      struct session **out_session) {
    AUTO_SESSION struct session *session = NULL;
    TRY(start_session(enrolment, &newcomer->keystore, &session));
    result handed = hand_and_forget(enrolment, session, newcomer);
    if (handed != OK)
        enrolment_show_session(enrolment, NULL);
    if (handed == CONFLICT)
        return error_at(CONFLICT, "the name %s is taken", enrolment->options->user);
    TRY(handed);
    *out_session = session;
    session = NULL;
    return OK;
}

/* What a request left is needed no more, and is a1 and a2. */
static result finish(const struct enrolment *e) {
    if (renameat2(AT_FDCWD, e->enrolling, AT_FDCWD, e->keystore, RENAME_NOREPLACE) != 0)
        return FAIL(errno == EEXIST ? CONFLICT : IO, "renaming %s to %s: %s", e->enrolling,
                    e->keystore, strerror(errno));
    TRY(file_sync_folder(e->home));
    return keystore_destroy(e->requested);
}

result enrolment_complete(const struct enrolment *enrolment, struct session *session) {
    result done = enrol_activate(session);
    enrolment_show_session(enrolment, NULL);
    return done == OK ? finish(enrolment) : done;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

result enrolment_resume(const struct enrolment *enrolment, bool *out_done) {
    const struct enrolment *e = enrolment;
    AUTO_KEYSTORE struct keystore keystore = {0};
    AUTO_SESSION struct session *session = NULL;
    *out_done = false;
    if (exists(e->keystore)) {
        TRY(keystore_destroy(e->requested)); /* of one who was killed here */
        return FAIL(CONFLICT, "%s is enrolled already: %s", e->options->user, e->keystore);
    }
    if (!exists(e->enrolling))
        return OK;
    result opened =
        keystore_open(e->enrolling, e->options->user, e->options->passphrase, &keystore);
    if (opened == DENIED)
        return FAIL(DENIED,
                    "an enrolment of %s was broken off, and this is not the passphrase chosen "
                    "then; to begin again remove %s",
                    e->options->user, e->enrolling);
    TRY(opened);
    TRY(start_session(e, &keystore, &session));
    result activated = enrolment_complete(e, session);
    *out_done = activated == OK;
    if (exists(e->keystore) || (activated != NOT_FOUND && activated != CONFLICT))
        return activated;
    return unlink(e->enrolling) == 0 ? OK
                                     : FAIL(IO, "removing %s: %s", e->enrolling, strerror(errno));
}
