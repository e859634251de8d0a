/*
 * Text put together piece by piece, such as metrics and audit messages.
 */
#ifndef MYELIN_BASE_LINES_H
#define MYELIN_BASE_LINES_H

#include "base/bytes.h"

enum { LINES_PIECE_MAX = 511 }; /* bytes that one call adds at most */

/* Appends what printf would print; no zero ends it. INTERNAL, with nothing added, where that is
 * longer than LINES_PIECE_MAX; NO_MEMORY. */
MUST_CHECK result lines_add(struct bytes *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
