/*
 * What both daemons are around their service: a command line, signals, words at the end.
 */
#ifndef MYELIN_DAEMON_DAEMON_H
#define MYELIN_DAEMON_DAEMON_H

#include "daemon/options.h"

struct daemon_program {
    const char *name; /* "myelin-storaged" */
    const char *help;

    /* From the first file read to answering requests; what it makes of itself is the program's.
     * The daemon is closed whether it came to run or not. */
    result (*start)(const struct options *options);
    /* Called about once a minute; NULL where there is nothing to do. */
    void (*sweep)(void);
    /* On SIGHUP, which stops a program that has NULL here. */
    void (*hangup)(void);
    void (*close)(void);
};

/* Ends the daemon as a signal would: for one that learns that it is no longer wanted. From any
 * thread, once it serves. */
void daemon_stop(void);

/* Parses, starts, serves until SIGTERM or SIGINT, stops in order. Gives the exit code. Signals are
 * blocked before any thread is made, so that this thread alone gets them. */
int daemon_run(const struct daemon_program *program, int argc, char *argv[]);

#endif
