#include "net/route.h"

#include <string.h>

static int digit_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Percent-decodes `len` characters at `in` into a string at *out, which is moved past it. */
static result decode(const char *in, size_t len, char **out) {
    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '%') {
            int high = len - i > 2 ? digit_value(in[i + 1]) : -1;
            int low = high >= 0 ? digit_value(in[i + 2]) : -1;
            if (low < 0)
                return FAIL(INVALID, "a broken percent code in the request's target");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return FAIL(INVALID, "a control character in the request's target");
        *(*out)++ = c;
    }
    *(*out)++ = '\0';
    return OK;
}

static result parse_segment(const char *in, size_t len, struct route_target *target, char **out) {
    if (target->segment_count == ROUTE_SEGMENTS_MAX)
        return FAIL(INVALID, "over %d parts in the request's path", ROUTE_SEGMENTS_MAX);
    const char *segment = *out;
    TRY(decode(in, len, out));
    if (segment[0] == '\0' || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0 ||
        strchr(segment, '/') != NULL)
        return FAIL(INVALID, "a path segment '%s'", segment);
    target->segments[target->segment_count++] = segment;
    return OK;
}

static result parse_path(const char *path, size_t len, struct route_target *target, char **out) {
    if (len == 0 || path[0] != '/')
        return FAIL(INVALID, "a request target that does not begin with '/'");
    size_t at = 1;
    while (len > 1 && at <= len) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t end = slash == NULL ? len : (size_t)(slash - path);
        TRY(parse_segment(path + at, end - at, target, out));
        at = end + 1;
    }
    return OK;
}

static result parse_query_pair(const char *in, size_t len, struct route_target *target,
                               char **out) {
    if (target->query_count == ROUTE_QUERY_MAX)
        return FAIL(INVALID, "over %d query parameters", ROUTE_QUERY_MAX);
    const char *equals = memchr(in, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - in);
    size_t value_at = equals == NULL ? len : name_len + 1;
    const char *name = *out;
    TRY(decode(in, name_len, out));
    const char *value = *out;
    TRY(decode(in + value_at, len - value_at, out));
    if (route_query(target, name) != NULL)
        return FAIL(INVALID, "the query parameter '%s' comes twice", name);
    target->query[target->query_count].name = name;
    target->query[target->query_count++].value = value;
    return OK;
}

static result parse_query(const char *query, struct route_target *target, char **out) {
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > 0)
            TRY(parse_query_pair(query, len, target, out));
        query += len + (query[len] == '&');
    }
    return OK;
}

result route_target_parse(const char *request_target, struct route_target *out_target) {
    size_t len = strnlen(request_target, ROUTE_TARGET_MAX + 1);
    if (len > ROUTE_TARGET_MAX)
        return FAIL(INVALID, "a request target of over %d bytes", ROUTE_TARGET_MAX);
    out_target->segment_count = 0;
    out_target->query_count = 0;
    char *out = out_target->text;
    size_t path_len = strcspn(request_target, "?");
    TRY(parse_path(request_target, path_len, out_target, &out));
    if (request_target[path_len] == '?')
        TRY(parse_query(request_target + path_len + 1, out_target, &out));
    return OK;
}

const char *route_query(const struct route_target *target, const char *name) {
    for (size_t i = 0; i < target->query_count; i++)
        if (strcmp(target->query[i].name, name) == 0)
            return target->query[i].value;
    return NULL;
}

bool route_matches(const char *pattern, const struct route_target *target) {
    for (size_t i = 0; i < target->segment_count; i++) {
        if (*pattern != '/')
            return false;
        pattern++;
        size_t len = strcspn(pattern, "/");
        const char *segment = target->segments[i];
        if (pattern[0] != '{' && (strlen(segment) != len || memcmp(pattern, segment, len) != 0))
            return false;
        pattern += len;
    }
    return *pattern == '\0' || (target->segment_count == 0 && strcmp(pattern, "/") == 0);
}

const char *route_param(const char *pattern, const struct route_target *target, const char *name) {
    size_t name_len = strlen(name);
    for (size_t i = 0; i < target->segment_count && *pattern == '/'; i++) {
        pattern++;
        size_t len = strcspn(pattern, "/");
        if (len == name_len + 2 && pattern[0] == '{' && memcmp(pattern + 1, name, name_len) == 0)
            return target->segments[i];
        pattern += len;
    }
    return NULL;
}

result route_number(const char *text, uint64_t *out_number) {
    uint64_t number = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || text[len] != '\0')
        return FAIL(INVALID, "'%.32s' is not a number", text);
    for (; *text != '\0'; text++)
        if (__builtin_mul_overflow(number, 10U, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return FAIL(INVALID, "a number that is too large");
    *out_number = number;
    return OK;
}

/* The decimal digits at *cursor; false where there are none or too many. */
static bool take_number(const char **cursor, uint64_t *out_number) {
    char digits[24];
    size_t len = strspn(*cursor, "0123456789");
    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, *cursor, len);
    digits[len] = '\0';
    *cursor += len;
    return route_number(digits, out_number) == OK;
}

static enum route_range range_from(uint64_t first, uint64_t last, uint64_t total,
                                   uint64_t *out_offset, uint64_t *out_length) {
    if (first >= total)
        return ROUTE_RANGE_UNSATISFIABLE;
    *out_offset = first;
    *out_length = (last < total ? last : total - 1) - first + 1;
    return ROUTE_RANGE_PART;
}

enum route_range route_range_parse(const char *header, uint64_t total, uint64_t *out_offset,
                                   uint64_t *out_length) {
    uint64_t first = 0;
    uint64_t last = UINT64_MAX;
    *out_offset = 0;
    *out_length = total;
    if (header == NULL || strncmp(header, "bytes=", 6) != 0)
        return ROUTE_RANGE_WHOLE;
    const char *cursor = header + 6;
    bool is_suffix = *cursor == '-';
    if (!is_suffix && !take_number(&cursor, &first))
        return ROUTE_RANGE_WHOLE;
    if (*cursor++ != '-')
        return ROUTE_RANGE_WHOLE;
    if ((is_suffix || *cursor != '\0') && !take_number(&cursor, &last))
        return ROUTE_RANGE_WHOLE;
    if (*cursor != '\0' || first > last)
        return ROUTE_RANGE_WHOLE;
    if (!is_suffix)
        return range_from(first, last, total, out_offset, out_length);
    if (last == 0)
        return ROUTE_RANGE_UNSATISFIABLE;
    return range_from(last < total ? total - last : 0, UINT64_MAX, total, out_offset, out_length);
}
