#include "flow/get.h"
#include "cli.h"
#include "print.h"

result command_get(struct cli *cli) {
    const char *id = cli->arguments->words[0];
    const char *from = cli->arguments->values[OPTION_FROM];
    const char *folder = cli->arguments->values[OPTION_OUT];
    if (folder == NULL)
        folder = ".";
    struct get_options options = {.from = from,
                                  .hidden = cli->arguments->values[OPTION_HIDDEN] != NULL};
    TRY(arguments_number(cli->arguments, OPTION_U, 0, &options.u));
    TRY(cli_start(cli));
    TRY(flow_get(cli->session, id, &options, folder));
    if (!cli->json)
        return OK;
    struct http_traffic traffic = session_traffic(cli->session);
    return print_json(json_pack("{s:o, s:s, s:o, s:I}", "id", print_json_text(id), "from",
                                from != NULL ? from : cli->session->user, "folder",
                                print_json_text(folder), "received_bytes",
                                (json_int_t)traffic.received));
}
