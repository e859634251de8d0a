#include "cli.h"
#include "flow/remove.h"

result command_rm(struct cli *cli) {
    TRY(cli_start(cli));
    return flow_remove(cli->session, cli->arguments->words[0]);
}
