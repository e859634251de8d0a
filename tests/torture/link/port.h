/*
 * A port of the network: one network namespace with one TUN device, and two lanes, the way out of
 * it and the way in, each with conditions of its own.
 *
 * A packet goes from its TUN device through the lane out of its port and the lane into the port
 * that has the destination address. A lane loses it, resets its connection, holds it back for its
 * rate and its delay, or lets it pass.
 */
#ifndef MYELIN_TORTURE_PORT_H
#define MYELIN_TORTURE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

enum { PORT_MTU = 1500, PORTS_MAX = 64 };

/* All zero: an ideal line. */
struct conditions {
    double delay_ms; /* each packet is this much later */
    double loss;     /* of this share of packets, 0 to 1, nothing is seen again */
    double rate_bps; /* bits a second; 0: no limit */
    double cut;      /* 1: nothing passes */
    double reset;    /* share of full packets whose connection is reset, both ends, at that point */
};

struct lane {
    struct conditions conditions;
    struct packet *head, **tail;
    uint64_t queued_bytes;
    uint64_t busy_until_us; /* the rate lets the next one begin then */
    uint64_t last_due_us;   /* nobody overtakes */
    uint64_t packets, dropped, resets;
};

struct port {
    char name[64];
    uint32_t address; /* host order */
    int tun;
    int net_ns; /* /proc/<this process>/fd/<net_ns> is the way into it */
    struct lane out, in;
};

/* A packet on its way, in a lane's queue. */
struct packet {
    struct packet *next;
    uint64_t due_us;
    uint16_t len;
    uint8_t data[PORT_MTU];
};

uint64_t port_now_us(void);

/* Makes a namespace whose TUN device "tun0" has `address`/24 and whose loopback is up. The calling
 * process is in its own namespace again afterwards. IO, saying which step. */
MUST_CHECK result port_open(const char *name, uint32_t address, struct port *out_port);

/* What lane_pass makes of a packet. */
enum lane_verdict { LANE_DROPPED, LANE_QUEUED, LANE_RESET, LANE_PASSED };

/* LANE_PASSED: it may go on at once. LANE_QUEUED: the lane has a copy of it. */
enum lane_verdict lane_pass(struct lane *lane, const uint8_t *data, uint16_t len, uint64_t now_us);

/* The next packet that is due, out of the queue, the caller's to free; NULL where none is. */
struct packet *lane_take_due(struct lane *lane, uint64_t now_us);

/* All random choices follow from it. */
void lane_seed(uint64_t seed);

#endif
