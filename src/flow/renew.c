/* A user's certificate again: CA -> keystore -> key servers. */
#include <limits.h>
#include <time.h>

#include "base/file.h"
#include "flow/enrol.h"
#include "flow/enrol_manager.h"
#include "flow/enrol_shares.h"
#include "system/user.h"

static result open_keystore(const struct enrol_options *options,
                            const struct description *description, char path[PATH_MAX], int *lock,
                            struct keystore *out_keystore) {
    TRY(keystore_path(options->user, path, PATH_MAX));
    TRY(keystore_lock(path, options->user, lock));
    AUTO_KEYSTORE struct keystore keystore = {0};
    TRY(keystore_open(path, options->user, options->passphrase, &keystore));
    TRY(description_check_trust(description, &keystore.trust));
    *out_keystore = keystore;
    keystore = (struct keystore){0};
    return OK;
}

/* In the keystore, in place of the one before. */
static result replace(const struct enrol_options *options, struct keystore *keystore,
                      const char *path, struct bytes *certificate) {
    bytes_free(&keystore->certificate);
    keystore->certificate = *certificate;
    *certificate = (struct bytes){0};
    return keystore_replace(path, keystore, options->passphrase);
}

static result certify_again(const struct enrol_options *options, struct keystore *keystore) {
    AUTO_ENROL_MANAGER struct enrol_manager manager = {0};
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_FD int lock = -1;
    char path[PATH_MAX];
    TRY(enrol_manager_open(options->system, options->user, &manager));
    TRY(open_keystore(options, &manager.description, path, &lock, keystore));
    TRY(ca_renew_user(manager.ca, bytes_view(&keystore->certificate), 0, &certificate));
    return replace(options, keystore, path, &certificate);
}

static result check_answer(const struct enrol_options *options,
                           const struct description *description, const struct keystore *keystore) {
    struct user now;
    struct public_key before;
    TRY(user_public_key(bytes_view(&keystore->certificate), &before));
    result read =
        user_from_certificate(options->certificate, description, options->user, time(NULL), &now);
    if (read == INTEGRITY || read == PROTOCOL)
        return error_set(DENIED, "%s", error_text());
    TRY(read);
    if (!ca_is_for(options->certificate, keystore->secrets->identity.public_key, &before))
        return FAIL(DENIED, "the certificate of %s is for other keys than his", options->user);
    return OK;
}

/* With what the manager issued elsewhere. */
static result take_answer(const struct enrol_options *options, struct keystore *keystore) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_FD int lock = -1;
    char path[PATH_MAX];
    TRY(description_load(options->system, NULL, &description));
    TRY(open_keystore(options, &description, path, &lock, keystore));
    TRY(check_answer(options, &description, keystore));
    TRY(bytes_append(&certificate, options->certificate));
    return replace(options, keystore, path, &certificate);
}

static result tell(const struct enrol_options *options, struct keystore *keystore) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_SESSION struct session *session = NULL;
    TRY(description_load(options->system, &keystore->trust, &description));
    TRY(session_new(&description, keystore, &session));
    if (options->session != NULL)
        options->session(options->context, session);
    result told = enrol_bring_certificate(session);
    if (options->session != NULL)
        options->session(options->context, NULL);
    return told;
}

result flow_renew(const struct enrol_options *options) {
    AUTO_KEYSTORE struct keystore keystore = {0};
    TRY(options->certificate.len > 0 ? take_answer(options, &keystore)
                                     : certify_again(options, &keystore));
    return tell(options, &keystore);
}
