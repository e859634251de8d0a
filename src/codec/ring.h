/*
 * Work in order on several threads: one caller fills vacant slots and takes finished ones in the
 * order in which it filled them; worker threads do what lies between.
 */
#ifndef MYELIN_CODEC_RING_H
#define MYELIN_CODEC_RING_H

#include "base/result.h"

struct ring;

/* `slots` are the caller's, `count` pointers that stay its property; `work` is done on each
 * submitted slot by one of `threads` threads. NO_MEMORY; INTERNAL where a thread does not start. */
MUST_CHECK result ring_new(unsigned threads, void *const slots[], unsigned count,
                           void (*work)(void *slot), struct ring **out_ring);

/* Ends the threads, after what they are doing now. NULL is fine. */
void ring_destroy(struct ring *ring);

/* The next slot to fill, or NULL where all are in use. */
void *ring_vacant(struct ring *ring);

/* Hands the slot that ring_vacant gave to the workers. */
void ring_submit(struct ring *ring);

/* Waits for the oldest submitted slot to be finished; NULL where none is submitted. */
void *ring_oldest(struct ring *ring);

/* Makes the slot that ring_oldest gave vacant. */
void ring_release(struct ring *ring);

#endif
