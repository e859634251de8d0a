/*
 * A keystore under the lowest limits of Argon2id that its format allows, in place of one under
 * those that `myelin enroll` takes: to open the latter is nine tenths of what most commands take,
 * and tests run thousands. Usage: myelin-quick-keystore FILE USER; the passphrase comes from where
 * the programs have it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "system/keystore.h"
#include "system/passphrase.h"

static result make_quick(const char *path, const char *user) {
    AUTO_SECRET struct passphrase *passphrase = NULL;
    AUTO_KEYSTORE struct keystore keystore = {0};
    char quick[PATH_MAX];
    int len = snprintf(quick, sizeof quick, "%s.quick", path);
    if (len < 0 || (size_t)len >= sizeof quick)
        return FAIL(INVALID, "%s: the path is too long", path);
    TRY(secret_start());
    TRY(passphrase_ask(user, false, &passphrase));
    TRY(keystore_open(path, user, passphrase, &keystore));
    TRY(keystore_create_with_limits(quick, &keystore, passphrase, FORMAT_KEYSTORE_OPS_MIN,
                                    FORMAT_KEYSTORE_MEMORY_MIN));
    if (rename(quick, path) != 0)
        return FAIL(IO, "%s cannot be replaced: %s", path, strerror(errno));
    return OK;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: myelin-quick-keystore FILE USER\n");
        return 2;
    }
    if (make_quick(words[1], words[2]) != OK) {
        fprintf(stderr, "myelin-quick-keystore: %s\n", error_text());
        return 1;
    }
    return 0;
}
