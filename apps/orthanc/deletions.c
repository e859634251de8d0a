#include "deletions.h"

#include <stdlib.h>

result deletions_make(struct gateway *gateway, const char *image, char *const names[],
                      size_t count) {
    const char *borrowed[DELETIONS_MAX];
    for (size_t i = 0; i < count; i++)
        borrowed[i] = names[i];
    result deleted = gateway_result(myelin_delete(gateway->session, image, borrowed, count));
    gateway->counts.deleted_objects += deleted == OK ? count : 0;
    return deleted == NOT_FOUND ? OK : deleted;
}

result deletions_some(struct gateway *gateway, const char *image, uint64_t age_ms,
                      size_t *out_count) {
    struct map_image_info info;
    char *names[DELETIONS_MAX];
    size_t count = map_next_deletions(gateway->map, image, age_ms, DELETIONS_MAX, &info, names);
    *out_count = count;
    if (count == 0)
        return OK;
    result deleted = deletions_make(gateway, info.id, names, count);
    if (deleted != OK)
        gateway_warn(gateway, "%zu objects of an image could not be deleted yet: %s", count,
                     error_text());
    if (map_deleted(gateway->map, info.id, names, count, deleted == OK) != OK)
        gateway_error(gateway, "the map: %s", error_text());
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return deleted;
}

result deletions_all(struct gateway *gateway, const char *image) {
    size_t count;
    do
        TRY(deletions_some(gateway, image, 0, &count));
    while (count > 0);
    return OK;
}
