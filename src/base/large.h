/*
 * Large buffers, for many objects at once or all that is in flight, which live for one job and then
 * go back to the system. A first touch of fresh memory costs more than what is done with it when
 * the system gives it page by page; these ask for huge pages.
 */
#ifndef MYELIN_BASE_LARGE_H
#define MYELIN_BASE_LARGE_H

#include <stdint.h>

#include "base/result.h"

/* At least `size` bytes with any contents, aligned to LARGE_ALIGNMENT. NO_MEMORY. */
enum { LARGE_ALIGNMENT = 64 };
MUST_CHECK result large_new(size_t size, uint8_t **out_memory);

/* What large_new gave for this very size; NULL is fine. */
void large_free(uint8_t *memory, size_t size);

/* Gives the system back whole pages within `size` bytes from `part` on, which lie in what large_new
 * gave, and whose contents are lost. Where the whole is too small for that it does nothing. */
void large_give(const uint8_t *memory, size_t whole, uint8_t *part, size_t size);

#endif
