/*
 * Which storage servers get which blocks (`blocks` dispersal): each of the k blocks goes to v
 * servers chosen at random. Blocks are dealt from shuffled decks of all servers, so that every
 * server gets k v / n of them, rounded down or up.
 *
 * Any k servers must be able to decode, so their coefficients must have a chance to: for each
 * block, the servers that lack it can be given other blocks that they hold, a different one each.
 * That is Hall's condition on every k servers, and it is checked; assignments that break it are
 * dealt anew.
 */
#ifndef MYELIN_FLOW_PUT_ASSIGN_H
#define MYELIN_FLOW_PUT_ASSIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "format/limits.h"

struct put_assignment {
    unsigned n, k;
    struct put_held {
        unsigned count;                    /* at least 1 */
        uint8_t block[FORMAT_SERVERS_MAX]; /* ascending */
    } held[FORMAT_SERVERS_MAX];            /* by slot */
};

/* 1 <= n - k + 1 <= v <= n <= 255. INVALID where no such assignment was found by chance: more
 * copies are needed. */
MUST_CHECK result put_assign(unsigned n, unsigned k, unsigned v,
                             struct put_assignment *out_assignment);

/* Whether there are coefficients with which any k of the n servers decode. */
bool put_assignment_can_decode(const struct put_assignment *assignment);

#endif
