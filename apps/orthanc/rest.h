/*
 * The plugin's routes in Orthanc's REST API; docs/ORTHANC.md describes them.
 *
 *     GET   /myelin/status, users, images, inbox, audit
 *     POST  /myelin/forward, revoke, accept, ...
 *
 * Answers are JSON; an error is {"Error": "not found", "Message": "..."} with its HTTP status.
 * Texts in them come from other people: a page must escape them.
 */
#ifndef ORTHANC_REST_H
#define ORTHANC_REST_H

#include "gateway.h"

/* Registers the routes. Once. */
void rest_register(struct gateway *gateway);

#endif
