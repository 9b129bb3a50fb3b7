/*
 * A super-packet of any bytes with any virtio header. The segments have to be good packets with the
 * payload of the whole, no more and no less; and joined again they have to be the super-packet
 * again, byte by byte.
 *
 * Input: virtio header, packet.
 */
#include "packet/segment.h"

#include "packet/coalesce.h"
#include "property.h"
#include "test/support/build-packet.h"

enum { MAX_SEGMENTS = WEFT_MAX_COALESCED };

static uint8_t segments[MAX_SEGMENTS][WEFT_MAX_PACKET];
static uint8_t joined[WEFT_MAX_PACKET];

static void check_segment(const uint8_t *segment, size_t length, const struct weft_packet *whole) {
  struct weft_packet packet;
  HOLDS(weft_packet_parse(segment, length, &packet) == 0);
  HOLDS(packet.total_bytes == length);
  HOLDS(packet.network_bytes == whole->network_bytes && packet.transport_bytes == whole->transport_bytes);
  HOLDS(packet.tos == whole->tos && packet.ttl == whole->ttl);
  HOLDS(packet.family == 6 || plain_sum(0, segment, packet.network_bytes) == 0xffff);
  HOLDS(plain_transport_sum(segment, length, packet.network_bytes, packet.protocol) == 0xffff);
  HOLDS(packet.protocol == WEFT_PROTOCOL_TCP || weft_load16(segment + packet.network_bytes + 6) != 0);
  HOLDS(weft_packet_checksum(segment, &packet) == WEFT_CHECKSUM_GOOD);
}

/*
 * What TCP says once is said once: FIN and PSH by the last segment, CWR by the first. `at`: of its
 * payload.
 */
static void check_tcp(const uint8_t *tcp, const uint8_t *whole, size_t at, bool is_last) {
  const unsigned only_last = is_last ? 0 : WEFT_TCP_FIN | WEFT_TCP_PSH, only_first = at == 0 ? 0 : WEFT_TCP_CWR;
  HOLDS(tcp[13] == (whole[13] & ~(only_last | only_first)));
  HOLDS(weft_load32(tcp + 4) == weft_load32(whole + 4) + (uint32_t)at);
}

/*
 * The super-packet as its sender must have left it: what the kernel fills in is whatever it was in
 * the input.
 */
static void normalize(uint8_t *data, const struct weft_packet *packet) {
  uint8_t *transport = data + packet->network_bytes;
  const size_t length = packet->total_bytes - packet->network_bytes;
  const bool is_tcp = packet->protocol == WEFT_PROTOCOL_TCP;
  if (!is_tcp) weft_store16(transport + 4, (unsigned)length);
  weft_store16(transport + (is_tcp ? 16 : 6), plain_pseudo_sum(data, packet->protocol, length));
  if (packet->family == 6) return;
  weft_store16(data + 10, 0);
  weft_store16(data + 10, 0xffff & ~plain_sum(0, data, packet->network_bytes));
}

/* Joins all segments, if that is possible at all. */
static void check_joined(const uint8_t *data, const struct weft_packet *whole, const size_t *lengths, unsigned count) {
  static struct weft_coalescer coalescer;
  struct weft_packet packet;
  size_t at = 0;
  weft_coalescer_clear(&coalescer);
  for (unsigned i = 0; i < count; i++) {
    HOLDS(weft_packet_parse(segments[i], lengths[i], &packet) == 0);
    if (!weft_coalescer_add(&coalescer, segments[i], &packet, WEFT_COALESCE_TCP | WEFT_COALESCE_UDP)) return;
  }
  weft_coalescer_take(&coalescer);
  for (unsigned i = 1; i < coalescer.iov_count; i++) {
    HOLDS(at + coalescer.iov[i].iov_len <= sizeof(joined));
    memcpy(joined + at, coalescer.iov[i].iov_base, coalescer.iov[i].iov_len);
    at += coalescer.iov[i].iov_len;
  }
  HOLDS(coalescer.packets == count && at == whole->total_bytes);
  if (count == 1) return;
  uint8_t *expected = malloc(whole->total_bytes);
  memcpy(expected, data, whole->total_bytes);
  normalize(expected, whole);
  HOLDS(memcmp(joined, expected, at) == 0);
  free(expected);
}

static void check_segments(const struct virtio_net_hdr *header, const uint8_t *data, size_t size,
                           const struct weft_packet *packet) {
  struct weft_segmenter segmenter;
  size_t lengths[MAX_SEGMENTS], payload_bytes = 0;
  unsigned count = 0;
  if (weft_segmenter_init(&segmenter, header, data, size, packet) != 0) return;
  const size_t header_bytes = segmenter.header_bytes;
  HOLDS(header_bytes <= WEFT_MAX_INNER_HEADER);
  for (; segmenter.count <= MAX_SEGMENTS; count++) {
    uint8_t *segment = segments[count % MAX_SEGMENTS];
    if (!weft_segmenter_next(&segmenter, segment)) break;
    HOLDS(count < segmenter.count);
    HOLDS(segmenter.payload == data + header_bytes + payload_bytes);
    HOLDS(segmenter.payload_bytes <= header->gso_size);
    if (packet->protocol == WEFT_PROTOCOL_TCP)
      check_tcp(segment + packet->network_bytes, data + packet->network_bytes, payload_bytes,
                count + 1 == segmenter.count);
    payload_bytes += segmenter.payload_bytes;
    HOLDS(header_bytes + payload_bytes <= packet->total_bytes);
    memcpy(segment + header_bytes, segmenter.payload, segmenter.payload_bytes);
    lengths[count] = header_bytes + segmenter.payload_bytes;
    check_segment(segment, lengths[count], packet);
  }
  if (segmenter.count > MAX_SEGMENTS) return;
  HOLDS(count == segmenter.count && header_bytes + payload_bytes == packet->total_bytes);
  check_joined(data, packet, lengths, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct virtio_net_hdr header;
  struct weft_packet packet;
  if (size < sizeof(header)) return 0;
  memcpy(&header, data, sizeof(header));
  size -= sizeof(header);
  uint8_t *copy = malloc(size); /* of its own length, and to be written to */
  memcpy(copy, data + sizeof(header), size);
  if (weft_packet_parse(copy, size, &packet) == 0) check_segments(&header, copy, size, &packet);
  const enum weft_drop_reason result = weft_complete_checksum(&header, copy, size);
  HOLDS((result == 0) == ((size_t)header.csum_start + header.csum_offset + 2 <= size));
  free(copy);
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *corpus = empty_corpus(*argc, *argv);
  static const uint8_t PAYLOAD[300] = "seed";
  uint8_t input[sizeof(struct virtio_net_hdr) + 500];
  for (unsigned i = 0; corpus && i < 4; i++) {
    const char name[] = {'s', 'e', 'e', 'd', (char)('0' + i), 0};
    const struct shape shape = {.family = i & 1 ? 6 : 4,
                                .protocol = i & 2 ? WEFT_PROTOCOL_TCP : WEFT_PROTOCOL_UDP,
                                .ttl = 64,
                                .flags = WEFT_TCP_ACK | WEFT_TCP_PSH};
    const unsigned tcp = i & 1 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    const struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                          .gso_type = (uint8_t)(i & 2 ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4),
                                          .gso_size = 90,
                                          .csum_start = i & 1 ? 40 : 20,
                                          .csum_offset = i & 2 ? 16 : 6};
    memcpy(input, &header, sizeof(header));
    write_seed(corpus, name, input,
               sizeof(header) + build_packet(input + sizeof(header), &shape, PAYLOAD, sizeof(PAYLOAD)));
  }
  return 0;
}
