/* myelin passphrase: another one for the keystore that is here. It needs no server. */
#include <limits.h>
#include <stdio.h>

#include "cli.h"
#include "print.h"
#include "system/keystore.h"

/* A wrong one is refused before the new one is asked for. */
static result ask_old(const char *user, const char *path, struct passphrase **out_passphrase) {
    AUTO_KEYSTORE struct keystore keystore = {0};
    AUTO_SECRET struct passphrase *passphrase = NULL;
    TRY(passphrase_ask(user, false, &passphrase));
    TRY(keystore_open(path, user, passphrase, &keystore));
    *out_passphrase = passphrase;
    passphrase = NULL;
    return OK;
}

result command_passphrase(struct cli *cli) {
    char user[FORMAT_NAME_MAX + 1], path[PATH_MAX];
    AUTO_SECRET struct passphrase *before = NULL;
    AUTO_SECRET struct passphrase *after = NULL;
    bool is_wiped = false;
    TRY(cli_user(cli, user));
    TRY(keystore_path(user, path, sizeof path));
    TRY(ask_old(user, path, &before));
    TRY(passphrase_ask_next(user, &after));
    TRY(keystore_change_passphrase(path, user, before, after, &is_wiped));
    if (!is_wiped) {
        fputs("myelin: warning: ", stderr);
        print_safe(stderr, error_text());
        fputs("; where it is kept, the old passphrase opens it\n", stderr);
    }
    return OK;
}
