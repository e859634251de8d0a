#include "net/address.h"

#include <stdint.h>
#include <string.h>

#include "net/route.h"

static result copy_part(const char *text, const char *from, size_t len, char *out, size_t size) {
    if (len == 0 || len >= size)
        return FAIL(INVALID, "'%s' is not of the form host:port or [IPv6]:port", text);
    memcpy(out, from, len);
    out[len] = '\0';
    return OK;
}

result address_parse(const char *text, struct address *out_address) {
    struct address address = {.is_ipv6 = text[0] == '['};
    const char *host = text + (address.is_ipv6 ? 1 : 0);
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    size_t host_len = colon == NULL || colon < host ? 0 : (size_t)(colon - host);
    if (address.is_ipv6)
        host_len = host_len > 0 && host[host_len - 1] == ']' ? host_len - 1 : 0;
    TRY(copy_part(text, host, host_len, address.host, sizeof address.host));
    TRY(copy_part(text, colon + 1, strlen(colon + 1), address.port, sizeof address.port));
    bool has_colon = strchr(address.host, ':') != NULL;
    if (has_colon != address.is_ipv6 || strpbrk(address.host, "[]/ \t") != NULL ||
        route_number(address.port, &port) != OK || port > UINT16_MAX)
        return FAIL(INVALID, "'%s' is not of the form host:port or [IPv6]:port", text);
    *out_address = address;
    return OK;
}
