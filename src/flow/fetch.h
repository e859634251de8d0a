/*
 * Fetching objects from any k of their storage servers, whoever is dead, hung, slow or lying.
 *
 * Objects stream through a bounded window in the order given. Each object in the window has k
 * lanes, and a lane is a row of slices that one server delivers segment after segment. Where a
 * server fails or is too slow its lane is left at that segment, and any other server that has no
 * lane of this object takes it over from there. A slice counts only when its hash is the one that
 * the owner signed.
 *
 *     n server threads        any number of workers
 *     fetch, verify  ->  [window of segments]  ->  open (any order)  ->  write (in order)
 */
#ifndef MYELIN_FLOW_FETCH_H
#define MYELIN_FLOW_FETCH_H

#include "flow/manifests.h"
#include "format/layout.h"

/* A segment whose k slices are there and verified. */
struct fetch_segment {
    size_t object;   /* index */
    uint64_t number; /* within the object */
    bool is_last;    /* of the object */
    size_t sealed_len;
    size_t slice_len;
    unsigned k;
    const uint8_t **slices; /* k of them */
    const unsigned *slots;  /* whose they are */
    uint8_t *sealed;        /* room for k slices: the worker's, until the segment is written */
    size_t sealed_capacity;
};

/*
 * What is done with segments, on the workers' threads; `worker` counts from 0. Any failure ends the
 * fetch with it.
 *   open    decodes into segment->sealed; any order, several at once
 *   write   each once, after its open: in order for objects of several segments; objects of a
 *           single one in any order, several at once
 */
struct fetch_sink {
    void *context;
    result (*open)(void *context, unsigned worker, const struct fetch_segment *segment);
    result (*write)(void *context, unsigned worker, const struct fetch_segment *segment);
};

struct fetch_options {
    const struct manifests *manifests; /* its objects are fetched, in its order */
    unsigned workers;
    const char *step; /* for the session's progress */
};

/*
 * Fetches all objects. Every server that failed is named by one of the session's warnings.
 *
 * QUORUM     fewer than k servers have good slices of a segment; each named with its reason
 * INTEGRITY  likewise, and some of the slices were not what the owner signed
 * and what the sink fails with; INTERNAL where cancelled, NO_MEMORY.
 */
MUST_CHECK result fetch_objects(struct session *session, const struct image *image,
                                const struct fetch_options *options, const struct fetch_sink *sink);

#endif
