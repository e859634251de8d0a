/*
 * Puts whose blocks this server encodes itself (the paper's Encode, `--disperse blocks`):
 *
 *     draw     this server draws its own random coefficients in GF(2^8) and in Zr for the blocks
 *              that it will get, encodes the envelope's symbol from their ciphertexts, and signs
 *              what it drew
 *     blocks   an object's blocks stream in; what is stored are their sums, as slices, as if they
 *              had been uploaded (put.h)
 *
 * Blocks are never stored. A draw lives in memory with its put until prepare.
 *
 * Common errors as in put.h.
 */
#ifndef MYELIN_STORAGE_DRAW_H
#define MYELIN_STORAGE_DRAW_H

#include "format/format.h"
#include "storage/storage.h"

/* POST .../puts/{put}/draw: a DrawRequest; a Draw in Signed is appended. The same request again
 * gets the same answer, a higher draw takes the place of the one before. CONFLICT for a lower one,
 * and once an object has begun to come; PROTOCOL where ciphertexts are missing, not announced or
 * no group elements, or the blocks are not those of the draw before. */
MUST_CHECK result put_draw(struct storage *storage, const struct storage_caller *caller,
                           const struct image_id *image, const struct short_id *put,
                           struct view body, struct bytes *out_answer);

/* PUT .../objects/{object}/blocks?draw=D&row=R&slice=BYTES: of each segment the blocks that the
 * draw named, in ascending order, back to back; all of `slice` bytes, but those of the last segment
 * of one lesser length. Used as an upload. */
struct blocks;
struct blocks_options {
    struct short_id object;
    uint64_t draw, row;      /* CONFLICT where that draw does not count; INVALID without that row */
    uint64_t slice_bytes;    /* INVALID where the blocks of a segment are longer than any segment */
    uint64_t expected_bytes; /* of blocks; 0: not known */
};
MUST_CHECK result blocks_open(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, const struct short_id *put,
                              const struct blocks_options *options, struct blocks **out_blocks);
/* After a failure only blocks_abandon may follow. */
MUST_CHECK result blocks_append(struct blocks *blocks, struct view part);
/* The memory that it keeps between two parts. */
size_t blocks_memory(const struct blocks *blocks);
/* A Receipt in Signed, of the slices that were made, appended. Frees in any case. INVALID where the
 * last blocks are not equally long. */
MUST_CHECK result blocks_finish(struct blocks *blocks, struct bytes *out_receipt);
void blocks_abandon(struct blocks *blocks); /* NULL is fine */

/* ------------------------------------------------------------------ for src/storage */

/* What was drawn for a put. */
struct put_drawn {
    uint32_t draw, slot, k;
    uint8_t held[FORMAT_SERVERS_MAX]; /* the numbers of the blocks, ascending */
    size_t held_count;
    uint32_t row_count;
    uint8_t *rows;                 /* row_count x k; owned */
    Myelin__Symbol *symbol;        /* the envelope's; NULL where the put brings none; owned */
    uint8_t request[DIGEST_BYTES]; /* what was asked */
    struct bytes answer;           /* and answered; owned */
};

/* NULL is fine. */
void put_drawn_free(struct put_drawn *drawn);

#endif
