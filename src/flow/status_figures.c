#include "flow/status_figures.h"

#include <stdlib.h>
#include <string.h>

const struct status_figure_name status_figure_names[FIGURE_COUNT] = {
    [FIGURE_IMAGES] = {"myelin_storage_images", "images"},
    [FIGURE_BYTES] = {"myelin_storage_symbol_bytes", "symbol_bytes"},
    [FIGURE_FREE] = {"myelin_storage_disk_free_bytes", "disk_free_bytes"},
    [FIGURE_MOVING] = {"myelin_storage_slots_moving", "slots_moving"},
    [FIGURE_FAILED] = {"myelin_storage_scrub_failed_total", "not_mended"},
    [FIGURE_SHARES] = {"myelin_key_shares", "shares"},
    [FIGURE_ENTRIES] = {"myelin_key_log_entries", "log_entries"},
    [FIGURE_LOG_DAMAGED] = {"myelin_key_log_damaged", "log_damaged"},
};

enum { VALUE_MAX = 32 };

static bool parse_value(struct view value, uint64_t *out_number) {
    char text[VALUE_MAX + 1], *end = NULL;
    if (value.len == 0 || value.len > VALUE_MAX || value.data[0] < '0' || value.data[0] > '9')
        return false;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    double number = strtod(text, &end);
    if (*end != '\0' || !(number >= 0 && number < 9.2e18))
        return false;
    *out_number = (uint64_t)number;
    return true;
}

/* A line "name value"; all others, such as those with labels, are passed over. */
static void parse_line(struct view line, struct status_figures *out_figures) {
    const uint8_t *space = line.len == 0 ? NULL : memchr(line.data, ' ', line.len);
    if (space == NULL)
        return;
    struct view name = {line.data, (size_t)(space - line.data)};
    struct view value = {space + 1, line.len - name.len - 1};
    for (unsigned i = 0; i < FIGURE_COUNT; i++)
        if (view_equal(name, view_of_string(status_figure_names[i].metric)))
            out_figures->known[i] = parse_value(value, &out_figures->of[i]);
}

void status_figures_parse(struct view text, struct status_figures *out_figures) {
    *out_figures = (struct status_figures){0};
    while (text.len > 0) {
        const uint8_t *newline = memchr(text.data, '\n', text.len);
        size_t len = newline == NULL ? text.len : (size_t)(newline - text.data);
        struct view line;
        (void)view_take(&text, len, &line);
        if (newline != NULL)
            (void)view_take(&text, 1, &(struct view){0});
        parse_line(line, out_figures);
    }
}
