/*
 * What a server says of itself in figures, from its metrics (docs/OPERATIONS.md has all of them).
 */
#ifndef MYELIN_FLOW_STATUS_FIGURES_H
#define MYELIN_FLOW_STATUS_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum status_figure {
    FIGURE_IMAGES,      /* storage servers */
    FIGURE_BYTES,       /* of slices */
    FIGURE_FREE,        /* bytes */
    FIGURE_MOVING,      /* slots */
    FIGURE_FAILED,      /* to mend */
    FIGURE_SHARES,      /* key servers */
    FIGURE_ENTRIES,     /* of the access log, by the last one's sequence */
    FIGURE_LOG_DAMAGED, /* 0 or 1 */
    FIGURE_COUNT
};

struct status_figures {
    bool known[FIGURE_COUNT];
    uint64_t of[FIGURE_COUNT];
};

/* The metric of a figure; its name in the JSON of `myelin status` is `label`. */
struct status_figure_name {
    const char *metric, *label;
};
extern const struct status_figure_name status_figure_names[FIGURE_COUNT];

/* Takes what it finds in Prometheus text from a server, which it does not trust: a figure that is
 * missing, negative, or no number below 2^63 is not known. */
void status_figures_parse(struct view text, struct status_figures *out_figures);

#endif
