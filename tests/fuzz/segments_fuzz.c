/* Two segments of an access log, as files: the check says that they hold only where they do. The
 * first byte splits the input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/check.h"
#include "audit/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char paths[2][64];

static void make_paths(void) {
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/myelin-segments-fuzz-%d-XXXXXX", i);
        if (mkstemp(paths[i]) < 0)
            abort();
    }
}

static void remove_paths(void) {
    for (int i = 0; i < 2; i++)
        unlink(paths[i]);
}

static void fill(const char *path, const uint8_t *data, size_t size) {
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static result count_entry(void *context, const struct chain_head *at,
                          const Myelin__AuditBody *body) {
    uint64_t *entries = context;
    if (body == NULL || at->sequence == 0)
        abort();
    ++*entries;
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (paths[0][0] == '\0') {
        make_paths();
        atexit(remove_paths);
    }
    size_t first = (size - 1) * data[0] / 255;
    const char *const both[] = {paths[0], paths[1]};
    uint64_t entries = 0;
    fill(paths[0], data + 1, first);
    fill(paths[1], data + 1 + first, size - 1 - first);
    AUTO_CHECK struct check check = {0};
    if (check_segments(both, 2, NULL, count_entry, &entries, &check) != OK)
        return 0;
    if (check.entries != entries)
        abort();
    if (check.faults == 0 && check.last.sequence != check.before.sequence + entries)
        abort();
    return 0;
}
