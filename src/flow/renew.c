/* A user's certificate again: CA -> keystore -> key servers. */
#include <limits.h>

#include "base/file.h"
#include "flow/enrol.h"
#include "flow/enrol_manager.h"
#include "flow/enrol_shares.h"

static result open_keystore(const struct enrol_options *options,
                            const struct enrol_manager *manager, char path[PATH_MAX], int *lock,
                            struct keystore *out_keystore) {
    TRY(keystore_path(options->user, path, PATH_MAX));
    TRY(keystore_lock(path, options->user, lock));
    AUTO_KEYSTORE struct keystore keystore = {0};
    TRY(keystore_open(path, options->user, options->passphrase, &keystore));
    TRY(description_check_trust(&manager->description, &keystore.trust));
    *out_keystore = keystore;
    keystore = (struct keystore){0};
    return OK;
}

static result certify_again(const struct enrol_options *options, struct keystore *keystore) {
    AUTO_ENROL_MANAGER struct enrol_manager manager = {0};
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_FD int lock = -1;
    char path[PATH_MAX];
    TRY(enrol_manager_open(options->system, options->user, &manager));
    TRY(open_keystore(options, &manager, path, &lock, keystore));
    TRY(ca_renew_user(manager.ca, bytes_view(&keystore->certificate), 0, &certificate));
    bytes_free(&keystore->certificate);
    keystore->certificate = certificate;
    certificate = (struct bytes){0};
    return keystore_replace(path, keystore, options->passphrase);
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
    TRY(certify_again(options, &keystore));
    return tell(options, &keystore);
}
