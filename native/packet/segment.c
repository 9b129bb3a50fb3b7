/*
 * Software segmentation (TSO, USO) and completion of partial checksums. Writes headers into the
 * caller's buffer. Payload stays in place.
 */
#include "segment.h"

#include <arpa/inet.h>
#include <string.h>

#include "checksum.h"
#include "wire.h"

/* Offsets in the headers. */
enum { IPV4_LENGTH = 2, IPV4_ID = 4, IPV4_CHECKSUM = 10, IPV6_LENGTH = 4 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, TCP_CHECKSUM = 16, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };

static bool goes_together(unsigned gso_type, const struct weft_packet *packet) {
  switch (gso_type) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
      return packet->family == 4 && packet->protocol == WEFT_PROTOCOL_TCP;
    case VIRTIO_NET_HDR_GSO_TCPV6:
    case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
      return packet->family == 6 && packet->protocol == WEFT_PROTOCOL_TCP;
    case VIRTIO_NET_HDR_GSO_UDP_L4: return packet->protocol == WEFT_PROTOCOL_UDP;
    default: return false;
  }
}

/* The complement of a word: adding it subtracts the word (RFC 1624 §3). */
static uint64_t minus(const uint8_t *word) {
  uint16_t value;
  memcpy(&value, word, sizeof(value));
  return (uint16_t)~value;
}

enum weft_drop_reason weft_segmenter_init(struct weft_segmenter *segmenter, const struct virtio_net_hdr *header,
                                          const uint8_t *data, size_t length, const struct weft_packet *packet) {
  const size_t header_bytes = (size_t)packet->network_bytes + packet->transport_bytes;
  /* Of the virtio header only gso_size is reliable. hdr_len can have another origin. */
  if (!goes_together(header->gso_type, packet) || packet->transport_bytes == 0 || header->gso_size == 0 ||
      header_bytes > WEFT_MAX_INNER_HEADER || packet->total_bytes > length)
    return WEFT_DROP_TX_MALFORMED;
  const size_t payload_bytes = packet->total_bytes - header_bytes;
  *segmenter = (struct weft_segmenter){
      .header_bytes = header_bytes,
      .segment_payload = header->gso_size,
      .count = payload_bytes == 0 ? 1 : (unsigned)((payload_bytes + header->gso_size - 1) / header->gso_size),
      .data = data,
      .packet = *packet,
      .offset = header_bytes,
      .end = packet->total_bytes,
      .pseudo_sum = weft_pseudo_sum(data, packet, 0),
  };
  if (packet->family == 4)
    segmenter->network_sum = weft_sum(0, data, packet->network_bytes) + minus(data + IPV4_LENGTH) +
                             minus(data + IPV4_ID) + minus(data + IPV4_CHECKSUM);
  return WEFT_NOT_DROPPED;
}

static void patch_network(const struct weft_segmenter *segmenter, uint8_t *header, size_t bytes) {
  if (segmenter->packet.family == 6) {
    weft_store16(header + IPV6_LENGTH, (unsigned)(bytes - WEFT_IPV6_BYTES));
    return;
  }
  const unsigned id = (weft_load16(header + IPV4_ID) + segmenter->index) & 0xffff;
  weft_store16(header + IPV4_LENGTH, (unsigned)bytes);
  weft_store16(header + IPV4_ID, id);
  weft_store_checksum(header + IPV4_CHECKSUM, segmenter->network_sum + htons((uint16_t)bytes) + htons((uint16_t)id));
}

static void patch_tcp(const struct weft_segmenter *segmenter, uint8_t *tcp) {
  const uint32_t sequence = weft_load32(tcp + TCP_SEQUENCE);
  weft_store32(tcp + TCP_SEQUENCE, sequence + segmenter->index * (uint32_t)segmenter->segment_payload);
  if (segmenter->index > 0) tcp[TCP_FLAGS] &= (uint8_t)~WEFT_TCP_CWR;
  if (segmenter->index + 1 < segmenter->count) tcp[TCP_FLAGS] &= (uint8_t) ~(WEFT_TCP_FIN | WEFT_TCP_PSH);
}

/* Zeroes the checksum field of the transport header and returns it. */
static uint8_t *patch_transport(const struct weft_segmenter *segmenter, uint8_t *transport, size_t bytes) {
  const bool is_tcp = segmenter->packet.protocol == WEFT_PROTOCOL_TCP;
  uint8_t *field = transport + (is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  if (is_tcp) patch_tcp(segmenter, transport);
  else weft_store16(transport + UDP_LENGTH, (unsigned)bytes);
  memset(field, 0, 2);
  return field;
}

/* In UDP, 0 means "no checksum". All ones is the same number (RFC 768). */
static void store_udp_checksum(uint8_t *field, uint64_t sum) {
  weft_store_checksum(field, sum);
  if (field[0] == 0 && field[1] == 0) memset(field, 0xff, 2);
}

bool weft_segmenter_next(struct weft_segmenter *segmenter, uint8_t *header) {
  const size_t network_bytes = segmenter->packet.network_bytes;
  const size_t left = segmenter->end - segmenter->offset;
  if (segmenter->index == segmenter->count) return false;
  segmenter->payload = segmenter->data + segmenter->offset;
  segmenter->payload_bytes = left < segmenter->segment_payload ? left : segmenter->segment_payload;
  const size_t bytes = segmenter->header_bytes + segmenter->payload_bytes;
  const size_t transport_bytes = bytes - network_bytes;
  memcpy(header, segmenter->data, segmenter->header_bytes);
  patch_network(segmenter, header, bytes);
  uint8_t *field = patch_transport(segmenter, header + network_bytes, transport_bytes);
  uint64_t sum = segmenter->pseudo_sum + htons((uint16_t)transport_bytes);
  sum = weft_sum(sum, header + network_bytes, segmenter->packet.transport_bytes);
  sum = weft_sum(sum, segmenter->payload, segmenter->payload_bytes);
  if (segmenter->packet.protocol == WEFT_PROTOCOL_UDP) store_udp_checksum(field, sum);
  else weft_store_checksum(field, sum);
  segmenter->offset += segmenter->payload_bytes;
  segmenter->index++;
  return true;
}

enum weft_drop_reason weft_complete_checksum(const struct virtio_net_hdr *header, uint8_t *data, size_t length) {
  const size_t start = header->csum_start;
  const size_t field = start + header->csum_offset;
  if (field + 2 > length) return WEFT_DROP_TX_MALFORMED;
  /*
   * The field has the pseudo-header sum, which is part of the sum. All ones is valid in TCP, too.
   */
  store_udp_checksum(data + field, weft_sum(0, data + start, length - start));
  return WEFT_NOT_DROPPED;
}
