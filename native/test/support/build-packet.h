/*
 * Packets for tests and fuzzers, with plainly computed checksums. Independent of the tested code
 * except for wire.h.
 */
#ifndef WEFT_BUILD_PACKET_H
#define WEFT_BUILD_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet/wire.h"

struct shape {
  unsigned family;   /* 4 or 6 */
  unsigned protocol; /* TCP or UDP */
  unsigned tos, ttl;
  unsigned id;          /* IPv4 */
  bool is_df;           /* IPv4 */
  uint32_t flow_label;  /* IPv6 */
  size_t network_extra; /* bytes of IPv4 options (all "no operation") or one hop-by-hop header: multiple of 4, of 8 */
  size_t tcp_extra;     /* bytes of TCP options (all "no operation"), multiple of 4 */
  unsigned source_port, destination_port;
  uint32_t sequence, ack;
  unsigned flags, window;
};

static inline size_t shape_network_bytes(const struct shape *shape) {
  return (shape->family == 4 ? 20 : 40) + shape->network_extra;
}

static inline size_t shape_header_bytes(const struct shape *shape) {
  return shape_network_bytes(shape) + (shape->protocol == WEFT_PROTOCOL_TCP ? 20 + shape->tcp_extra : 8);
}

/* RFC 1071 in network order, folded, not complemented. */
static inline unsigned plain_sum(unsigned sum, const uint8_t *data, size_t length) {
  for (size_t i = 0; i < length; i++) {
    sum += i % 2 == 0 ? (unsigned)data[i] << 8 : data[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

static inline unsigned plain_pseudo_sum(const uint8_t *packet, unsigned protocol, size_t transport_length) {
  const unsigned sum = packet[0] >> 4 == 4 ? plain_sum(0, packet + 12, 8) : plain_sum(0, packet + 8, 32);
  const uint8_t rest[4] = {0, (uint8_t)protocol, (uint8_t)(transport_length >> 8), (uint8_t)transport_length};
  return plain_sum(sum, rest, sizeof(rest));
}

/* 0xffff if the checksum over the transport part of the `length` bytes is good. */
static inline unsigned plain_transport_sum(const uint8_t *packet, size_t length, size_t network_bytes,
                                           unsigned protocol) {
  return plain_sum(plain_pseudo_sum(packet, protocol, length - network_bytes), packet + network_bytes,
                   length - network_bytes);
}

static inline uint8_t *transport_checksum(uint8_t *packet, const struct shape *shape) {
  return packet + shape_network_bytes(shape) + (shape->protocol == WEFT_PROTOCOL_TCP ? 16 : 6);
}

/* Makes all checksums right again after a change. */
static inline void refresh_checksums(uint8_t *packet, size_t length, const struct shape *shape) {
  const size_t network_bytes = shape_network_bytes(shape);
  uint8_t *field = transport_checksum(packet, shape);
  weft_store16(field, 0);
  const unsigned checksum = 0xffff & ~plain_transport_sum(packet, length, network_bytes, shape->protocol);
  weft_store16(field, checksum == 0 ? 0xffff : checksum);
  if (shape->family == 6) return;
  weft_store16(packet + 10, 0);
  weft_store16(packet + 10, 0xffff & ~plain_sum(0, packet, network_bytes));
}

/* Leaves the transport checksum to hardware. */
static inline void make_partial(uint8_t *packet, size_t length, const struct shape *shape) {
  const size_t network_bytes = shape_network_bytes(shape);
  weft_store16(transport_checksum(packet, shape), plain_pseudo_sum(packet, shape->protocol, length - network_bytes));
}

static inline void build_network(uint8_t *packet, size_t length, const struct shape *shape) {
  memset(packet, 0, shape_network_bytes(shape));
  if (shape->family == 4) {
    packet[0] = (uint8_t)(0x45 + shape->network_extra / 4);
    packet[1] = (uint8_t)shape->tos;
    weft_store16(packet + 2, (unsigned)length);
    weft_store16(packet + 4, shape->id);
    weft_store16(packet + 6, shape->is_df ? 0x4000 : 0);
    packet[8] = (uint8_t)shape->ttl;
    packet[9] = (uint8_t)shape->protocol;
    memcpy(packet + 12, (const uint8_t[]){10, 1, 2, 3, 10, 4, 5, 6}, 8);
    memset(packet + 20, 1, shape->network_extra);
    return;
  }
  weft_store32(packet, 0x60000000 | shape->tos << 20 | shape->flow_label);
  weft_store16(packet + 4, (unsigned)length - 40);
  packet[6] = (uint8_t)(shape->network_extra > 0 ? 0 : shape->protocol);
  packet[7] = (uint8_t)shape->ttl;
  memcpy(packet + 8, (const uint8_t[16]){0xfd, 1, [15] = 1}, 16);
  memcpy(packet + 24, (const uint8_t[16]){0xfd, 2, [15] = 2}, 16);
  if (shape->network_extra == 0) return;
  packet[40] = (uint8_t)shape->protocol;
  packet[41] = (uint8_t)(shape->network_extra / 8 - 1);
}

static inline void build_transport(uint8_t *transport, size_t length, const struct shape *shape) {
  weft_store16(transport, shape->source_port);
  weft_store16(transport + 2, shape->destination_port);
  if (shape->protocol == WEFT_PROTOCOL_UDP) {
    weft_store16(transport + 4, (unsigned)length);
    return;
  }
  weft_store32(transport + 4, shape->sequence);
  weft_store32(transport + 8, shape->ack);
  transport[12] = (uint8_t)((20 + shape->tcp_extra) / 4 << 4);
  transport[13] = (uint8_t)shape->flags;
  weft_store16(transport + 14, shape->window);
  weft_store16(transport + 18, 0);
  memset(transport + 20, 1, shape->tcp_extra);
}

/*
 * Builds a packet with `payload_bytes` of what lies at `payload`, checksums good; returns its
 * length.
 */
static inline size_t build_packet(uint8_t *packet, const struct shape *shape, const uint8_t *payload,
                                  size_t payload_bytes) {
  const size_t header_bytes = shape_header_bytes(shape), network_bytes = shape_network_bytes(shape);
  const size_t length = header_bytes + payload_bytes;
  build_network(packet, length, shape);
  build_transport(packet + network_bytes, length - network_bytes, shape);
  memcpy(packet + header_bytes, payload, payload_bytes);
  refresh_checksums(packet, length, shape);
  return length;
}

/* Bytes without a pattern that a checksum could miss, always the same. */
static inline void fill_noise(uint8_t *bytes, size_t length) {
  uint32_t state = 2463534242;
  for (size_t i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    bytes[i] = (uint8_t)(state >> 11);
  }
}

#endif
