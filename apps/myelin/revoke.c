#include "flow/revoke.h"
#include "cli.h"

result command_revoke(struct cli *cli) {
    const char *recipient = cli->arguments->values[OPTION_FROM];
    if (recipient == NULL)
        return FAIL(INVALID, "from whom? 'myelin revoke ID --from NAME'");
    TRY(cli_start(cli));
    return flow_revoke(cli->session, cli->arguments->words[0], recipient);
}
