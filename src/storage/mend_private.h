/*
 * One image while it is being mended; for src/storage/mend*.c.
 */
#ifndef MYELIN_STORAGE_MEND_PRIVATE_H
#define MYELIN_STORAGE_MEND_PRIVATE_H

#include <pthread.h>

#include "storage/image.h"
#include "storage/mend.h"
#include "storage/storage_state.h"

enum { MEND_PATH_BYTES = 320 };

struct active; /* an image that is being mended */

struct mender {
    struct storage *storage;
    struct peers *peers;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct active *active;
    _Atomic unsigned waiting; /* threads whose image is another's just now */
    _Atomic bool stopping;
};

/* One verified manifest of the image, by object id. */
struct mend_object {
    struct short_id id;
    struct short_id put;
    Myelin__Signed *record;
    Myelin__Manifest *manifest;
    bool is_here;      /* this very record lies in the image */
    bool is_committed; /* its put's commit is known, and names it */
};

/* A verified deletion. */
struct mend_deletion {
    struct short_id object;
    Myelin__Signed *record;
    bool is_here;
};

/* A put's record as it will stand here. */
struct mend_put {
    struct short_id id;
    bool is_here;
    bool is_committed;
    struct bytes commit; /* Signed, packed */
    uint8_t contents[DIGEST_BYTES];
};

struct mending {
    struct mender *mender;
    struct storage *storage;
    struct peer_group *group;
    const struct image_id *image;
    const struct mend_options *options;
    struct mend_report *report;
    uint64_t started_ms;

    /* gather */
    unsigned servers;                               /* of the group */
    bool is_asked[FORMAT_SERVERS_MAX];              /* other servers that have, or had, a slot */
    Myelin__ImageState *states[FORMAT_SERVERS_MAX]; /* NULL: no answer */
    bool is_liar[FORMAT_SERVERS_MAX];               /* gave what does not verify; asked last */
    uint8_t digest[DIGEST_BYTES];                   /* this server's own */

    /* standing */
    struct image_owner owner;
    struct bytes certificate;
    Myelin__Signed *record;
    Myelin__Envelope *envelope;
    bool is_here; /* the image is here, and it is this one */

    /* records */
    struct mend_object *objects; /* ascending ids */
    size_t object_count, object_capacity;
    struct mend_put *puts;
    size_t put_count;
    struct mend_deletion *deletions; /* ascending ids */
    size_t deletion_count, deletion_capacity;

    uint32_t slots[FORMAT_SERVERS_MAX]; /* of the image, to be here */
    size_t slot_count;
};

/* TIMEOUT where the mender is being stopped. */
MUST_CHECK result mend_go_on(const struct mending *m);
void mend_pace(const struct mending *m, uint64_t bytes);

/* The page of a server's list `what` of the image that follows `after` ("": the first), appended.
 * TIMEOUT where the mender is being stopped, and as peers_call. */
MUST_CHECK result mend_ask_page(const struct mending *m, unsigned server, const char *what,
                                const char *after, struct bytes *out_wire);

/* A part of the report. FAILED takes code and text of this thread's last error. */
MUST_CHECK result mend_note(struct mending *m, const struct short_id *object, uint32_t slot,
                            enum mend_outcome outcome, result code);

/* Whether the image still is what was standing, so that parts may be published; under the image's
 * write lock. CONFLICT where it was removed or became another meanwhile. */
MUST_CHECK result mend_check_standing(struct mending *m);

/* Who answered and holds `slot`: the numbers of these servers, those that lied behind the others.
 */
unsigned mend_holders(const struct mending *m, uint32_t slot, unsigned out_servers[]);

/* Moves a staged value into the image, under its write lock, where the image is still standing. */
MUST_CHECK result mend_publish(struct mending *m, const char *staged, const char *key);
/* The same for an object's slices, unless it was deleted meanwhile: then it is OK to have none. */
MUST_CHECK result mend_publish_slices(struct mending *m, const char *staged,
                                      const struct short_id *object, uint32_t slot);

/* mend_gather.c: gather, removals, standing. */
MUST_CHECK result mend_gather(struct mending *m);
MUST_CHECK result mend_take_removals(struct mending *m);
MUST_CHECK result mend_find_standing(struct mending *m);

/* mend_records.c: the union of what all servers have; each record verified, a manifest kept only
 * with its put's commit. */
MUST_CHECK result mend_find_records(struct mending *m);

/* Who was asked for records of one kind. */
struct mend_asking {
    bool is_done[FORMAT_SERVERS_MAX]; /* and gave all that he said he has */
    bool is_tried[FORMAT_SERVERS_MAX];
};
/* Calls `ask` with servers whose digest of the image is not this one's, those that lied already
 * last: two of those with one digest, or `everyone`. NO_MEMORY, IO, TIMEOUT; what a server gave
 * that does not verify makes it a liar, and is no error here. */
MUST_CHECK result mend_ask_differing(struct mending *m, struct mend_asking *asking, bool everyone,
                                     result (*ask)(struct mending *m, unsigned server));
/* Puts a server behind the others and logs this thread's last error as the reason. */
void mend_lied(struct mending *m, unsigned server);

/* mend_manifests.c: adds to m->objects what this server has, or another. INTEGRITY, PROTOCOL or
 * INVALID for what does not verify. */
MUST_CHECK result mend_own_manifests(struct mending *m);
MUST_CHECK result mend_server_manifests(struct mending *m, unsigned server);

/* What a page ends with, where the next one goes on: PROTOCOL where it does not ascend from
 * `last`. */
MUST_CHECK result mend_end_of_page(const Myelin__ManifestPage *page, struct short_id *last);

/* mend_deletions.c: adds to m->deletions what this server has, or a record of another's, which it
 * then takes over; one that is known, or of an earlier image, is passed over. INTEGRITY, PROTOCOL
 * or INVALID for what does not verify. */
MUST_CHECK result mend_own_deletions(struct mending *m);
MUST_CHECK result mend_add_deletion(struct mending *m, Myelin__Signed **record, bool is_here);
bool mend_is_deleted(const struct mending *m, const struct short_id *object);
/* Deletions that are news here, and slices that go with them. */
MUST_CHECK result mend_publish_deletions(struct mending *m);
/* As mend_check_forwards_kept, of deletions; a holder that does not answer has none. */
MUST_CHECK result mend_check_deletions_kept(struct mending *m);

/* mend_commits.c: sorts the objects and fills m->puts; false where of some put not all is known. */
MUST_CHECK result mend_find_commits(struct mending *m, bool *out_is_whole);
MUST_CHECK result mend_bring_commits(struct mending *m);
struct mend_put *mend_find_put(struct mending *m, const struct short_id *id); /* NULL: not there */
/* Whether the put brought the image's envelope. */
bool mend_creates(const struct mending *m, const struct mend_put *put);

/* mend_publish.c: nothing to do is OK. */
MUST_CHECK result mend_publish_envelope(struct mending *m);
MUST_CHECK result mend_publish_signed(struct mending *m, const char *name, const char *kind,
                                      const Myelin__Signed *record);
MUST_CHECK result mend_publish_manifest(struct mending *m, struct mend_object *object);
MUST_CHECK result mend_publish_owner(struct mending *m);
MUST_CHECK result mend_publish_puts(struct mending *m);

/* mend_forwards.c */
MUST_CHECK result mend_forwards(struct mending *m);
/* Whether each forward and revocation here is at a server that holds a slot now, or a newer one.
 * NOT_FOUND where one is not; OK too where no holder will say. */
MUST_CHECK result mend_check_forwards_kept(struct mending *m);

/* mend_object.c: one slot's slices of an object; what became of it is noted. */
MUST_CHECK result mend_object_slot(struct mending *m, const struct mend_object *object,
                                   uint32_t slot);

/* mend_fetch.c: verified slices of other slots, or of the same one. */
struct mend_fetch;
MUST_CHECK result mend_fetch_new(struct mending *m, const struct mend_object *object, uint32_t slot,
                                 struct mend_fetch **out_fetch);
void mend_fetch_free(struct mend_fetch *fetch);
void mend_fetch_free_at(struct mend_fetch **fetch);
#define AUTO_MEND_FETCH __attribute__((cleanup(mend_fetch_free_at)))
/* How many segments are best made at once. */
uint64_t mend_fetch_window(const struct mend_fetch *fetch);
/* The slot's slices of segments first .. first + count - 1, back to back. QUORUM, naming who failed
 * how, where fewer than k others have them. */
MUST_CHECK result mend_fetch_slices(struct mend_fetch *fetch, uint64_t first, uint64_t count,
                                    const uint8_t **out_slices);
bool mend_fetch_was_copied(const struct mend_fetch *fetch); /* and nothing was recoded */

/* mend_envelope.c */
MUST_CHECK result mend_envelope_slot(struct mending *m, uint32_t slot);

/* mend_drop.c */
MUST_CHECK result mend_drop_moved(struct mending *m);

#endif
