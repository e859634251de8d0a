#include "cli.h"
#include "flow/delete.h"
#include "flow/remove.h"

result command_rm(struct cli *cli) {
    TRY(cli_start(cli));
    const struct arguments *arguments = cli->arguments;
    if (arguments->recipient_count > 0)
        return flow_delete(cli->session, arguments->words[0], arguments->recipients,
                           arguments->recipient_count, DELETE_REFUSES_UNKNOWN);
    return flow_remove(cli->session, arguments->words[0]);
}
