/*
 * Builds super-packets by the rules of the kernel's GRO (tcp_gro_receive, udp_gro_receive), more
 * strictly. Reads the caller's memory only.
 */
#include "coalesce.h"

#include <string.h>

#include "checksum.h"
#include "wire.h"

enum {
  IPV4_DONT_FRAGMENT = 0x40, /* in byte 6 */
  IPV4_OTHER_FLAGS = 0xbf,   /* reserved, more fragments, high bits of the offset */
  TCP_LAST_FLAGS = WEFT_TCP_FIN | WEFT_TCP_PSH,
  TCP_COALESCABLE_FLAGS = WEFT_TCP_ACK | WEFT_TCP_ECE | TCP_LAST_FLAGS,
  TCP_CHECKSUM_OFFSET = 16,
  UDP_CHECKSUM_OFFSET = 6,
};

static size_t header_bytes(const struct weft_packet *packet) {
  return (size_t)packet->network_bytes + packet->transport_bytes;
}

static size_t payload_bytes(const struct weft_packet *packet) {
  return packet->total_bytes - header_bytes(packet);
}

static bool is_tcp(const struct weft_packet *packet) {
  return packet->protocol == WEFT_PROTOCOL_TCP;
}

/* Whether a packet can be part of a super-packet. Ignores checksums. */
static bool is_coalescable(const uint8_t *data, const struct weft_packet *packet, unsigned flags) {
  const uint8_t *transport = data + packet->network_bytes;
  if (packet->is_fragment || packet->has_options || packet->transport_bytes == 0) return false;
  if (packet->family == 4 && (data[6] & IPV4_OTHER_FLAGS) != 0) return false;
  if (payload_bytes(packet) == 0 || header_bytes(packet) > WEFT_MAX_INNER_HEADER) return false;
  if (is_tcp(packet))
    return (flags & WEFT_COALESCE_TCP) && (transport[13] & ~TCP_COALESCABLE_FLAGS) == 0 &&
           (transport[13] & WEFT_TCP_ACK) && (transport[12] & 15) == 0;
  return packet->protocol == WEFT_PROTOCOL_UDP && (flags & WEFT_COALESCE_UDP) && weft_load16(transport + 6) != 0 &&
         weft_load16(transport + 4) == packet->total_bytes - packet->network_bytes;
}

static bool has_good_checksums(const uint8_t *data, const struct weft_packet *packet) {
  if (packet->family == 4 && weft_fold(weft_sum(0, data, WEFT_IPV4_BYTES)) != 0xffff) return false;
  return weft_packet_checksum(data, packet) == WEFT_CHECKSUM_GOOD;
}

/* Whether a packet ends its super-packet: it has FIN or PSH, or is shorter than the others. */
static bool is_last(const struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet) {
  if (payload_bytes(packet) < coalescer->segment_payload) return true;
  return is_tcp(packet) && (data[packet->network_bytes + 13] & TCP_LAST_FLAGS) != 0;
}

static bool same_ipv4(const struct weft_coalescer *coalescer, const uint8_t *data) {
  const uint8_t *first = coalescer->first;
  const bool has_id = (data[6] & IPV4_DONT_FRAGMENT) == 0; /* otherwise the field is meaningless (RFC 6864 §4) */
  return first[1] == data[1] && first[6] == data[6] && memcmp(first + 8, data + 8, 2) == 0 &&
         memcmp(first + 12, data + 12, 8) == 0 && (!has_id || weft_load16(data + 4) == coalescer->next_id);
}

/* Version, traffic class, flow label; next header, hop limit, addresses. */
static bool same_ipv6(const uint8_t *first, const uint8_t *data) {
  return memcmp(first, data, 4) == 0 && memcmp(first + 6, data + 6, 34) == 0;
}

/*
 * Whether ports, acknowledgement, header length, window, urgent pointer and options are equal, and
 * the sequence number is the next one.
 */
static bool continues_tcp(const struct weft_coalescer *coalescer, const uint8_t *transport, size_t bytes) {
  const uint8_t *first = coalescer->first + coalescer->packet.network_bytes;
  return memcmp(first, transport, 4) == 0 && weft_load32(transport + 4) == coalescer->next_sequence &&
         memcmp(first + 8, transport + 8, 5) == 0 && ((first[13] ^ transport[13]) & ~TCP_LAST_FLAGS) == 0 &&
         memcmp(first + 14, transport + 14, 2) == 0 && memcmp(first + 18, transport + 18, bytes - 18) == 0;
}

static bool continues(const struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet) {
  const struct weft_packet *first = &coalescer->packet;
  const uint8_t *transport = data + packet->network_bytes;
  if (packet->family != first->family || packet->protocol != first->protocol ||
      packet->transport_bytes != first->transport_bytes)
    return false;
  if (packet->family == 4 ? !same_ipv4(coalescer, data) : !same_ipv6(coalescer->first, data)) return false;
  if (payload_bytes(packet) > coalescer->segment_payload || coalescer->packets == WEFT_MAX_COALESCED) return false;
  if (coalescer->total_bytes + payload_bytes(packet) > WEFT_MAX_PACKET) return false;
  return is_tcp(packet) ? continues_tcp(coalescer, transport, packet->transport_bytes)
                        : memcmp(coalescer->first + first->network_bytes, transport, 4) == 0;
}

/* Sets the fields that the next packet must have, and whether one may follow. */
static void expect_next(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet) {
  if (packet->family == 4) coalescer->next_id = (uint16_t)(weft_load16(data + 4) + 1);
  if (is_tcp(packet))
    coalescer->next_sequence = weft_load32(data + packet->network_bytes + 4) + (uint32_t)payload_bytes(packet);
  coalescer->is_full = is_last(coalescer, data, packet);
}

static void start(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet) {
  coalescer->first = data;
  coalescer->packet = *packet;
  coalescer->packets = 1;
  coalescer->total_bytes = coalescer->inner_bytes = packet->total_bytes;
  coalescer->is_verified = false;
  coalescer->is_full = true;
  coalescer->is_passthrough = true;
  memset(&coalescer->header, 0, sizeof(coalescer->header));
}

static void add_payload(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet) {
  coalescer->iov[1 + coalescer->packets] =
      (struct iovec){(void *)(uintptr_t)(data + header_bytes(packet)), payload_bytes(packet)};
}

/* Verifies the first packet when a second arrives: single packets need no sum. */
static bool is_first_good(struct weft_coalescer *coalescer) {
  if (!coalescer->is_verified && !has_good_checksums(coalescer->first, &coalescer->packet)) coalescer->is_full = true;
  coalescer->is_verified = true;
  return !coalescer->is_full;
}

bool weft_coalescer_add(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                        unsigned flags) {
  if (coalescer->packets == 0) {
    start(coalescer, data, packet);
    if (!is_coalescable(data, packet, flags)) return true;
    coalescer->segment_payload = payload_bytes(packet);
    add_payload(coalescer, data, packet);
    expect_next(coalescer, data, packet);
    return true;
  }
  if (coalescer->is_full || !is_coalescable(data, packet, flags) || !continues(coalescer, data, packet)) return false;
  if (!is_first_good(coalescer) || !has_good_checksums(data, packet)) return false;
  coalescer->packets++;
  coalescer->is_passthrough = false;
  coalescer->total_bytes += (uint32_t)payload_bytes(packet);
  coalescer->inner_bytes += packet->total_bytes;
  add_payload(coalescer, data, packet);
  expect_next(coalescer, data, packet);
  return true;
}

static uint8_t gso_type(const struct weft_packet *packet) {
  if (!is_tcp(packet)) return VIRTIO_NET_HDR_GSO_UDP_L4;
  return packet->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/*
 * Writes the virtio header: the kernel completes the checksum and, unless `segment_payload` is 0,
 * treats the packet as a super-packet.
 */
static void describe(struct weft_coalescer *coalescer, size_t segment_payload) {
  const struct weft_packet *packet = &coalescer->packet;
  coalescer->header = (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = segment_payload == 0 ? VIRTIO_NET_HDR_GSO_NONE : gso_type(packet),
      .hdr_len = (uint16_t)header_bytes(packet),
      .gso_size = (uint16_t)segment_payload,
      .csum_start = packet->network_bytes,
      .csum_offset = is_tcp(packet) ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET,
  };
}

void weft_coalescer_put_partial(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                                size_t mtu, size_t segment_payload) {
  start(coalescer, data, packet);
  if (is_tcp(packet))
    segment_payload = packet->total_bytes > mtu && mtu > header_bytes(packet) ? mtu - header_bytes(packet) : 0;
  if (segment_payload >= payload_bytes(packet)) segment_payload = 0;
  describe(coalescer, segment_payload);
  if (segment_payload == 0) return;
  /* Only the first segment has CWR (RFC 3168 §6.1.2). */
  if (is_tcp(packet) && (data[packet->network_bytes + 13] & WEFT_TCP_CWR))
    coalescer->header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
  coalescer->packets = (unsigned)((payload_bytes(packet) + segment_payload - 1) / segment_payload);
  coalescer->inner_bytes += (coalescer->packets - 1) * (uint32_t)header_bytes(packet);
}

static void set_lengths(const struct weft_coalescer *coalescer, uint8_t *headers) {
  const struct weft_packet *packet = &coalescer->packet;
  if (packet->family == 4) {
    weft_store16(headers + 2, coalescer->total_bytes);
    memset(headers + 10, 0, 2);
    weft_store_checksum(headers + 10, weft_sum(0, headers, WEFT_IPV4_BYTES));
  } else {
    weft_store16(headers + 4, coalescer->total_bytes - WEFT_IPV6_BYTES);
  }
  if (!is_tcp(packet))
    weft_store16(headers + packet->network_bytes + 4, coalescer->total_bytes - packet->network_bytes);
}

/*
 * Builds the common header: lengths of the super-packet, flags of the last packet, a partial
 * checksum.
 */
static void make_headers(struct weft_coalescer *coalescer) {
  const struct weft_packet *packet = &coalescer->packet;
  uint8_t *transport = coalescer->headers + packet->network_bytes;
  const uint8_t *last = (const uint8_t *)coalescer->iov[1 + coalescer->packets].iov_base - packet->transport_bytes;
  memcpy(coalescer->headers, coalescer->first, header_bytes(packet));
  set_lengths(coalescer, coalescer->headers);
  if (is_tcp(packet)) transport[13] |= last[13];
  const uint16_t sum =
      weft_fold(weft_pseudo_sum(coalescer->headers, packet, coalescer->total_bytes - packet->network_bytes));
  memcpy(transport + (is_tcp(packet) ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET), &sum, sizeof(sum));
}

void weft_coalescer_take(struct weft_coalescer *coalescer) {
  coalescer->iov[0] = (struct iovec){&coalescer->header, sizeof(coalescer->header)};
  if (coalescer->is_passthrough) {
    coalescer->iov[1] = (struct iovec){(void *)(uintptr_t)coalescer->first, coalescer->packet.total_bytes};
    coalescer->iov_count = 2;
    return;
  }
  describe(coalescer, coalescer->segment_payload);
  make_headers(coalescer);
  coalescer->iov[1] = (struct iovec){coalescer->headers, header_bytes(&coalescer->packet)};
  coalescer->iov_count = 2 + coalescer->packets;
}
