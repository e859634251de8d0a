#include "system/paths.h"

#include <stdio.h>
#include <string.h>

result path_join(const char *folder, const char *name, char *out_path, size_t size) {
    size_t len = strlen(folder);
    if (len == 0)
        return FAIL(INVALID, "an empty path");
    const char *between = name[0] == '\0' || folder[len - 1] == '/' ? "" : "/";
    int wanted = snprintf(out_path, size, "%s%s%s", folder, between, name);
    if (wanted < 0 || (size_t)wanted >= size)
        return FAIL(INVALID, "a path of %zu characters is too long", len + strlen(name));
    return OK;
}
