/*
 * What a link has to know of IPv4 and TCP.
 */
#ifndef MYELIN_TORTURE_PACKET_H
#define MYELIN_TORTURE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum { PACKET_RESET_BYTES = 40 };

/* Source and destination of an IPv4 packet, host order; false for anything else. */
bool packet_addresses(const uint8_t *data, uint16_t len, uint32_t *out_from, uint32_t *out_to);

/* Bytes of TCP payload; 0 for what is no TCP. */
uint16_t packet_tcp_payload(const uint8_t *data, uint16_t len);

/* The two packets that end the connection of a TCP segment at that segment: one to its sender, one
 * to its receiver, each as if from the other (RFC 9293, 3.10.7.4: a reset is taken where its number
 * is the next one awaited). */
void packet_resets(const uint8_t *data, uint16_t len, uint8_t out_to_sender[PACKET_RESET_BYTES],
                   uint8_t out_to_receiver[PACKET_RESET_BYTES]);

#endif
