/*
 * Paths put together within a bound. Inside src/system only.
 */
#ifndef MYELIN_SYSTEM_PATHS_H
#define MYELIN_SYSTEM_PATHS_H

#include "base/result.h"

/* "<folder>/<name>", or the folder alone where `name` is "". INVALID where it does not fit, or
 * `folder` is empty. */
MUST_CHECK result path_join(const char *folder, const char *name, char *out_path, size_t size);

#endif
