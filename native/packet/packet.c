/* Parses the headers of an inner IP packet and decrements its TTL. Pure. */
#include "packet.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "wire.h"

/*
 * IPv6 extension headers that the parser walks (RFC 8200 §4; AH: RFC 4302). Other values end the
 * walk as a protocol.
 */
enum {
  HOP_BY_HOP = 0,
  ROUTING = 43,
  FRAGMENT = 44,
  AUTHENTICATION = 51,
  DESTINATION_OPTIONS = 60,
};

/* Bounds the walk. RFC 8200 §4.1 names six positions. */
enum { MAX_EXTENSION_HEADERS = 8 };

/* Fields of the IPv4 flags and the IPv6 fragment header. */
enum {
  IPV4_MORE_FRAGMENTS = 0x2000,
  IPV4_FRAGMENT_OFFSET = 0x1fff,
  IPV6_MORE_FRAGMENTS = 0x0001,
  IPV6_FRAGMENT_OFFSET = 0xfff8,
};

static bool is_extension(unsigned protocol) {
  return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT || protocol == AUTHENTICATION ||
         protocol == DESTINATION_OPTIONS;
}

static size_t extension_bytes(unsigned protocol, const uint8_t *header) {
  if (protocol == FRAGMENT) return 8;
  return protocol == AUTHENTICATION ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
}

/* An atomic fragment is no fragment (RFC 6946). */
static void note_fragment_header(const uint8_t *header, struct weft_packet *packet) {
  const unsigned field = weft_load16(header + 2);
  packet->is_later_fragment = (field & IPV6_FRAGMENT_OFFSET) != 0;
  packet->is_fragment = packet->is_fragment || packet->is_later_fragment || (field & IPV6_MORE_FRAGMENTS) != 0;
}

/* Sets protocol, network_bytes and the fields from the extension headers. */
static void walk_extensions(const uint8_t *data, struct weft_packet *packet) {
  size_t at = WEFT_IPV6_BYTES;
  packet->protocol = data[6];
  packet->network_bytes = WEFT_IPV6_BYTES;
  for (unsigned i = 0; i < MAX_EXTENSION_HEADERS && is_extension(packet->protocol); i++) {
    const uint8_t *header = data + at;
    packet->has_options = true;
    if (packet->total_bytes - at < 8 || packet->total_bytes - at < extension_bytes(packet->protocol, header)) {
      packet->protocol = WEFT_PROTOCOL_NONE;
      return;
    }
    if (packet->protocol == FRAGMENT) note_fragment_header(header, packet);
    /* The checksum covers the final destination (RFC 8200 §8.1) and is not verifiable here. */
    if (packet->protocol == ROUTING && header[3] > 0) packet->is_source_routed = true;
    at += extension_bytes(packet->protocol, header);
    packet->protocol = header[0];
    packet->network_bytes = (uint16_t)at;
    if (packet->is_later_fragment) break;
  }
  /* Too many extension headers, or the rest is in another fragment. */
  if (is_extension(packet->protocol)) packet->protocol = WEFT_PROTOCOL_NONE;
}

static void read_transport(const uint8_t *data, struct weft_packet *packet) {
  const size_t length = packet->total_bytes - packet->network_bytes;
  const uint8_t *transport = data + packet->network_bytes;
  if (packet->is_fragment || packet->is_source_routed) return;
  if (packet->protocol == WEFT_PROTOCOL_UDP && length >= WEFT_UDP_BYTES) packet->transport_bytes = WEFT_UDP_BYTES;
  if (packet->protocol != WEFT_PROTOCOL_TCP || length < WEFT_TCP_BYTES) return;
  const unsigned header_bytes = (unsigned)(transport[12] >> 4) * 4;
  if (header_bytes >= WEFT_TCP_BYTES && header_bytes <= length) packet->transport_bytes = (uint16_t)header_bytes;
}

static enum weft_drop_reason parse_ipv4(const uint8_t *data, size_t length, struct weft_packet *packet) {
  if (length < WEFT_IPV4_BYTES) return WEFT_DROP_RX_MALFORMED;
  const unsigned header_bytes = (data[0] & 15u) * 4;
  const unsigned total_bytes = weft_load16(data + 2);
  const unsigned fragment = weft_load16(data + 6);
  if (header_bytes < WEFT_IPV4_BYTES || total_bytes < header_bytes || total_bytes > length)
    return WEFT_DROP_RX_MALFORMED;
  *packet = (struct weft_packet){
      .family = 4,
      .protocol = data[9],
      .tos = data[1],
      .ttl = data[8],
      .is_fragment = (fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) != 0,
      .is_later_fragment = (fragment & IPV4_FRAGMENT_OFFSET) != 0,
      .has_options = header_bytes > WEFT_IPV4_BYTES,
      .network_bytes = (uint16_t)header_bytes,
      .total_bytes = total_bytes,
  };
  read_transport(data, packet);
  return WEFT_NOT_DROPPED;
}

static enum weft_drop_reason parse_ipv6(const uint8_t *data, size_t length, struct weft_packet *packet) {
  if (length < WEFT_IPV6_BYTES) return WEFT_DROP_RX_MALFORMED;
  const size_t total_bytes = WEFT_IPV6_BYTES + (size_t)weft_load16(data + 4);
  if (total_bytes > length) return WEFT_DROP_RX_MALFORMED;
  *packet = (struct weft_packet){
      .family = 6,
      .tos = (uint8_t)(data[0] << 4 | data[1] >> 4),
      .ttl = data[7],
      .total_bytes = (uint32_t)total_bytes,
  };
  walk_extensions(data, packet);
  read_transport(data, packet);
  return WEFT_NOT_DROPPED;
}

enum weft_drop_reason weft_packet_parse(const uint8_t *data, size_t length, struct weft_packet *packet) {
  if (length == 0) return WEFT_DROP_RX_MALFORMED;
  if (data[0] >> 4 == 4) return parse_ipv4(data, length, packet);
  if (data[0] >> 4 == 6) return parse_ipv6(data, length, packet);
  return WEFT_DROP_RX_MALFORMED;
}

uint64_t weft_pseudo_sum(const uint8_t *data, const struct weft_packet *packet, size_t transport_length) {
  const size_t addresses = packet->family == 4 ? 8 : 32; /* source and destination are adjacent */
  /* The length has 16 bits in IPv4 and 32 in IPv6. Both sum to the same. */
  const uint64_t sum = (uint64_t)htons(packet->protocol) + htonl((uint32_t)transport_length);
  return weft_sum(sum, weft_packet_source(data, packet), addresses);
}

static size_t checksum_offset(const struct weft_packet *packet) {
  return packet->network_bytes + (packet->protocol == WEFT_PROTOCOL_TCP ? 16u : 6u);
}

/*
 * Bytes that the checksum covers: the UDP length, which can be less than the packet, or all of TCP.
 * 0 if the length is invalid.
 */
static size_t covered_bytes(const uint8_t *data, const struct weft_packet *packet) {
  const size_t available = packet->total_bytes - packet->network_bytes;
  if (packet->transport_bytes == 0) return 0;
  if (packet->protocol == WEFT_PROTOCOL_TCP) return available;
  const size_t length = weft_load16(data + packet->network_bytes + 4);
  return length < WEFT_UDP_BYTES || length > available ? 0 : length;
}

bool weft_packet_is_partial(const uint8_t *data, const struct weft_packet *packet) {
  const size_t covered = covered_bytes(data, packet);
  uint16_t field;
  if (covered == 0) return false;
  memcpy(&field, data + checksum_offset(packet), sizeof(field));
  return field == weft_fold(weft_pseudo_sum(data, packet, covered));
}

enum weft_checksum_state weft_packet_checksum(const uint8_t *data, const struct weft_packet *packet) {
  const size_t covered = covered_bytes(data, packet);
  if (covered == 0) return WEFT_CHECKSUM_BAD;
  if (packet->protocol == WEFT_PROTOCOL_UDP && weft_load16(data + checksum_offset(packet)) == 0)
    return packet->family == 4 ? WEFT_CHECKSUM_NONE : WEFT_CHECKSUM_BAD;
  const uint64_t pseudo = weft_pseudo_sum(data, packet, covered);
  if (weft_fold(weft_sum(pseudo, data + packet->network_bytes, covered)) == 0xffff) return WEFT_CHECKSUM_GOOD;
  return weft_packet_is_partial(data, packet) ? WEFT_CHECKSUM_PARTIAL : WEFT_CHECKSUM_BAD;
}

static uint64_t mix(uint64_t hash, uint32_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio */
  return hash ^ hash >> 32;
}

uint32_t weft_packet_flow_hash(const uint8_t *data, const struct weft_packet *packet) {
  const uint8_t *addresses = weft_packet_source(data, packet);
  const size_t bytes = packet->family == 4 ? 8 : 32;
  uint64_t hash = packet->family;
  for (size_t i = 0; i < bytes; i += 4) hash = mix(hash, weft_load32(addresses + i));
  if (!packet->is_fragment) hash = mix(hash, packet->protocol);
  if (packet->transport_bytes > 0) hash = mix(hash, weft_load32(data + packet->network_bytes));
  return (uint32_t)hash;
}

void weft_packet_decrement_ttl(uint8_t *data, const struct weft_packet *packet) {
  uint16_t before, after;
  if (packet->family == 6) {
    data[7]--;
    return;
  }
  memcpy(&before, data + 8, sizeof(before)); /* TTL and protocol */
  data[8]--;
  memcpy(&after, data + 8, sizeof(after));
  weft_update_checksum(data + 10, before, after);
}
