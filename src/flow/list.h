/*
 * What there is: the user's images, one image's objects.
 */
#ifndef MYELIN_FLOW_LIST_H
#define MYELIN_FLOW_LIST_H

#include "flow/session.h"

/* One of the user's own images. */
struct list_item {
    char *id;
    uint8_t tau[FORMAT_TAU_BYTES];
    uint64_t created_ms;
    uint64_t objects, sealed_bytes;
    char **recipients; /* whose forwards k storage servers or more have */
    size_t recipient_count;
};

struct list {
    struct list_item *items; /* by ID */
    size_t count;
};

#define AUTO_LIST __attribute__((cleanup(list_free)))
void list_free(struct list *list);

/* All of the user's images that a reachable storage server has; removed ones are not among them,
 * though a server missed the removal. QUORUM where fewer than k storage servers answer. */
MUST_CHECK result flow_list(struct session *session, struct list *out_list);

#endif
