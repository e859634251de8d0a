/*
 * One image and its objects, by their names: what it takes to read it, but not its bytes.
 */
#ifndef MYELIN_FLOW_SHOW_H
#define MYELIN_FLOW_SHOW_H

#include "codec/codec.h"
#include "flow/session.h"

struct shown_object {
    char *name;
    uint64_t size;         /* of the original */
    uint64_t sealed_bytes; /* after compression and sealing */
    enum codec_kind codec;
    uint64_t created_ms;
    unsigned servers; /* that list it */
};

struct shown {
    char owner[FORMAT_NAME_MAX + 1];
    uint64_t created_ms;
    unsigned k, n;
    struct shown_object *objects; /* by name */
    size_t object_count;
    char **recipients; /* of an own image, see list.h */
    size_t recipient_count;
};

#define AUTO_SHOWN __attribute__((cleanup(shown_free)))
void shown_free(struct shown *shown);

/* The image `id`, own or forwarded by `from`. Errors of image_find, image_load and
 * flow_open_envelope: the names are as secret as the bytes. */
MUST_CHECK result flow_show(struct session *session, const char *id, const char *from,
                            struct shown *out_shown);

#endif
