/*
 * Get's second half, segment by segment: decode -> open -> decompress -> hand on.
 */
#ifndef MYELIN_FLOW_GET_OBJECTS_H
#define MYELIN_FLOW_GET_OBJECTS_H

#include "flow/contents.h"

/* Where objects go. Each starts once, takes its bytes in order, and finishes once it has proved to
 * be what its owner put; an object that fails does not finish. On the workers' threads, several
 * objects at once, one object's calls one after the other. What it fails with ends the fetch. */
struct get_target {
    void *context;
    result (*start)(void *context, size_t index);
    result (*write)(void *context, size_t index, struct view bytes);
    result (*finish)(void *context, size_t index);
};

/* Fetches the objects of `manifests`, which are all of `contents` or some of them, described by
 * `metas`; the target's indices are theirs. Errors of fetch_objects; INTEGRITY where a segment does
 * not open or an object is not what its description says. */
MUST_CHECK result get_objects_fetch(struct session *session, const struct contents *contents,
                                    const struct manifests *manifests,
                                    Myelin__ObjectMeta *const metas[],
                                    const struct get_target *target);

#endif
