/*
 * What each route does: a request in, JSON out.
 */
#ifndef ORTHANC_REST_ROUTES_H
#define ORTHANC_REST_ROUTES_H

#include "orthanc_rest.h"

struct rest_request {
    const OrthancPluginHttpRequest *http;
    json_t *body; /* an object; NULL for GET */
};

struct rest_route {
    const char *name; /* "/myelin/<name>" */
    OrthancPluginHttpMethod method;
    enum config_right right;
    result (*serve)(struct gateway *gateway, const struct rest_request *request,
                    json_t **out_answer);
};

/* All of them; the last one's name is NULL. */
extern const struct rest_route rest_routes[];

#endif
