/*
 * The mender: a storage server makes its own store whole again from the other storage servers'. One
 * engine for a repair that was asked for, for the scrub, and for slots that moved to this server.
 *
 *     gather      ask the other holders of the image what they know (state.h)
 *     removals    the owner's removals are taken: what is older than one is gone, and stays away
 *     standing    whose image it is, and which envelope: what k others hold by his signature
 *     records     manifests, commits, forwards, revocations that are missing here: the union of
 *                 all, each verified, a manifest only with its put's commit, of forwards the newest
 *     objects     each slot's slices compared with the signed roots; what is missing or wrong is
 *                 copied from who has the slot, or recoded from k others, slice by slice
 *     envelope    the slot's symbol likewise, in the exponent
 *     drop        a slot that is another's now goes once that one has checked that it has it
 *
 * No key is needed, and nobody is believed: what is published here satisfies what the owner signed.
 * Each file is written beside the store's, synced and renamed, so that whenever the server dies the
 * old state or the new one is there. Requests on the image go on meanwhile.
 */
#ifndef MYELIN_STORAGE_MEND_H
#define MYELIN_STORAGE_MEND_H

#include "storage/peers.h"
#include "storage/storage.h"

/* Safe from any thread; an image is mended by one at a time. */
struct mender;

/* Both are borrowed and must outlive it. NO_MEMORY; IO where what a crash left cannot be removed.
 */
MUST_CHECK result mender_new(struct storage *storage, struct peers *peers,
                             struct mender **out_mender);
void mender_free(struct mender *mender); /* no call may be running; NULL is fine */

/* Running and later work ends soon, with TIMEOUT. */
void mender_stop(struct mender *mender);

/* Whether a thread waits for an image that another one mends: no time to go slowly, or to pause. */
bool mender_is_awaited(const struct mender *mender);

enum mend_outcome { MEND_GOOD, MEND_REBUILT, MEND_COPIED, MEND_FAILED, MEND_DROPPED };

struct mend_part {
    bool has_object;
    struct short_id object; /* without: the envelope and all else of the image */
    uint32_t slot;
    enum mend_outcome outcome;
    result code;                      /* with MEND_FAILED */
    char fault[FORMAT_FAULT_MAX + 1]; /* likewise */
};

struct mend_report {
    struct mend_part *parts; /* owned */
    size_t count, capacity;
    uint64_t bytes_checked; /* of the own disk */
    uint64_t bytes_read;    /* from other servers, slices and symbols */
    uint64_t bytes_written; /* of slices and symbols */
    unsigned found;         /* bad or missing parts */
    unsigned mended;        /* parts and records */
    unsigned failed, dropped;
    unsigned moving;       /* slots of others that are still here */
    bool is_unfinished;    /* time was up: go on after `after` */
    struct short_id after; /* the last object that was looked at */
};
void mend_report_free(struct mend_report *report);
#define AUTO_MEND_REPORT __attribute__((cleanup(mend_report_free)))

/* What is allowed. */
struct mend_options {
    const struct storage_caller *caller; /* owner, recipient, manager or storage server; NULL: the
                                            server itself */
    const struct short_id *after;        /* objects up to this one were done; NULL: all are to do */
    bool is_quick; /* slices that are there in full length are not read: a look, for what is missing
                    */
    uint32_t enough_ms; /* begin no further object after it; 0: no bound */
    uint32_t wait_ms;   /* for another thread that mends the image, which hurries; 0: 30 s */
    /* Called with bytes about to be read, from disk or peers, to slow down; NULL: never. */
    void (*pace)(void *context, uint64_t bytes);
    void *context;
};

/* Mends one image. Parts that could not be mended are in the report, not in the result: NOT_FOUND
 * where nobody has the image or it was removed, DENIED where the caller may not ask, QUORUM where
 * too few others answer to know whose the image is, IO, NO_MEMORY, TIMEOUT after mender_stop and
 * where another thread mends the image for too long. */
MUST_CHECK result mend_image(struct mender *mender, const struct image_id *image,
                             const struct mend_options *options, struct mend_report *out_report);

/* POST /v1/images/{image}/repair[?after={object}]: a RepairAnswer, after some seconds of work at
 * the latest with how far it came. */
MUST_CHECK result mend_answer(struct mender *mender, const struct storage_caller *caller,
                              const struct image_id *image, const char *after,
                              struct bytes *out_answer);

#endif
