/*
 * The pages that people see: forwarding a study, what was shared, the storage, and a viewer. They
 * are files inside the plugin (apps/orthanc/pages, deps/viewer; cmake/pages.cmake), served as
 * GET /myelin/pages/<name>; what they show comes from the routes of rest.h and from Orthanc's own.
 * explorer.js is added to Orthanc Explorer and leads to them.
 *
 * Every page has a Content-Security-Policy that allows scripts, styles and requests of this origin
 * alone; texts get into a page as text only.
 */
#ifndef ORTHANC_PAGES_H
#define ORTHANC_PAGES_H

#include "gateway.h"

/* A file: its bytes are [data, end), and a zero stands behind them. */
struct pages_file {
    const char *name;
    const char *data, *end;
};

/* All of them; the last one's name is NULL. */
extern const struct pages_file pages_files[];

/* The file of this name; NULL where there is none. */
const struct pages_file *pages_find(const char *name);

/* "text/html; charset=utf-8" and such, by the name's end; NULL for what is not served. */
const char *pages_type(const char *name);

/* The Content-Security-Policy that the file is served with. */
const char *pages_policy(const char *name);

/* Registers the route, and what Explorer shows. Once. */
void pages_register(struct gateway *gateway);

#endif
