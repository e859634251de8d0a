/*
 * The servers of a system that was made by `myelin up`, as processes on this machine.
 *
 * A pid file alone proves nothing: the process may be gone and its number another program's. A
 * server runs where the process of its pid file has the server's program and store in its command
 * line.
 */
#ifndef MYELIN_CLI_DAEMONS_H
#define MYELIN_CLI_DAEMONS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "system/description.h"

struct daemon {
    const Myelin__Server *server; /* the description's */
    bool is_key;
    Myelin__Server *left; /* `server`, with a name alone, of one that the description has no more */
    pid_t child;          /* 0: not started by this process */
};

enum { DAEMONS_MAX = 4 * FORMAT_SERVERS_MAX };
struct daemons {
    char dir[PATH_MAX]; /* absolute */
    struct description description;
    struct daemon *of; /* storage servers first */
    unsigned count;
    int lock; /* of DIR/run: one up or down at a time; -1 where not held */
};

#define AUTO_DAEMONS __attribute__((cleanup(daemons_close)))
void daemons_close(struct daemons *daemons);

/* Reads the system in `dir`. NOT_FOUND where there is none, and description_load's errors. */
MUST_CHECK result daemons_open(const char *dir, struct daemons *out_daemons);

/* Adds those that have a pid file and that the description does not have any more. IO, NO_MEMORY.
 */
MUST_CHECK result daemons_add_left(struct daemons *daemons);

/* Waits for another up or down of the same system. IO. */
MUST_CHECK result daemons_lock(struct daemons *daemons);
void daemons_unlock(struct daemons *daemons);

/* The pid of a running server by its pid file; 0 where it does not run or the file does not say. */
pid_t daemon_pid(const struct daemons *daemons, const struct daemon *daemon);

/* The same of all servers, and where pid files do not say, by a look at all processes. */
void daemons_find(const struct daemons *daemons, pid_t out_pids[]);

/* Whether its address is one of this machine's, and up and down are about it. */
bool daemon_is_here(const struct daemon *daemon);

/* Starts those that are here and do not run, and waits until they answer. INTERNAL, naming the
 * server and with the last line of its log, where one ends or does not answer in time; NOT_FOUND
 * where its program is missing; IO. The others run all the same. */
MUST_CHECK result daemons_start(struct daemons *daemons);

/* Ends those that this process has started. */
void daemons_stop_started(struct daemons *daemons);

/* Ends all that run, whoever started them; those that do not end in time are killed. IO. */
MUST_CHECK result daemons_stop(struct daemons *daemons);

/* The last line of a server's log, control characters replaced; "" where it has none. */
enum { DAEMON_LINE = 512 };
void daemon_last_line(const struct daemons *daemons, const struct daemon *daemon,
                      char out[DAEMON_LINE]);

#endif
