/*
 * "host:port" and "[IPv6]:port" taken apart.
 */
#ifndef MYELIN_NET_ADDRESS_H
#define MYELIN_NET_ADDRESS_H

#include <stdbool.h>

#include "base/result.h"

enum { ADDRESS_HOST_MAX = 255 };

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
    char port[6];
    bool is_ipv6; /* it stood in brackets */
};

/* INVALID where it is neither form, or the port is no number up to 65535. */
MUST_CHECK result address_parse(const char *text, struct address *out_address);

#endif
