#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli.h"
#include "files.h"
#include "flow/enrol.h"

/* For a manager who is elsewhere. */
static result request(const struct enrol_options *options, const char *path) {
    AUTO_BYTES struct bytes wire = {0};
    char fingerprint[CA_FINGERPRINT];
    TRY(files_check_new(path));
    TRY(flow_enrol_request(options, &wire, fingerprint));
    TRY(file_create_atomic(path, bytes_view(&wire), 0644));
    printf("%s asks to be certified: fingerprint %s\n", options->user, fingerprint);
    return OK;
}

static result check_names(const struct cli *cli, const char *user) {
    const char *claimed = cli->arguments->values[OPTION_USER];
    if (!format_is_name(user))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    user);
    if (claimed != NULL && strcmp(claimed, user) != 0)
        return FAIL(INVALID, "--user %s does not enrol %s", claimed, user);
    return OK;
}

result command_enroll(struct cli *cli) {
    const char *user = cli->arguments->words[0];
    const char *const *values = cli->arguments->values;
    const char *asks = values[OPTION_REQUEST], *answer = values[OPTION_CERTIFICATE];
    bool renews = values[OPTION_RENEW] != NULL;
    TRY(check_names(cli, user));
    if (asks != NULL && (answer != NULL || renews))
        return FAIL(INVALID, "--request is the first step, alone; for a renewal none is needed");
    struct enrol_options options = {.user = user, .session = cli_watch, .context = cli};
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_SECRET struct passphrase *passphrase = NULL;
    TRY(cli_system(cli, &options.system));
    if (answer != NULL)
        TRY(files_read_certificate(answer, &certificate));
    options.certificate = bytes_view(&certificate);
    TRY(passphrase_ask(user, !renews && answer == NULL, &passphrase));
    options.passphrase = passphrase;
    if (asks != NULL)
        return request(&options, asks);
    if (renews)
        return flow_renew(&options);
    return answer != NULL ? flow_enrol_answered(&options) : flow_enrol(&options);
}
