#include "group/terms.h"

#include <stdlib.h>

#include "base/secret.h"

result terms_new(size_t room, size_t point_bytes, size_t scratch_bytes, struct terms *out) {
    const size_t points_bytes = room * point_bytes, exponents_bytes = room * sizeof(blst_scalar);
    const size_t block_bytes = points_bytes + exponents_bytes + scratch_bytes;
    uint8_t *block = calloc(1, block_bytes);
    if (block == NULL)
        return FAIL(NO_MEMORY, "no memory for a product of %zu powers", room);
    void *exponents = block + points_bytes, *scratch = block + points_bytes + exponents_bytes;
    *out = (struct terms){
        .points = block, .exponents = exponents, .scratch = scratch, .block_bytes = block_bytes};
    return OK;
}

void terms_free(struct terms *terms) {
    if (terms->points == NULL)
        return;
    secret_wipe(terms->points, terms->block_bytes);
    free(terms->points);
}
