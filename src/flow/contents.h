/*
 * An image opened for reading: its envelope's record, its content key, its objects' manifests and
 * what these objects are called.
 */
#ifndef MYELIN_FLOW_CONTENTS_H
#define MYELIN_FLOW_CONTENTS_H

#include "flow/manifests.h"
#include "flow/open.h"
#include "flow/put.h"

struct contents {
    struct image image;
    struct content_key_secret *key;
    struct manifests manifests;
    Myelin__ObjectMeta **metas; /* by object, as the manifests stand */
    size_t count;               /* of objects */
};

#define AUTO_CONTENTS __attribute__((cleanup(contents_free)))
void contents_free(struct contents *contents);

struct contents_options {
    const char *from; /* the owner who forwarded it; NULL: the user's own */
    unsigned u;       /* storage servers that each key server asks first; 0: fan_out_default's */
    const struct put_known *known; /* may be NULL; where the envelope is still the one it knows, the
                                      key servers are not asked */
};

/* Errors of image_find, image_load and flow_open_envelope_asking; NOT_FOUND where the image has no
 * objects, QUORUM where fewer than k storage servers list them, INTEGRITY where a name is unsafe.
 * Servers that list too little cost a warning. */
MUST_CHECK result contents_load(struct session *session, const char *id,
                                const struct contents_options *options,
                                struct contents *out_contents);

#endif
