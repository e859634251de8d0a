/*
 * What the Orthanc plugin parses: a map record that parses is packed to the same bytes; a
 * configuration is taken or refused; a header from another user becomes a file of the size asked
 * for, or none; the outcome of a verification has all its parts, or is none.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "record.h"
#include "skeleton.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_record(struct view input) {
    struct record record;
    if (record_parse(input, &record) != OK)
        return;
    AUTO_BYTES struct bytes packed = {0};
    if (record_pack(&record, &packed) != OK || !view_equal(bytes_view(&packed), input))
        abort();
}

static void parse_config(struct view input) {
    char *json = strndup((const char *)input.data, input.len);
    AUTO_CONFIG struct config config = {0};
    if (json != NULL && config_parse(json, &config) == OK && config.is_present &&
        (config.system == NULL || config.folder == NULL))
        abort();
    free(json);
}

/* The first two bytes say how long the file is behind the header. */
static void make_skeleton(struct view input) {
    struct view head;
    AUTO_BYTES struct bytes file = {0};
    if (!view_take(&input, 2, &head))
        return;
    uint64_t size = input.len + ((uint64_t)head.data[0] << 8 | head.data[1]);
    if (skeleton_make(input, size, &file) == OK &&
        (file.len != size || memcmp(file.data, input.data, input.len) != 0))
        abort();
}

static void parse_verdict(struct view input) {
    json_t *verdict = NULL;
    if (verdict_parse(input, &verdict) == OK && json_object_size(verdict) != 5)
        abort();
    json_decref(verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const parsers[])(struct view) = {parse_record, parse_config, make_skeleton,
                                                   parse_verdict};
    if (size > 0)
        parsers[data[0] % 4](view_of(data + 1, size - 1));
    return 0;
}
