/*
 * An image's manifests, from all storage servers that answer, and which server has which.
 */
#ifndef MYELIN_FLOW_MANIFESTS_H
#define MYELIN_FLOW_MANIFESTS_H

#include "flow/image.h"
#include "flow/object.h"
#include "flow/pages.h"
#include "flow/slot_holders.h"

/* One object: the newest manifest of it that its owner signed. */
struct manifest_entry {
    Myelin__Manifest *manifest;
    bool *is_at; /* by storage server of the system: it lists this very manifest */
};

/* An object that its owner deleted. */
struct manifest_deleted {
    uint8_t object[FORMAT_ID_BYTES];
    bool *is_at; /* by storage server of the system: it says so */
};

struct manifests {
    unsigned servers;
    struct session_answer *answers; /* by server */
    struct manifest_entry *entries; /* by object id; none that was deleted */
    size_t count;
    struct manifest_deleted *deleted; /* by object id */
    size_t deleted_count;
    bool is_incomplete; /* a server that answered knows of an object whose manifest nobody gave */
    char missing[OBJECT_HEX];
    unsigned missing_at;
    struct slot_holders holders; /* of the image; others were not asked */
    bool is_moving; /* slots are on their way between servers: one may lack it lawfully */
};

#define AUTO_MANIFESTS __attribute__((cleanup(manifests_free)))
void manifests_free(struct manifests *manifests);

/*
 * Asks every storage server that may hold a slot of the image, once `enough` of them have answered
 * not much longer (session_ask).
 * Where an object's put was published at fewer servers than a put needs, because its client died
 * over it, the owner's commit is brought to those that answered and lack it. One server that shows
 * the owner's deletion of an object is enough for it to be gone. Forged records cost a warning that
 * names their server.
 *
 * An image without objects gives OK and none; so see how many answered. INTERNAL where cancelled,
 * NO_MEMORY; the servers' failures are in `answers`.
 */
MUST_CHECK result manifests_load(struct session *session, const struct image *image,
                                 unsigned enough, struct manifests *out_manifests);

bool manifests_has_deleted(const struct manifests *manifests,
                           const uint8_t object[FORMAT_ID_BYTES]);

/* The image's owner's identity key: what its records are verified with. Errors of
 * session_find_user. */
MUST_CHECK result manifests_owner_key(struct session *session, const struct image *image,
                                      uint8_t out_identity[FORMAT_IDENTITY_BYTES]);

/* One server's records, as pages of Myelin__ManifestPage, unverified. Errors of pages_fetch. */
MUST_CHECK result manifests_fetch(struct session *session, struct http_client *client,
                                  const struct image *image, struct pages *out_pages);

/* manifests_roll.c: brings commits of puts that too few servers published to those that answered
 * and lack them; how many puts, in `out_rolled`. A commit that nobody has is no error. Errors of
 * session_ask. */
MUST_CHECK result manifests_roll_forward(struct session *session, const struct image *image,
                                         const uint8_t owner_key[FORMAT_IDENTITY_BYTES],
                                         const struct manifests *manifests, size_t *out_rolled);

#endif
