/*
 * Get's second half, segment by segment: decode -> open -> decompress -> write.
 */
#ifndef MYELIN_FLOW_GET_OBJECTS_H
#define MYELIN_FLOW_GET_OBJECTS_H

#include "flow/fetch.h"
#include "flow/get_output.h"

struct get_objects;

/* The objects of `manifests`, described by `metas`, into `output`; all borrowed. */
MUST_CHECK result get_objects_new(const struct manifests *manifests,
                                  Myelin__ObjectMeta *const metas[], const uint8_t *content_key,
                                  const struct get_output *output, unsigned workers,
                                  struct get_objects **out_objects);
void get_objects_free(struct get_objects *objects);
void get_objects_free_at(struct get_objects **objects);
#define AUTO_GET_OBJECTS __attribute__((cleanup(get_objects_free_at)))

/* What fetch_objects feeds. Its failures: INTEGRITY where a segment does not open or an object is
 * not what its description says; IO. */
struct fetch_sink get_objects_sink(struct get_objects *objects);

#endif
