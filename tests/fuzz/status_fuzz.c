/* Metrics as a server that may lie sends them. */
#include <stdlib.h>
#include <string.h>

#include "flow/status_figures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct status_figures figures;
    status_figures_parse(view_of(data, size), &figures);
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        if (figures.known[i] && figures.of[i] > INT64_MAX)
            abort();
    return 0;
}
