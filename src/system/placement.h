/*
 * Which storage server takes which slot of an image.
 */
#ifndef MYELIN_SYSTEM_PLACEMENT_H
#define MYELIN_SYSTEM_PLACEMENT_H

#include "format/format.h"
#include "system/description.h"

/* The names of the servers by slot, borrowed from the description, and their number, n. Every
 * storage server of the system has a slot of every image, in the order of the description, so that
 * any k of all servers will do. */
unsigned placement_slots(const struct description *description, const uint8_t tau[FORMAT_TAU_BYTES],
                         const char *out_servers[FORMAT_SERVERS_MAX]);

#endif
