#include "flow/forward.h"
#include "cli.h"
#include "print.h"

static void add_done(void *context, const struct forward_done *done) {
    json_array_append_new(context, json_pack("{s:s, s:i, s:I}", "to", done->recipient, "servers",
                                             (int)done->servers, "bytes", (json_int_t)done->bytes));
}

static void print_done(void *context, const struct forward_done *done) {
    const struct cli *cli = context;
    printf("%s: %u of %u storage servers, %llu bytes sent\n", done->recipient, done->servers,
           cli->session->n, (unsigned long long)done->bytes);
}

result command_forward(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    if (arguments->recipient_count == 0)
        return FAIL(INVALID, "to whom? 'myelin forward ID --to NAME...'");
    TRY(cli_start(cli));
    json_t *forwards = cli->json ? json_array() : NULL;
    const struct forward_options options = {
        .recover_key = arguments->values[OPTION_RECOVER_KEY] != NULL,
        .done = cli->json ? add_done : print_done,
        .context = cli->json ? (void *)forwards : (void *)cli,
    };
    result forwarded = flow_forward(cli->session, arguments->words[0], arguments->recipients,
                                    arguments->recipient_count, &options);
    if (forwarded == OK && cli->json)
        return print_json(forwards);
    json_decref(forwards);
    return forwarded;
}
