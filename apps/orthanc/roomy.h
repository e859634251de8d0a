/*
 * Calls with room on the stack: Orthanc's HTTP threads have 100 KB, which is less than parsing a
 * hostile DICOM header or asking many servers takes.
 */
#ifndef ORTHANC_ROOMY_H
#define ORTHANC_ROOMY_H

#include "base/result.h"

/* Runs `function`: here, where this thread's stack has 4 MiB left, as those that receive by DICOM
 * have, else on a thread of its own, waiting for it; its error text becomes this thread's. Also
 * NO_MEMORY where there is no thread. */
MUST_CHECK result roomy_call(result (*function)(void *context), void *context);

#endif
