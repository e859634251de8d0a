/*
 * The scrub: a thread that mends the store in the background.
 *
 *     a look    what other servers have and this one lacks, by the digests of all images that
 *               concern it, page by page; slots that moved to it or away; images over whose owner
 *               there is doubt. At the start, every few minutes, and when it is asked for.
 *     a pass    every byte of the store read and compared with what was signed
 *
 * What either finds is mended (mend.h). Reading and fetching keep to a rate; while the file
 * `scrub.pause` lies in the store's folder nothing is begun.
 */
#ifndef MYELIN_STORAGE_SCRUB_H
#define MYELIN_STORAGE_SCRUB_H

#include "storage/mend.h"

struct scrub;

struct scrub_options {
    uint64_t bytes_per_second; /* 0: as fast as it goes */
    uint64_t interval_ms;      /* from the end of a pass to the next one; 0: no passes */
    uint64_t look_ms;          /* between looks; 0: SCRUB_LOOK_MS */
    const char *pause_file;    /* copied; NULL: none */
};
enum {
    SCRUB_RATE_BYTES = 20 << 20,
    SCRUB_INTERVAL_MS = 24 * 3600 * 1000,
    SCRUB_LOOK_MS = 5 * 60 * 1000,
    SCRUB_MOVING_LOOK_MS = 2 * 1000, /* while slots are on their way: at most */
};

/* Starts the thread; all are borrowed. NO_MEMORY. */
MUST_CHECK result scrub_start(struct storage *storage, struct peers *peers, struct mender *mender,
                              const struct scrub_options *options, struct scrub **out_scrub);

/* Ends it, within about a second once mender_stop was called. NULL is fine. */
void scrub_stop(struct scrub *scrub);

/* A look soon: another version of the system description is here. From any thread. */
void scrub_wake(struct scrub *scrub);

/* A look at this image soon: somebody says that it is his. From any thread. */
void scrub_doubt(struct scrub *scrub, const struct image_id *image);

/* Appends counters and gauges as Prometheus text. NO_MEMORY. */
MUST_CHECK result scrub_metrics_text(struct scrub *scrub, struct bytes *out_text);

#endif
