/*
 * The (n, k) erasure code of the bulk: linear maps over GF(2^8), polynomial 0x11d, by ISA-L.
 *
 * A sealed segment of `len` bytes is cut in k blocks of code_block_len(len, k) bytes, the last one
 * padded with zeros. A storage server's slice is the sum of the blocks, each times one coefficient
 * of that server's row. Rows are explicit everywhere: they come from code_cauchy_row (a slot's row,
 * any k of which decode) or from a server's own random draw (the paper's Encode), and the manifest
 * keeps them.
 *
 * Every use is one prepared map and one function that applies it:
 *
 *     encoder   k blocks -> n slices       by the n rows
 *     decoder   k slices -> k blocks       by the inverse of their rows
 *     recoder   k slices -> lost slices    by lost rows times that inverse: repair, on ciphertext
 *
 * Matrices are row-major bytes: row i of an n x k matrix starts at rows[i * k].
 */
#ifndef MYELIN_CODE_CODE_H
#define MYELIN_CODE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

/* 1 <= k <= n <= CODE_SYMBOLS_MAX. */
enum { CODE_SYMBOLS_MAX = 255 };

/* INVALID, with the numbers in the text, where n and k are outside the bounds above. */
MUST_CHECK result code_check(unsigned n, unsigned k);

/* The length of a block of a segment of `len` bytes: ceil(len / k). k >= 1. */
size_t code_block_len(size_t len, unsigned k);

/* Fills a segment's buffer of k * code_block_len(len, k) bytes with zeros from `len` on, and points
 * out_blocks[0..k-1] at its blocks. They borrow from `segment`. */
void code_cut(uint8_t *segment, size_t len, unsigned k, const uint8_t *out_blocks[]);

/*
 * The k coefficients of a slot, 0 <= slot < CODE_SYMBOLS_MAX: they depend on k and the slot alone,
 * so that adding a server changes nobody's row.
 *
 * With x = k + slot and y_j = j, the row is 1 / (x + y_j), j < k: a row of a Cauchy matrix, all of
 * whose square submatrices are regular. Slots from 256 - k on have no x left in the field; they
 * take the unit rows e_0, e_1, ...: identity over Cauchy is still a code any k of whose rows
 * decode. Every n up to CODE_SYMBOLS_MAX is thus possible with every k. INVALID for a k or a slot
 * out of bounds.
 */
MUST_CHECK result code_cauchy_row(unsigned k, unsigned slot, uint8_t out_row[]);

/* Whether these k rows (k x k) can be decoded. */
bool code_decodable(unsigned k, const uint8_t rows[]);

/* A prepared linear map from k byte strings to `outputs` byte strings of the same length. Constant
 * after its init: any number of threads may apply it at once. */
struct code_map {
    unsigned k;
    unsigned outputs;
    uint8_t *tables; /* ISA-L's, 32 bytes a coefficient */
};

/* Frees at the end of the scope: AUTO_CODE_MAP struct code_map encoder = {0}; */
#define AUTO_CODE_MAP __attribute__((cleanup(code_map_clean_up)))
void code_map_clean_up(struct code_map *map);

/* Blocks to slices by `rows` (n x k, any coefficients). INVALID, NO_MEMORY. */
MUST_CHECK result code_encoder_init(unsigned n, unsigned k, const uint8_t rows[],
                                    struct code_map *out_encoder);

/* Some blocks to one slice by a storage server's own coefficients: `row` has one for each of the
 * `blocks` blocks at hand, 1 <= blocks <= CODE_SYMBOLS_MAX. INVALID, NO_MEMORY. */
MUST_CHECK result code_row_init(unsigned blocks, const uint8_t row[], struct code_map *out_encoder);

/* Slices to blocks: `rows` (k x k) are the rows of the k slices at hand, in the order in which the
 * slices will be given. CRYPTO where they are singular (ask for another slice); INVALID,
 * NO_MEMORY. */
MUST_CHECK result code_decoder_init(unsigned k, const uint8_t rows[], struct code_map *out_decoder);

/* Slices to `lost` other slices, without the blocks: `rows` (k x k) as for the decoder, `lost_rows`
 * (lost x k) the rows to rebuild. CRYPTO, INVALID, NO_MEMORY. */
MUST_CHECK result code_recoder_init(unsigned k, const uint8_t rows[], unsigned lost,
                                    const uint8_t lost_rows[], struct code_map *out_recoder);

/* Applies a map: `inputs` k pointers and `outputs` map->outputs pointers to `len` bytes each; no
 * output may overlap an input. Cannot fail. */
void code_apply(const struct code_map *map, const uint8_t *const inputs[], size_t len,
                uint8_t *const outputs[]);

#endif
