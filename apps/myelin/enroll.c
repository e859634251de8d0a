#include <string.h>

#include "cli.h"
#include "flow/enrol.h"

result command_enroll(struct cli *cli) {
    const char *user = cli->arguments->words[0];
    const char *claimed = cli->arguments->values[OPTION_USER];
    if (!format_is_name(user))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    user);
    if (claimed != NULL && strcmp(claimed, user) != 0)
        return FAIL(INVALID, "--user %s does not enrol %s", claimed, user);
    struct enrol_options options = {.user = user, .session = cli_watch, .context = cli};
    TRY(cli_system(cli, &options.system));
    AUTO_SECRET struct passphrase *passphrase = NULL;
    bool renews = cli->arguments->values[OPTION_RENEW] != NULL;
    TRY(passphrase_ask(user, !renews, &passphrase));
    options.passphrase = passphrase;
    return renews ? flow_renew(&options) : flow_enrol(&options);
}
