#include "packet.h"

#include <string.h>

enum { IP_BYTES = 20, TCP_BYTES = 20, PROTOCOL_TCP = 6, TCP_RST = 4, TCP_ACK = 16 };

static uint32_t load32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void store32(uint8_t *at, uint32_t value) {
    store16(at, value >> 16);
    store16(at + 2, value & 0xffff);
}

bool packet_addresses(const uint8_t *data, uint16_t len, uint32_t *out_from, uint32_t *out_to) {
    if (len < IP_BYTES || data[0] >> 4 != 4)
        return false;
    *out_from = load32(data + 12);
    *out_to = load32(data + 16);
    return true;
}

/* Where TCP begins; 0 for what is none. */
static uint16_t tcp_offset(const uint8_t *data, uint16_t len) {
    uint16_t ip = (uint16_t)((data[0] & 15) * 4);
    return len >= ip + TCP_BYTES && data[9] == PROTOCOL_TCP ? ip : 0;
}

uint16_t packet_tcp_payload(const uint8_t *data, uint16_t len) {
    uint16_t ip = tcp_offset(data, len);
    uint16_t headers = (uint16_t)(ip + (data[ip + 12] >> 4) * 4);
    return ip == 0 || headers > len ? 0 : (uint16_t)(len - headers);
}

static uint32_t sum(const uint8_t *data, unsigned len, uint32_t from) {
    for (unsigned i = 0; i + 1 < len; i += 2)
        from += (uint32_t)(data[i] << 8 | data[i + 1]);
    return from;
}

static uint16_t checksum(uint32_t total) {
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

struct segment {
    const uint8_t *from, *to; /* addresses */
    const uint8_t *from_port, *to_port;
    uint32_t sequence, acknowledged;
    uint8_t flags;
};

static void write_reset(const struct segment *segment, uint8_t out[PACKET_RESET_BYTES]) {
    uint8_t *tcp = out + IP_BYTES;
    memset(out, 0, PACKET_RESET_BYTES);
    out[0] = 0x45;
    store16(out + 2, PACKET_RESET_BYTES);
    out[8] = 64; /* time to live */
    out[9] = PROTOCOL_TCP;
    memcpy(out + 12, segment->from, 4);
    memcpy(out + 16, segment->to, 4);
    store16(out + 10, checksum(sum(out, IP_BYTES, 0)));
    memcpy(tcp, segment->from_port, 2);
    memcpy(tcp + 2, segment->to_port, 2);
    store32(tcp + 4, segment->sequence);
    store32(tcp + 8, segment->acknowledged);
    tcp[12] = (TCP_BYTES / 4) << 4;
    tcp[13] = segment->flags;
    store16(tcp + 16, checksum(sum(out + 12, 8, sum(tcp, TCP_BYTES, PROTOCOL_TCP + TCP_BYTES))));
}

void packet_resets(const uint8_t *data, uint16_t len, uint8_t out_to_sender[PACKET_RESET_BYTES],
                   uint8_t out_to_receiver[PACKET_RESET_BYTES]) {
    const uint8_t *tcp = data + tcp_offset(data, len);
    uint32_t sequence = load32(tcp + 4), acknowledged = load32(tcp + 8);
    struct segment back = {data + 16,        data + 12,
                           tcp + 2,          tcp,
                           acknowledged,     sequence + packet_tcp_payload(data, len),
                           TCP_RST | TCP_ACK};
    struct segment forth = {data + 12,    data + 16,        tcp, tcp + 2, sequence,
                            acknowledged, TCP_RST | TCP_ACK};
    write_reset(&back, out_to_sender);
    write_reset(&forth, out_to_receiver);
}
