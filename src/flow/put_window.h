/*
 * The bounded window of segments on their way to the storage servers. One reader claims entries in
 * order and fills them, any number of workers code them in any order, and n slots take the coded
 * ones in order, each at its own pace:
 *
 *     reader   claim -> [plaintext] -> submit
 *     worker   take -> [seal, encode, hash] -> coded
 *     slot     next -> [send] -> release
 *
 * An entry is free again when every slot that still takes part has released it, so the slowest one
 * sets the pace and memory stays what it was at the start. All calls are safe from any thread.
 */
#ifndef MYELIN_FLOW_PUT_WINDOW_H
#define MYELIN_FLOW_PUT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/result.h"

struct put_window;

/* An entry. The buffers are the window's; what they hold is between reader, workers and slots. */
struct put_segment {
    size_t object;   /* index within the batch */
    uint64_t number; /* within the object */
    bool is_last;    /* of the object */
    bool is_whole;   /* the worker reads the object itself: nothing is in `plain` yet */

    uint8_t *plain; /* plain_capacity bytes, until the segment is coded */
    size_t plain_len;

    uint8_t *pieces; /* number i at pieces + i * piece_capacity */
    size_t piece_capacity;
    size_t piece_len;                /* of each */
    uint8_t (*hashes)[DIGEST_BYTES]; /* of the slices, by slot */
};

struct put_window_options {
    unsigned slots;
    unsigned pieces;       /* of a segment: a slice for each slot, or its blocks */
    size_t entries;        /* segments in flight */
    size_t plain_buffers;  /* at least 1; of those, how many hold plaintext at once */
    size_t plain_capacity; /* bytes */
    size_t piece_capacity; /* bytes */

    /* Each coded segment once, in order, before any slot is given it; under the window's lock. */
    void (*in_order)(void *context, const struct put_segment *segment);
    void *context;
};

/* Memory is taken at once and touched as it is used. NO_MEMORY. */
MUST_CHECK result put_window_new(const struct put_window_options *options,
                                 struct put_window **out_window);
void put_window_free(struct put_window *window);
void put_window_free_at(struct put_window **window);
#define AUTO_PUT_WINDOW __attribute__((cleanup(put_window_free_at)))

/* Every function below that gives a result gives the window's failure once it has one. */

/* Waits for a free entry and a plaintext buffer. */
MUST_CHECK result put_window_claim(struct put_window *window, struct put_segment **out_segment);
/* Hands the entry claimed last to the workers. */
void put_window_submit(struct put_window *window);
/* Nothing more will be claimed. */
void put_window_end(struct put_window *window);

/* Waits for a segment to work on; NULL at the end. */
MUST_CHECK result put_window_take(struct put_window *window, struct put_segment **out_segment);
/* The segment's pieces, piece_len and hashes are there. */
void put_window_coded(struct put_window *window, struct put_segment *segment);

/* Waits for this slot's next segment; NULL at the end. TIMEOUT where the slot was dropped. */
MUST_CHECK result put_window_next(struct put_window *window, unsigned slot,
                                  const struct put_segment **out_segment);
/* This slot is done with the segment that it was given last. */
void put_window_release(struct put_window *window, unsigned slot);
/* This slot takes no further part. */
void put_window_drop(struct put_window *window, unsigned slot);

/* Ends everything: keeps `code` with this thread's error text. The first failure counts. */
void put_window_fail(struct put_window *window, result code);

/* The failure, once there is one. */
MUST_CHECK result put_window_check(struct put_window *window);

/* Fills `out_slots` with the slots that alone have held the window up for longer than `limit_ms`:
 * the oldest segment waits for them although at least `others` slots have had it that long. Gives
 * their number. */
unsigned put_window_laggards(struct put_window *window, unsigned others, unsigned limit_ms,
                             unsigned out_slots[]);

#endif
