/*
 * The scrub's own state; for src/storage/scrub*.c.
 */
#ifndef MYELIN_STORAGE_SCRUB_PRIVATE_H
#define MYELIN_STORAGE_SCRUB_PRIVATE_H

#include <pthread.h>

#include "base/clock.h"
#include "storage/scrub.h"

enum {
    SCRUB_DOUBTS_MAX = 64,
    SCRUB_PATH_BYTES = 4096,
    SCRUB_LOOK_AGAIN_MS =
        2000, /* after a look that left something to do; twice as long each time */
};

struct scrub {
    struct storage *storage;
    struct peers *peers;
    struct mender *mender;
    struct scrub_options options;
    char pause_file[SCRUB_PATH_BYTES];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stopping, is_woken;
    struct image_id doubts[SCRUB_DOUBTS_MAX];
    unsigned doubt_count;
    uint64_t paced_until_ns; /* the thread's own, and the next */
    uint64_t next_look_ns, sooner_ms;
    struct image_id retries[SCRUB_DOUBTS_MAX]; /* parts of them could not be mended */
    unsigned retry_count;
    unsigned lacking; /* images that others have and that could not be mended, by this look */

    /* What metrics show. */
    _Atomic uint64_t images, bytes, found, repaired, failed, dropped, read, written;
    _Atomic uint64_t passes, looks, last_pass_ms, last_pass_took_ms, settled_version;
    _Atomic unsigned moving; /* slots still to come or to go, at the last look */
    _Atomic bool is_paused, is_passing;
};

/* scrub.c; all of the scrub's own thread. */
bool scrub_is_stopping(struct scrub *scrub);
/* Waits while the scrub is paused. False where it is to end. */
bool scrub_go_on(struct scrub *scrub);
/* Mends an image, at the scrub's rate, and counts what came of it. How many parts and records are
 * good now that were not, in `out_mended`, also where it fails. Errors of mend_image, logged. */
result scrub_mend_counting(struct scrub *scrub, const struct image_id *image, bool is_quick,
                           unsigned *out_mended);
void scrub_mend(struct scrub *scrub, const struct image_id *image, bool is_quick); /* the same */
/* Calls `work` for each image that is here, in the order of ids, until the scrub is to end. IO. */
MUST_CHECK result scrub_each_image(struct scrub *scrub,
                                   void (*work)(struct scrub *scrub, const struct image_id *image));

/* scrub_look.c: looks at everything, and says when the next look is due. */
void scrub_look(struct scrub *scrub, bool is_woken);
/* Looks at images over whose owner there is doubt, alone. */
void scrub_look_at_doubts(struct scrub *scrub);

#endif
