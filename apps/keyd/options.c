#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <string.h>

const char options_help[] =
    "Usage: myelin-keyd --config FOLDER --system FILE --store FOLDER [OPTION]...\n"
    "A key server of Myelin: it keeps one share of every user's key and an access log.\n"
    "\n"
    "  --config FOLDER     certificate.pem, key.pem and seal.key (32 bytes, mode 0600)\n"
    "  --system FILE       the system description, system.myelin\n"
    "  --store FOLDER      where shares, revocations and the access log are kept\n"
    "  --listen HOST:PORT  instead of this server's address in the description\n"
    "  --log-level LEVEL   debug, info (the default), warning or error\n"
    "  --help, --version\n"
    "\n"
    "Log lines go to standard error; \"event=ready\" says that it serves. SIGTERM stops it.\n";

static result parse_level(const char *text, enum log_level *out_level) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out_level = (enum log_level)i;
            return OK;
        }
    return FAIL(INVALID, "--log-level %s: expected debug, info, warning or error", text);
}

static result check_required(const struct options *options) {
    if (options->config == NULL)
        return FAIL(INVALID, "--config is missing; see --help");
    if (options->system == NULL)
        return FAIL(INVALID, "--system is missing; see --help");
    if (options->store == NULL)
        return FAIL(INVALID, "--store is missing; see --help");
    return OK;
}

static result take_option(int option, struct options *out) {
    switch (option) {
    case 'c':
        out->config = optarg;
        return OK;
    case 's':
        out->system = optarg;
        return OK;
    case 'd':
        out->store = optarg;
        return OK;
    case 'a':
        out->listen = optarg;
        return OK;
    case 'l':
        return parse_level(optarg, &out->log_level);
    case 'h':
        out->help = true;
        return OK;
    case 'v':
        out->version = true;
        return OK;
    default:
        return FAIL(INVALID, "unknown option, or one without its value; see --help");
    }
}

result options_parse(int argc, char *argv[], struct options *out_options) {
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},    {"system", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'd'},     {"listen", required_argument, NULL, 'a'},
        {"log-level", required_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},         {NULL, 0, NULL, 0},
    };
    *out_options = (struct options){.log_level = LOG_INFO};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        TRY(take_option(option, out_options));
    if (out_options->help || out_options->version)
        return OK;
    if (optind < argc)
        return FAIL(INVALID, "unexpected argument %s; see --help", argv[optind]);
    return check_required(out_options);
}
