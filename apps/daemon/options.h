/*
 * The command line that both daemons take.
 */
#ifndef MYELIN_DAEMON_OPTIONS_H
#define MYELIN_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/result.h"

struct options {
    const char *config;         /* folder: the server's credentials */
    const char *system;         /* the system description */
    const char *store;          /* folder; a storage server also takes "file:" and a folder */
    const char *listen;         /* "host:port"; NULL: the address in the description */
    uint64_t log_segment_bytes; /* of a key server's access log; 0: not given */
    enum log_level log_level;
    bool help, version;
};

/* INVALID, saying which option is wrong or missing. The strings are argv's own. */
MUST_CHECK result options_parse(int argc, char *argv[], struct options *out_options);

#endif
