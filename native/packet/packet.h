/* What the path must know of an inner IP packet, read once, bounds checked. Never trusts a length in the packet. */
#ifndef WEFT_PACKET_H
#define WEFT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

struct weft_packet {
  uint8_t family;           /* 4 or 6 */
  uint8_t protocol;         /* of the transport header; WEFT_PROTOCOL_NONE if that cannot be read */
  uint8_t tos;              /* DSCP and ECN */
  uint8_t ttl;              /* or hop limit */
  bool is_fragment;         /* any fragment, the first one too */
  bool is_later_fragment;   /* has no transport header */
  bool has_options;         /* IPv4 options or IPv6 extension headers: passed on, never coalesced */
  bool is_source_routed;    /* IPv6, not yet at its final destination: transport checksum not verifiable */
  uint16_t network_bytes;   /* IP header with options or extension headers: where the transport header begins */
  uint16_t transport_bytes; /* TCP or UDP header with options; 0 for other protocols, fragments, source-routed
                               packets and what is cut short */
  uint32_t total_bytes;     /* as the IP header says; bytes beyond are padding */
};

/*
 * Reads the headers of `data`. Returns 0, or WEFT_DROP_RX_MALFORMED (on the way out: count DROP_TX_MALFORMED) if
 * version, header length or total length cannot be. The IPv4 checksum is not looked at. A bad transport header is no
 * reason: protocol then is WEFT_PROTOCOL_NONE or transport_bytes 0, and the packet goes its way as it is.
 */
enum weft_drop_reason weft_packet_parse(const uint8_t *data, size_t length, struct weft_packet *packet);

/* Source and destination, 4 or 16 bytes in network order. */
static inline const uint8_t *weft_packet_source(const uint8_t *data, const struct weft_packet *packet) {
  return packet->family == 4 ? data + 12 : data + 8;
}
static inline const uint8_t *weft_packet_destination(const uint8_t *data, const struct weft_packet *packet) {
  return packet->family == 4 ? data + 16 : data + 24;
}

/*
 * Sum of the pseudo header of RFC 9293 §3.1 or RFC 8200 §8.1 for a packet with `transport_length` bytes from its
 * transport header on. `data` points to the IP header.
 */
uint64_t weft_pseudo_sum(const uint8_t *data, const struct weft_packet *packet, size_t transport_length);

/*
 * State of the transport checksum, over as much as a UDP header says, BAD if that is more than there is. PARTIAL: the
 * field holds just the folded pseudo-header sum, as the kernel leaves it to hardware. NONE: UDP over IPv4 without a
 * checksum. Only for TCP and UDP with transport_bytes > 0 and no fragment.
 */
enum weft_checksum_state { WEFT_CHECKSUM_BAD, WEFT_CHECKSUM_GOOD, WEFT_CHECKSUM_PARTIAL, WEFT_CHECKSUM_NONE };
enum weft_checksum_state weft_packet_checksum(const uint8_t *data, const struct weft_packet *packet);

/* Whether the field holds the folded pseudo-header sum: cheaper than weft_packet_checksum, reads no payload. */
bool weft_packet_is_partial(const uint8_t *data, const struct weft_packet *packet);

/* Hash of addresses and, unless it is a fragment, protocol and ports: equal for all packets of a flow. */
uint32_t weft_packet_flow_hash(const uint8_t *data, const struct weft_packet *packet);

/* Takes one from TTL or hop limit, which must be above 0, and corrects the IPv4 checksum. */
void weft_packet_decrement_ttl(uint8_t *data, const struct weft_packet *packet);

#endif
