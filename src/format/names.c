#include <string.h>

#include "base/utf8.h"
#include "format/format.h"

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool format_is_name(const char *name) {
    if (!is_lower_or_digit(name[0]))
        return false;
    size_t len = 1;
    for (; name[len] != '\0'; len++)
        if (len >= FORMAT_NAME_MAX || (!is_lower_or_digit(name[len]) && name[len] != '.' &&
                                       name[len] != '_' && name[len] != '-'))
            return false;
    return true;
}

static bool is_port(const char *digits) {
    unsigned port = 0;
    size_t len = 0;
    for (; digits[len] != '\0'; len++) {
        if (len >= 5 || digits[len] < '0' || digits[len] > '9')
            return false;
        port = 10 * port + (unsigned)(digits[len] - '0');
    }
    return len > 0 && digits[0] != '0' && port <= 65535;
}

static bool is_host_character(char c, bool is_v6) {
    if (is_v6)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
               c == ':' || c == '.';
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

bool format_is_address(const char *address) {
    if (strnlen(address, FORMAT_ADDRESS_MAX + 1) > FORMAT_ADDRESS_MAX)
        return false;
    bool is_v6 = address[0] == '[';
    const char *host = is_v6 ? address + 1 : address;
    const char *end = is_v6 ? strchr(host, ']') : strchr(host, ':');
    if (end == NULL || end == host)
        return false;
    for (const char *c = host; c < end; c++)
        if (!is_host_character(*c, is_v6))
            return false;
    const char *colon = is_v6 ? end + 1 : end;
    return *colon == ':' && is_port(colon + 1);
}

static bool is_component(const char *start, size_t len) {
    return !(len == 0 || (len == 1 && start[0] == '.') ||
             (len == 2 && start[0] == '.' && start[1] == '.'));
}

bool format_is_object_name(const char *name) {
    if (strnlen(name, FORMAT_OBJECT_NAME_MAX + 1) > FORMAT_OBJECT_NAME_MAX)
        return false;
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0';) {
        uint32_t character;
        size_t len;
        if (!utf8_read(c, &character, &len))
            return false;
        c += len;
    }
    for (const char *start = name;;) {
        const char *slash = strchrnul(start, '/');
        if (!is_component(start, (size_t)(slash - start)))
            return false;
        if (*slash == '\0')
            return true;
        start = slash + 1;
    }
}

ProtobufCBinaryData format_bytes(struct view view) {
    /* protobuf-c has no const form of this; packing only reads. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = {.in = view.data};
    return (ProtobufCBinaryData){view.len, data.out};
}
