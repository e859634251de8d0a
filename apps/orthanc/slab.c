#include "slab.h"

#include <stdlib.h>

#include "base/large.h"
#include "base/secret.h"

enum { PART_ALIGNMENT = 4096 };

struct slab {
    uint8_t *memory;
    size_t size;
    unsigned users; /* parts, and whoever made it */
};

size_t slab_room(size_t size) {
    return (size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
}

result slab_new(size_t size, struct slab **out_slab) {
    struct slab *slab = malloc(sizeof *slab);
    if (slab == NULL)
        return FAIL(NO_MEMORY, "no memory to read with");
    *slab = (struct slab){.size = size, .users = 1};
    result made = large_new(size, &slab->memory);
    if (made != OK) {
        free(slab);
        return made;
    }
    *out_slab = slab;
    return OK;
}

uint8_t *slab_part(const struct slab *slab, size_t offset) {
    return slab->memory + offset;
}

void slab_take(struct slab *slab) {
    slab->users++;
}

void slab_close(struct slab *slab) {
    if (slab == NULL || --slab->users > 0)
        return;
    large_free(slab->memory, slab->size);
    free(slab);
}

void slab_give(struct slab *slab, uint8_t *part, size_t size) {
    secret_wipe(part, size);
    large_give(slab->memory, slab->size, part, slab_room(size));
    slab_close(slab);
}
