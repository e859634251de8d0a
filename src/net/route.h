/*
 * What a request line asks for: path, query and range. Pure functions over bytes from outside.
 */
#ifndef MYELIN_NET_ROUTE_H
#define MYELIN_NET_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum {
    ROUTE_TARGET_MAX = 2048, /* the longest request target, the query included */
    ROUTE_SEGMENTS_MAX = 16,
    ROUTE_QUERY_MAX = 16,
    ROUTE_PARAMS_MAX = 8,
};

/* A parsed request target; the strings lie, percent-decoded, in `text`. */
struct route_target {
    size_t segment_count;
    const char *segments[ROUTE_SEGMENTS_MAX];
    size_t query_count;
    struct {
        const char *name;
        const char *value;
    } query[ROUTE_QUERY_MAX];
    char text[ROUTE_TARGET_MAX + ROUTE_QUERY_MAX + 2]; /* a name without '=' ends in two zeros */
};

/* Parses "/a/b%20c?x=1&y". A target holds pointers into itself: parse it where it stays.
 * INVALID: not starting with '/', too long, too many parts, a bad percent code, an empty or dot
 * segment, a control character or an encoded '/' in a segment, a query name that comes twice. */
MUST_CHECK result route_target_parse(const char *request_target, struct route_target *out_target);

/* The value of a query parameter, or NULL. */
const char *route_query(const struct route_target *target, const char *name);

/* True where the path has the form of `pattern`, such as "/v1/images/{image}/puts/{put}": equal
 * segment for segment, "{...}" standing for any one segment. */
bool route_matches(const char *pattern, const struct route_target *target);

/* The segment that stands where `pattern`, which matches, has "{name}"; NULL where it has none. */
const char *route_param(const char *pattern, const struct route_target *target, const char *name);

/* A decimal number, digits only. INVALID. */
MUST_CHECK result route_number(const char *text, uint64_t *out_number);

/* A Range header's one range (RFC 9110, section 14). */
enum route_range { ROUTE_RANGE_WHOLE, ROUTE_RANGE_PART, ROUTE_RANGE_UNSATISFIABLE };

/* What `header` (NULL: none was sent) asks of a body of `total` bytes. WHOLE also for what the RFC
 * has a server ignore: another unit, several ranges, a malformed one. Offset and length are set
 * for WHOLE and PART. */
enum route_range route_range_parse(const char *header, uint64_t total, uint64_t *out_offset,
                                   uint64_t *out_length);

#endif
