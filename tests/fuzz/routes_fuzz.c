/* A request line from outside: target, patterns, range. First line: the target; second: the Range
 * header; the first byte of a third: the body's length. */
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(const char *text) {
    static const char *const patterns[] = {
        "/",
        "/healthz",
        "/v1/users/{user}",
        "/v1/images/{image}/puts/{put}/objects/{object}",
        "/v1/images/{image}/objects/{object}/symbol",
    };
    static struct route_target target;
    if (route_target_parse(text, &target) != OK)
        return;
    for (size_t i = 0; i < target.segment_count; i++)
        if (target.segments[i][0] == '\0' || strchr(target.segments[i], '/') != NULL ||
            strcmp(target.segments[i], "..") == 0)
            abort();
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        bool has_image = strstr(patterns[i], "{image}") != NULL;
        if (!route_matches(patterns[i], &target))
            continue;
        if ((route_param(patterns[i], &target, "image") != NULL) != has_image)
            abort();
    }
    (void)route_query(&target, "after");
}

static void check_range(const char *header, uint64_t total) {
    uint64_t offset = 0;
    uint64_t length = 0;
    enum route_range kind = route_range_parse(header, total, &offset, &length);
    if (kind == ROUTE_RANGE_UNSATISFIABLE)
        return;
    if (length > total || offset > total - length || (kind == ROUTE_RANGE_PART && length == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct address address;
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text;
    const char *target = strsep(&rest, "\n");
    const char *header = rest == NULL ? "" : strsep(&rest, "\n");
    check_target(target);
    check_range(header, rest == NULL ? 1000 : (uint64_t)(uint8_t)*rest << (size % 56));
    if (address_parse(target, &address) == OK && strlen(address.host) == 0)
        abort();
    free(text);
    return 0;
}
