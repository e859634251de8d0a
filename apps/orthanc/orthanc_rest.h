/*
 * Orthanc's own REST API from inside, with JSON answers.
 */
#ifndef ORTHANC_REST_INSIDE_H
#define ORTHANC_REST_INSIDE_H

#include <jansson.h>

#include "gateway.h"

static inline void orthanc_json_free(json_t **json) {
    json_decref(*json);
}
#define AUTO_JSON __attribute__((cleanup(orthanc_json_free)))

/* Orthanc's identifiers: 40 hexadecimal digits in five groups. So one is safe in a path. */
bool orthanc_is_id(const char *id);

/* GET; `format` makes the path. NOT_FOUND where Orthanc refuses, PROTOCOL where the answer is no
 * JSON. */
MUST_CHECK result orthanc_get(struct gateway *gateway, json_t **out_answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* POST /instances: stores a file. "Success" or "AlreadyStored" go into `out_is_new`. */
MUST_CHECK result orthanc_post_instance(struct gateway *gateway, struct view file,
                                        bool *out_is_new);

/* DELETE /instances/{id of this SOP instance}; no error where it is not there. */
MUST_CHECK result orthanc_delete_instance(struct gateway *gateway, const char *sop);

/* A text inside an object; "" where there is none. */
const char *orthanc_text(const json_t *object, const char *key);

/* A JSON text of any bytes: what is no UTF-8 is replaced. */
json_t *orthanc_json_text(const char *text);

#endif
