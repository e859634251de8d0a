/*
 * Control-C, SIGTERM and SIGHUP: the first one cancels the session's flow, which cleans up; a
 * second one ends the program at once.
 */
#ifndef MYELIN_CLI_INTERRUPT_H
#define MYELIN_CLI_INTERRUPT_H

#include <stdbool.h>

struct session;

/* The session to cancel; NULL for none any more. At the first call the signals are taken over, for
 * which no other thread may have been started. */
void interrupt_watch(struct session *session);

bool interrupt_has_come(void);

#endif
