#include <stdlib.h>
#include <string.h>

#include "packet.h"
#include "port.h"

enum {
    FULL_BYTES = 1000,              /* a payload of so many is part of a body, not of a request */
    QUEUE_LIMITED_BYTES = 64 << 10, /* what a slow line's buffer holds */
    QUEUE_BYTES = 16 << 20,
};

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): the same
 * choices for the same seed. */
static uint64_t state;

void lane_seed(uint64_t seed) {
    state = seed;
}

static double random_share(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static enum lane_verdict queue(struct lane *lane, const uint8_t *data, uint16_t len,
                               uint64_t due_us) {
    uint64_t limit = lane->conditions.rate_bps > 0 ? QUEUE_LIMITED_BYTES : QUEUE_BYTES;
    struct packet *packet = lane->queued_bytes + len > limit ? NULL : malloc(sizeof *packet);
    if (packet == NULL) {
        lane->dropped++;
        return LANE_DROPPED;
    }
    packet->next = NULL;
    packet->due_us = due_us > lane->last_due_us ? due_us : lane->last_due_us;
    packet->len = len;
    memcpy(packet->data, data, len);
    if (lane->head == NULL)
        lane->tail = &lane->head;
    *lane->tail = packet;
    lane->tail = &packet->next;
    lane->queued_bytes += len;
    lane->last_due_us = packet->due_us;
    return LANE_QUEUED;
}

enum lane_verdict lane_pass(struct lane *lane, const uint8_t *data, uint16_t len, uint64_t now_us) {
    const struct conditions *is = &lane->conditions;
    lane->packets++;
    if (is->cut > 0 || (is->loss > 0 && random_share() < is->loss)) {
        lane->dropped++;
        return LANE_DROPPED;
    }
    if (is->reset > 0 && packet_tcp_payload(data, len) >= FULL_BYTES &&
        random_share() < is->reset) {
        lane->resets++;
        return LANE_RESET;
    }
    uint64_t due_us = now_us;
    if (is->rate_bps > 0) {
        uint64_t begins_us = lane->busy_until_us > now_us ? lane->busy_until_us : now_us;
        due_us = begins_us + (uint64_t)(8e6 * len / is->rate_bps);
    }
    uint64_t sent_us = due_us;
    due_us += (uint64_t)(is->delay_ms * 1e3);
    if (due_us <= now_us && lane->head == NULL)
        return LANE_PASSED;
    enum lane_verdict verdict = queue(lane, data, len, due_us);
    if (verdict == LANE_QUEUED)
        lane->busy_until_us = sent_us;
    return verdict;
}

struct packet *lane_take_due(struct lane *lane, uint64_t now_us) {
    struct packet *packet = lane->head;
    if (packet == NULL || packet->due_us > now_us)
        return NULL;
    lane->head = packet->next;
    lane->queued_bytes -= packet->len;
    if (lane->head == NULL)
        lane->last_due_us = 0;
    return packet;
}
