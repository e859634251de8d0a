/*
 * Samples of two bytes, as a CT's: their first bytes and their second bytes set apart, which zstd
 * codes in half the time and a fifth fewer bytes.
 *
 * A file is cut into blocks of 128 KiB, the last one shorter. Of each block the bytes at even
 * offsets come first, then those at odd ones, in their order: any bytes can be had back, whatever
 * they are.
 */
#ifndef MYELIN_CODEC_SHUFFLE_H
#define MYELIN_CODEC_SHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "codec/source.h"

enum { SHUFFLE_BLOCK_BYTES = 128 << 10 };

/* A block of any length; `out` has as many bytes and lies elsewhere. */
void shuffle_block(const uint8_t *restrict block, size_t len, uint8_t *restrict out);
void shuffle_undo(const uint8_t *restrict shuffled, size_t len, uint8_t *restrict out);

/* Whether shuffling pays, going by a few samples: where even and odd bytes are distributed as
 * differently as those of numbers. The source's errors. */
MUST_CHECK result shuffle_pays(const struct codec_source *source, bool *out_pays);

#endif
