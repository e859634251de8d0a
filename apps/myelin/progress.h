/*
 * A bar on stderr, where that is a terminal and the flow takes longer than a second.
 */
#ifndef MYELIN_CLI_PROGRESS_H
#define MYELIN_CLI_PROGRESS_H

#include <stdint.h>

/* A session_progress. */
void progress_show(void *context, const char *step, uint64_t done, uint64_t total);

/* Takes the bar away before anything else is printed. */
void progress_end(void);

#endif
