/*
 * How one server is started: its program, paths and process.
 */
#ifndef MYELIN_CLI_LAUNCH_H
#define MYELIN_CLI_LAUNCH_H

#include "daemons.h"

/* "myelin-storaged" or "myelin-keyd" */
const char *launch_program(const struct daemon *daemon);

/* DIR/run/NAME.pid and DIR/NAME.log */
MUST_CHECK result launch_pid_path(const struct daemons *daemons, const struct daemon *daemon,
                                  char out[PATH_MAX]);
MUST_CHECK result launch_log_path(const struct daemons *daemons, const struct daemon *daemon,
                                  char out[PATH_MAX]);

/* Writes the pid file. IO, INVALID. */
MUST_CHECK result launch_note_pid(const struct daemons *daemons, const struct daemon *daemon,
                                  pid_t pid);

/* Starts the server, in a session of its own and with its log for stdout and stderr, and writes its
 * pid file. The program is the one beside this one, else one in PATH. NOT_FOUND, IO. */
MUST_CHECK result launch(const struct daemons *daemons, struct daemon *daemon);

#endif
