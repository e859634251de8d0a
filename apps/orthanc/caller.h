/*
 * Who calls a route: the HTTP user, whose password Orthanc has checked.
 */
#ifndef ORTHANC_CALLER_H
#define ORTHANC_CALLER_H

#include "gateway.h"

/* A header's value; names are in lower case. NULL where it is missing. */
const char *caller_header(const OrthancPluginHttpRequest *request, const char *name);

/* DENIED where the configuration limits the right to users of whom the caller is none. */
MUST_CHECK result caller_check(const struct config *config, const OrthancPluginHttpRequest *request,
                               enum config_right right);

#endif
