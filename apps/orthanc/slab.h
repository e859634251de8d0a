/*
 * The memory of the objects that are fetched together: one block, of which each object has a part
 * and gives it back by itself.
 *
 * Threads: parts are taken and given back under a lock of the caller's.
 */
#ifndef ORTHANC_SLAB_H
#define ORTHANC_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct slab;

/* How much of a slab a part of `size` bytes takes. */
size_t slab_room(size_t size);

/* A slab for parts that take `size` bytes together. NO_MEMORY. */
MUST_CHECK result slab_new(size_t size, struct slab **out_slab);

/* The part that begins `offset` bytes from the start, the sum of what those before it take. */
uint8_t *slab_part(const struct slab *slab, size_t offset);

/* One more part is in use. */
void slab_take(struct slab *slab);

/* A part is in use no more: it is wiped, and what is whole pages of it goes back to the system. */
void slab_give(struct slab *slab, uint8_t *part, size_t size);

/* Whoever made it adds no parts any more; it goes with the last one. NULL is fine. */
void slab_close(struct slab *slab);

#endif
