#include "code/code.h"

#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

/* ISA-L expands a coefficient to two 16-byte shuffle tables. */
enum { TABLE_BYTES = 32 };

/* ISA-L counts bytes in an int. A multiple of every vector width. */
static const size_t STEP_BYTES = (size_t)1 << 30;

result code_check(unsigned n, unsigned k) {
    if (k < 1 || n < k || n > CODE_SYMBOLS_MAX)
        return FAIL(
            INVALID,
            "a code of %u storage servers, any %u of which suffice, needs 1 <= %u <= %u <= %d", n,
            k, k, n, (int)CODE_SYMBOLS_MAX);
    return OK;
}

size_t code_block_len(size_t len, unsigned k) {
    return len / k + (len % k != 0);
}

void code_cut(uint8_t *segment, size_t len, unsigned k, const uint8_t *out_blocks[]) {
    size_t block_len = code_block_len(len, k);
    memset(segment + len, 0, block_len * k - len);
    for (unsigned i = 0; i < k; i++)
        out_blocks[i] = segment + i * block_len;
}

result code_cauchy_row(unsigned k, unsigned slot, uint8_t out_row[]) {
    TRY(code_check(CODE_SYMBOLS_MAX, k));
    if (slot >= CODE_SYMBOLS_MAX)
        return FAIL(INVALID, "slot %u of a code: at most %d", slot, CODE_SYMBOLS_MAX - 1);
    unsigned x = k + slot;
    for (unsigned j = 0; j < k; j++)
        out_row[j] = x < 256 ? gf_inv((uint8_t)(x ^ j)) : x - 256 == j;
    return OK;
}

/* The inverse of a k x k matrix; the caller frees it. */
static result invert(unsigned k, const uint8_t rows[], uint8_t **out_inverse) {
    size_t size = (size_t)k * k;
    uint8_t *working = malloc(size), *inverse = malloc(size); /* ISA-L overwrites its input */
    result inverted = OK;
    if (working == NULL || inverse == NULL)
        inverted = FAIL(NO_MEMORY, "no memory for a matrix of %u rows", k);
    else if (memcpy(working, rows, size), gf_invert_matrix(working, inverse, (int)k) != 0)
        inverted =
            FAIL(CRYPTO, "the rows of these %u slices are singular: another slice is needed", k);
    free(working);
    if (inverted == OK)
        *out_inverse = inverse;
    else
        free(inverse);
    return inverted;
}

bool code_decodable(unsigned k, const uint8_t rows[]) {
    uint8_t *inverse;
    if (invert(k, rows, &inverse) != OK)
        return false;
    free(inverse);
    return true;
}

void code_map_clean_up(struct code_map *map) {
    free(map->tables);
    *map = (struct code_map){0};
}

static result map_init(unsigned outputs, unsigned k, const uint8_t matrix[],
                       struct code_map *out_map) {
    uint8_t *tables = malloc((size_t)TABLE_BYTES * k * outputs);
    if (tables == NULL)
        return FAIL(NO_MEMORY, "no memory for the tables of a code of %u rows", outputs);
    /* ISA-L does not write through the matrix's pointer. */
    ec_init_tables((int)k, (int)outputs, (uint8_t *)(uintptr_t)matrix, tables);
    *out_map = (struct code_map){.k = k, .outputs = outputs, .tables = tables};
    return OK;
}

result code_encoder_init(unsigned n, unsigned k, const uint8_t rows[],
                         struct code_map *out_encoder) {
    TRY(code_check(n, k));
    return map_init(n, k, rows, out_encoder);
}

result code_row_init(unsigned blocks, const uint8_t row[], struct code_map *out_encoder) {
    TRY(code_check(blocks, blocks));
    return map_init(1, blocks, row, out_encoder);
}

result code_decoder_init(unsigned k, const uint8_t rows[], struct code_map *out_decoder) {
    TRY(code_check(k, k));
    uint8_t *inverse;
    TRY(invert(k, rows, &inverse));
    result made = map_init(k, k, inverse, out_decoder);
    free(inverse);
    return made;
}

/* out = left (rows x k) times right (k x k). */
static void multiply(unsigned rows, unsigned k, const uint8_t left[], const uint8_t right[],
                     uint8_t out[]) {
    for (unsigned i = 0; i < rows; i++)
        for (unsigned j = 0; j < k; j++) {
            uint8_t sum = 0;
            for (unsigned l = 0; l < k; l++)
                sum ^= gf_mul(left[i * k + l], right[l * k + j]);
            out[i * k + j] = sum;
        }
}

result code_recoder_init(unsigned k, const uint8_t rows[], unsigned lost, const uint8_t lost_rows[],
                         struct code_map *out_recoder) {
    TRY(code_check(k, k));
    if (lost < 1 || lost > CODE_SYMBOLS_MAX)
        return FAIL(INVALID, "%u slices to rebuild: at least 1, at most %d", lost,
                    (int)CODE_SYMBOLS_MAX);
    uint8_t *inverse;
    TRY(invert(k, rows, &inverse));
    uint8_t *product = malloc((size_t)lost * k);
    result made = OK;
    if (product == NULL)
        made = FAIL(NO_MEMORY, "no memory for a matrix of %u rows", lost);
    else {
        multiply(lost, k, lost_rows, inverse, product);
        made = map_init(lost, k, product, out_recoder);
    }
    free(product);
    free(inverse);
    return made;
}

void code_apply(const struct code_map *map, const uint8_t *const inputs[], size_t len,
                uint8_t *const outputs[]) {
    uint8_t *from[CODE_SYMBOLS_MAX], *to[CODE_SYMBOLS_MAX];
    for (size_t done = 0; done < len; done += STEP_BYTES) {
        size_t step = len - done < STEP_BYTES ? len - done : STEP_BYTES;
        for (unsigned j = 0; j < map->k; j++)
            from[j] = (uint8_t *)(uintptr_t)inputs[j] + done; /* read only */
        for (unsigned i = 0; i < map->outputs; i++)
            to[i] = outputs[i] + done;
        ec_encode_data((int)step, (int)map->k, (int)map->outputs, map->tables, from, to);
    }
}
