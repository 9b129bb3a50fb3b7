/* Parsed headers of an inner IP packet. All lengths in the packet are checked. */
#ifndef WEFT_PACKET_H
#define WEFT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

struct weft_packet {
  uint8_t family;           /* 4 or 6 */
  uint8_t protocol;         /* of the transport header; WEFT_PROTOCOL_NONE if it is unreadable */
  uint8_t tos;              /* DSCP and ECN */
  uint8_t ttl;              /* or hop limit */
  bool is_fragment;         /* any fragment, also the first */
  bool is_later_fragment;   /* has no transport header */
  bool has_options;         /* IPv4 options or IPv6 extension headers: forwarded, not coalesced */
  bool is_source_routed;    /* IPv6 before its final destination: transport checksum not verifiable */
  uint16_t network_bytes;   /* IP header with options or extension headers; offset of the transport header */
  uint16_t transport_bytes; /* TCP or UDP header with options; 0 for other protocols, fragments, source-routed
                               packets and what is cut short */
  uint32_t total_bytes;     /* length in the IP header; bytes beyond are padding */
};

/*
 * Reads the headers of `data`. Returns WEFT_DROP_RX_MALFORMED if version, header length or total
 * length is invalid; tx.c counts it as WEFT_DROP_TX_MALFORMED. Ignores the IPv4 checksum. A packet
 * with a bad transport header is forwarded: its protocol is WEFT_PROTOCOL_NONE or its
 * transport_bytes 0.
 */
enum weft_drop_reason weft_packet_parse(const uint8_t *data, size_t length, struct weft_packet *packet);

/* Source and destination, 4 or 16 bytes in network order. */
static inline const uint8_t *weft_packet_source(const uint8_t *data, const struct weft_packet *packet) {
  return packet->family == 4 ? data + 12 : data + 8;
}
static inline const uint8_t *weft_packet_destination(const uint8_t *data, const struct weft_packet *packet) {
  return packet->family == 4 ? data + 16 : data + 24;
}

/* Whether the destination is no single host: multicast, and of IPv4 all from 224.0.0.0 on. */
static inline bool weft_packet_is_multicast(const uint8_t *data, const struct weft_packet *packet) {
  return *weft_packet_destination(data, packet) >= (packet->family == 4 ? 0xe0 : 0xff);
}

/*
 * Sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1) of a packet with `transport_length` bytes
 * from its transport header on. `data` points to the IP header.
 */
uint64_t weft_pseudo_sum(const uint8_t *data, const struct weft_packet *packet, size_t transport_length);

/*
 * State of the transport checksum of a TCP or UDP packet with transport_bytes > 0. The UDP length
 * limits the coverage; BAD if it exceeds the packet. PARTIAL: the field has the folded
 * pseudo-header sum, which hardware offload completes. NONE: UDP over IPv4 without a checksum.
 */
enum weft_checksum_state { WEFT_CHECKSUM_BAD, WEFT_CHECKSUM_GOOD, WEFT_CHECKSUM_PARTIAL, WEFT_CHECKSUM_NONE };
enum weft_checksum_state weft_packet_checksum(const uint8_t *data, const struct weft_packet *packet);

/*
 * Whether the checksum is WEFT_CHECKSUM_PARTIAL. Cheaper than weft_packet_checksum: reads no
 * payload.
 */
bool weft_packet_is_partial(const uint8_t *data, const struct weft_packet *packet);

/*
 * Hash of addresses and, except for fragments, protocol and ports. Equal for all packets of a flow.
 */
uint32_t weft_packet_flow_hash(const uint8_t *data, const struct weft_packet *packet);

/* Decrements TTL or hop limit, which must be above 0, and updates the IPv4 checksum. */
void weft_packet_decrement_ttl(uint8_t *data, const struct weft_packet *packet);

#endif
