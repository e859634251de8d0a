#include "cli.h"
#include "daemons.h"

result command_down(struct cli *cli) {
    AUTO_DAEMONS struct daemons daemons = {.lock = -1};
    TRY(daemons_open(cli->arguments->words[0], &daemons));
    TRY(daemons_lock(&daemons));
    TRY(daemons_add_left(&daemons));
    return daemons_stop(&daemons);
}
