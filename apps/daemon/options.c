#include "daemon/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_DEFAULT_MIB = 256, MEMORY_LEAST_MIB = 64, NUMBER_MOST = 1 << 20 };
enum {
    SCRUB_DEFAULT_MB = 20,
    SCRUB_DEFAULT_S = 24 * 3600,
    LOOK_DEFAULT_S = 300,
    YEAR_S = 365 * 86400
};

static result parse_level(const char *name, enum log_level *out_level) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out_level = (enum log_level)i;
            return OK;
        }
    }
    return FAIL(INVALID, "--log-level %s: expected debug, info, warning or error", name);
}

/* "--log-segment-mb": decimal megabytes, so that a mistyped one cannot make a file a byte. */
static result parse_segment(const char *text, uint64_t *out_bytes) {
    uint64_t megabytes = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && digits <= 6; i++)
        megabytes = 10 * megabytes + (uint64_t)(text[i] - '0');
    if (text[digits] != '\0' || megabytes < 1 || megabytes > 100000)
        return FAIL(INVALID, "--log-segment-mb %s: expected 1 to 100000", text);
    *out_bytes = megabytes * 1000000;
    return OK;
}

/* A whole number from `least` to `most`. */
static result parse_number(const char *name, unsigned least, unsigned most, unsigned *out_number) {
    char *end = NULL;
    bool is_number = optarg[0] >= '0' && optarg[0] <= '9';
    unsigned long number = is_number ? strtoul(optarg, &end, 10) : 0;
    if (!is_number || *end != '\0' || number < least || number > most)
        return FAIL(INVALID, "--%s %s: expected a number from %u to %u", name, optarg, least, most);
    *out_number = (unsigned)number;
    return OK;
}

static result take_scrub(int option, struct options *options) {
    switch (option) {
    case 'm':
        return parse_number("scrub-mb-per-second", 0, NUMBER_MOST, &options->scrub_mb_per_second);
    case 'i':
        return parse_number("scrub-interval", 0, YEAR_S, &options->scrub_interval_s);
    case 'k':
        return parse_number("scrub-look", 1, YEAR_S, &options->scrub_look_s);
    default:
        return FAIL(INVALID, "unknown option, or one without its value; see --help");
    }
}

static result take_limit(int option, struct options *options) {
    switch (option) {
    case 'M':
        return parse_number("memory", MEMORY_LEAST_MIB, NUMBER_MOST, &options->memory_mib);
    case 'C':
        return parse_number("connections", 8, 1 << 16, &options->connections);
    case 'U':
        return parse_number("user-connections", 1, 1 << 16, &options->user_connections);
    case 'Q':
        return parse_number("user-requests", 1, 1 << 16, &options->user_requests);
    case 'R':
        return parse_number("user-rate", 10, NUMBER_MOST, &options->user_rate);
    default:
        return take_scrub(option, options);
    }
}

static result take_option(int option, struct options *options) {
    switch (option) {
    case 'c':
        options->config = optarg;
        return OK;
    case 's':
        options->system = optarg;
        return OK;
    case 'd':
        options->store = optarg;
        return OK;
    case 'a':
        options->listen = optarg;
        return OK;
    case 'l':
        return parse_level(optarg, &options->log_level);
    case 'r':
        return parse_segment(optarg, &options->log_segment_bytes);
    case 'h':
        options->help = true;
        return OK;
    case 'v':
        options->version = true;
        return OK;
    case 'X':
        options->no_sandbox = true;
        return OK;
    default:
        return take_limit(option, options);
    }
}

static result check_required(const struct options *options) {
    const struct {
        const char *name, *value;
    } required[] = {
        {"config", options->config}, {"system", options->system}, {"store", options->store}};
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (required[i].value == NULL)
            return FAIL(INVALID, "--%s is missing; see --help", required[i].name);
    return OK;
}

result options_parse(int argc, char *argv[], struct options *out_options) {
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"system", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'd'},
        {"listen", required_argument, NULL, 'a'},
        {"log-level", required_argument, NULL, 'l'},
        {"log-segment-mb", required_argument, NULL, 'r'},
        {"memory", required_argument, NULL, 'M'},
        {"connections", required_argument, NULL, 'C'},
        {"user-connections", required_argument, NULL, 'U'},
        {"user-requests", required_argument, NULL, 'Q'},
        {"user-rate", required_argument, NULL, 'R'},
        {"scrub-mb-per-second", required_argument, NULL, 'm'},
        {"scrub-interval", required_argument, NULL, 'i'},
        {"scrub-look", required_argument, NULL, 'k'},
        {"no-sandbox", no_argument, NULL, 'X'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *out_options = (struct options){.log_level = LOG_INFO,
                                    .memory_mib = MEMORY_DEFAULT_MIB,
                                    .scrub_mb_per_second = SCRUB_DEFAULT_MB,
                                    .scrub_interval_s = SCRUB_DEFAULT_S,
                                    .scrub_look_s = LOOK_DEFAULT_S};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        TRY(take_option(option, out_options));
    if (out_options->help || out_options->version)
        return OK;
    if (optind < argc)
        return FAIL(INVALID, "unexpected argument %s; see --help", argv[optind]);
    return check_required(out_options);
}

struct server_limits options_limits(const struct options *options) {
    return (struct server_limits){
        .connections = options->connections,
        .user_connections = options->user_connections,
        .user_running = options->user_requests,
        .user_rate = options->user_rate,
        .user_burst = 5 * options->user_rate,
    };
}
