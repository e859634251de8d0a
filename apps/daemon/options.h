/*
 * The command line that both daemons take.
 */
#ifndef MYELIN_DAEMON_OPTIONS_H
#define MYELIN_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/result.h"
#include "net/server.h"

struct options {
    const char *config;         /* folder: the server's credentials */
    const char *system;         /* the system description */
    const char *store;          /* folder; a storage server also takes "file:" and a folder */
    const char *listen;         /* "host:port"; NULL: the address in the description */
    uint64_t log_segment_bytes; /* of a key server's access log; 0: not given */
    enum log_level log_level;
    unsigned memory_mib; /* of requests, in all */
    /* Limits of net/server.h; 0: its default. */
    unsigned connections, user_connections, user_requests, user_rate;
    unsigned scrub_mb_per_second, scrub_interval_s, scrub_look_s; /* of a storage server */
    bool no_sandbox, help, version;
};

/* What --help says of the limits. */
#define OPTIONS_HELP_LIMITS                                                                        \
    "  --memory MIB        memory of requests in all (256); more is asked to come again\n"         \
    "  --connections N     at one time (512); a new one takes the place of an idle one\n"          \
    "  --user-connections N, --user-requests N\n"                                                  \
    "                      one user's connections (a quarter of all) and costly requests (16)\n"   \
    "                      at one time\n"                                                          \
    "  --user-rate N       one user's costly requests a second, in tokens (500), five seconds'\n"  \
    "                      worth at once; docs/PROTOCOL.md says what costs how many\n"             \
    "  --no-sandbox        no seccomp filter: any system call is allowed\n"

/* INVALID, saying which option is wrong or missing. The strings are argv's own. */
MUST_CHECK result options_parse(int argc, char *argv[], struct options *out_options);

/* Those of the server. */
struct server_limits options_limits(const struct options *options);

#endif
