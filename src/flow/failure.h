/*
 * An error on its way from one thread to another: the first one counts.
 */
#ifndef MYELIN_FLOW_FAILURE_H
#define MYELIN_FLOW_FAILURE_H

#include "base/result.h"

/* The zero value: nothing has failed. Guarded by its owner's lock. */
struct failure {
    result code;
    char text[ERROR_TEXT_BYTES];
};

/* Keeps `code` with this thread's error text, unless an earlier failure is kept already. */
void failure_keep(struct failure *failure, result code);

/* Makes the kept failure this thread's error; OK where nothing failed. */
result failure_raise(const struct failure *failure);

#endif
