/*
 * One counter for the memory that a process gives to requests: bodies, messages parsed from them,
 * tables and buffers of uploads, answers that wait to be sent. Whoever takes such memory asks here
 * first, so that a server's size is bounded whatever its clients do together.
 *
 * Without a limit (a client program) nothing is refused. Safe from any thread.
 */
#ifndef MYELIN_BASE_BUDGET_H
#define MYELIN_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

/* The bytes that may be taken in all; 0: no limit, as at the start. */
void budget_set_limit(uint64_t bytes);
uint64_t budget_limit(void);

/* Counts `bytes` as taken. NO_MEMORY, with a text for the caller, where they would be too many:
 * then nothing was taken. */
MUST_CHECK result budget_take(size_t bytes);

/* Gives back what was taken. */
void budget_give(size_t bytes);

/* For metrics: taken now, and how often something was refused. */
uint64_t budget_used(void);
uint64_t budget_refusals(void);

#endif
