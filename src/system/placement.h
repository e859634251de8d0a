/*
 * Which storage server has which slot of an image.
 *
 * Weighted rendezvous hashing (Thaler and Ravishankar, IEEE/ACM ToN 6(1), 1998; with weights as in
 * Schindelhauer and Schomaker, SPAA 2005): every storage server has a score for the image, and the
 * n best have its slots. Of servers that share a failure domain at most ceil(n / domains) are
 * taken, or as few more as it needs where the domains are too small.
 *
 * Which of the n has which slot matters too, for a server's slices are those of its slot. So the
 * choice is made again for every version with which a server came, left or got another weight, as
 * the description's seats tell: whoever is chosen anew takes the slots of those who are not chosen
 * any more, and all others keep theirs. A server that comes takes about 1/N of all slots, one that
 * leaves gives its own away, and no other slot moves. One that replaces another takes its seat, and
 * so exactly its slots. docs/PROTOCOL.md has the algorithm step by step.
 *
 * Pure: the same description and tau give the same servers everywhere, by integers alone.
 */
#ifndef MYELIN_SYSTEM_PLACEMENT_H
#define MYELIN_SYSTEM_PLACEMENT_H

#include "format/format.h"
#include "system/description.h"

/* The names of the servers by slot, borrowed from the description, and their number, n. */
unsigned placement_slots(const struct description *description, const uint8_t tau[FORMAT_TAU_BYTES],
                         const char *out_servers[FORMAT_SERVERS_MAX]);

/* The same in the version before, while slots are on their way; 0 where the system is settled. A
 * server of that time may not be in the description's list any more. */
unsigned placement_previous(const struct description *description,
                            const uint8_t tau[FORMAT_TAU_BYTES],
                            const char *out_servers[FORMAT_SERVERS_MAX]);

/* Both for who has the image's id but not tau. */
unsigned placement_slots_by_id(const struct description *description,
                               const uint8_t image[FORMAT_HASH_BYTES],
                               const char *out_servers[FORMAT_SERVERS_MAX]);
unsigned placement_previous_by_id(const struct description *description,
                                  const uint8_t image[FORMAT_HASH_BYTES],
                                  const char *out_servers[FORMAT_SERVERS_MAX]);

#endif
