/*
 * Automatic forwards: a study that has been stable for Orthanc's StableAge and matches a rule of
 * the configuration is forwarded to that rule's user, as soon as the storage servers have all of
 * it. What is due survives a restart.
 */
#ifndef ORTHANC_RULES_H
#define ORTHANC_RULES_H

#include "gateway.h"

/* `pattern` matches `text`: the same without regard to case, or "*" at its end for any rest. */
bool rules_match(const char *pattern, const char *text);

/* Looks which rules a study matches, and remembers the forwards. Errors of orthanc_get and
 * map_want_forward. */
MUST_CHECK result rules_study_stable(struct gateway *gateway, const char *study);

/* Makes what is due and can be made; what cannot be made ever ends with a notice. False where
 * servers that were needed did not answer. */
bool rules_make_forwards(struct gateway *gateway);

#endif
