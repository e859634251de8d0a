/*
 * Free loopback ports for a new system's servers. Inside src/system only.
 */
#ifndef MYELIN_SYSTEM_PORTS_H
#define MYELIN_SYSTEM_PORTS_H

#include <stdint.h>

#include "base/result.h"

/* `count` different TCP ports that nobody listens on at 127.0.0.1, below the range that the kernel
 * gives to outgoing connections, where possible: a server must find its port free whenever it
 * starts again. IO. */
MUST_CHECK result ports_choose(unsigned count, uint16_t out_ports[]);

#endif
