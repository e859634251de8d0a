#include "flow/put.h"

#include <string.h>

#include "cli.h"
#include "print.h"
#include "progress.h"

/* The ID itself, not made safe: it is the user's own, and scripts take it from here. */
static void print_id(void *context, const char *id) {
    (void)context;
    progress_end();
    puts(id);
    fflush(stdout);
}

static void add_id(void *context, const char *id) {
    json_array_append_new(context, json_pack("{s:o}", "id", print_json_text(id)));
}

static result put(struct cli *cli, struct put_options *options) {
    const struct arguments *arguments = cli->arguments;
    if (!cli->json)
        return flow_put(cli->session, options, arguments->words, arguments->word_count);
    options->done = add_id;
    options->context = json_array();
    result put = flow_put(cli->session, options, arguments->words, arguments->word_count);
    if (put == OK)
        return print_json(options->context);
    json_decref(options->context);
    return put;
}

static result read_dispersal(const struct arguments *arguments, struct put_options *options) {
    const char *how = arguments->values[OPTION_DISPERSE];
    if (how == NULL || strcmp(how, "symbols") == 0)
        options->dispersal = PUT_SYMBOLS;
    else if (strcmp(how, "blocks") == 0)
        options->dispersal = PUT_BLOCKS;
    else
        return FAIL(INVALID, "--disperse: '%s' is neither 'symbols' nor 'blocks'", how);
    if (arguments->values[OPTION_COPIES] != NULL && options->dispersal != PUT_BLOCKS)
        return FAIL(INVALID, "--copies is of blocks: it takes --disperse blocks");
    return arguments_number(arguments, OPTION_COPIES, 0, &options->copies);
}

result command_put(struct cli *cli) {
    const char *const *values = cli->arguments->values;
    struct put_options options = {
        .id = values[OPTION_ID], .codec = CODEC_AUTO, .done = print_id, .is_alone = true};
    if (values[OPTION_COMPRESS] != NULL)
        TRY(codec_kind_parse(values[OPTION_COMPRESS], &options.codec));
    TRY(read_dispersal(cli->arguments, &options));
    TRY(cli_start(cli));
    return put(cli, &options);
}
