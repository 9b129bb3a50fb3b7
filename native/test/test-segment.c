/* Segmentation: each field of each segment, and super-packets that must be dropped. */
#include "packet/segment.h"

#include "support/build-packet.h"
#include "support/expect.h"

static uint8_t super[WEFT_MAX_PACKET + 1], noise[WEFT_MAX_PACKET], segment[WEFT_MAX_PACKET], expected[WEFT_MAX_PACKET];
static struct weft_packet packet;

static struct virtio_net_hdr header_of(const struct shape *shape, size_t gso_size) {
  const unsigned tcp = shape->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
  return (struct virtio_net_hdr){
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
      .gso_type = (uint8_t)(shape->protocol == WEFT_PROTOCOL_TCP ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4),
      .hdr_len = 1, /* which may be anything */
      .gso_size = (uint16_t)gso_size,
      .csum_start = (uint16_t)shape_network_bytes(shape),
      .csum_offset = shape->protocol == WEFT_PROTOCOL_TCP ? 16 : 6,
  };
}

/* As the kernel delivers it, with a partial checksum. */
static size_t build_super(const struct shape *shape, size_t payload_bytes) {
  const size_t length = build_packet(super, shape, noise, payload_bytes);
  make_partial(super, length, shape);
  EXPECT(weft_packet_parse(super, length, &packet), 0);
  return length;
}

/* The shape of segment `index`: what a sender without offload would have sent. */
static struct shape segment_shape(const struct shape *whole, unsigned index, bool is_last, size_t mss) {
  struct shape shape = *whole;
  shape.id = (whole->id + index) & 0xffff;
  shape.sequence = whole->sequence + index * (uint32_t)mss;
  if (!is_last) shape.flags &= ~(unsigned)(WEFT_TCP_FIN | WEFT_TCP_PSH);
  if (index > 0) shape.flags &= ~(unsigned)WEFT_TCP_CWR;
  return shape;
}

static void expect_segments(const struct shape *shape, size_t payload_bytes, size_t mss) {
  struct weft_segmenter segmenter;
  const size_t length = build_super(shape, payload_bytes), header_bytes = shape_header_bytes(shape);
  const struct virtio_net_hdr header = header_of(shape, mss);
  unsigned index = 0;
  EXPECT(weft_segmenter_init(&segmenter, &header, super, length, &packet), 0);
  EXPECT(segmenter.header_bytes, header_bytes);
  EXPECT(segmenter.count, payload_bytes == 0 ? 1 : (payload_bytes + mss - 1) / mss);
  for (size_t at = 0; weft_segmenter_next(&segmenter, segment); at += mss, index++) {
    const size_t bytes = payload_bytes - at < mss ? payload_bytes - at : mss;
    const struct shape part = segment_shape(shape, index, index + 1 == segmenter.count, mss);
    const size_t total = build_packet(expected, &part, noise + at, bytes);
    EXPECT(segmenter.payload_bytes, bytes);
    EXPECT(segmenter.payload == super + header_bytes + at, true);
    memcpy(segment + header_bytes, segmenter.payload, bytes);
    EXPECT_BYTES(segment, expected, total);
  }
  EXPECT(index, segmenter.count);
  EXPECT(weft_segmenter_next(&segmenter, segment), false);
}

static void test_all_kinds(void) {
  static const unsigned PROTOCOLS[] = {WEFT_PROTOCOL_TCP, WEFT_PROTOCOL_UDP};
  static const size_t SIZES[][2] = {{10, 1400},    {1400, 1400}, {1401, 1400}, {2800, 1400}, {60001, 1400},
                                    {65000, 1373}, {700, 7},     {64, 1},      {0, 1400},    {30000, 65535}};
  for (unsigned i = 0; i < 4; i++) {
    for (size_t j = 0; j < sizeof(SIZES) / sizeof(SIZES[0]); j++) {
      for (size_t extra = 0; extra <= 16; extra += 8) {
        const struct shape shape = {.family = i % 2 ? 6 : 4,
                                    .protocol = PROTOCOLS[i / 2],
                                    .tos = 0x2e,
                                    .ttl = 64,
                                    .id = 0xfff0, /* wraps around, as the sequence number does */
                                    .is_df = j % 2 == 0,
                                    .flow_label = 0x12345,
                                    .network_extra = extra,
                                    .tcp_extra = extra + extra / 2,
                                    .source_port = 40000,
                                    .destination_port = 443,
                                    .sequence = 0xffffff00,
                                    .ack = 0x01020304,
                                    .flags = WEFT_TCP_ACK | WEFT_TCP_PSH | WEFT_TCP_FIN | WEFT_TCP_CWR | WEFT_TCP_ECE,
                                    .window = 500};
        expect_segments(&shape, SIZES[j][0], SIZES[j][1]);
      }
    }
  }
}

/* The largest headers that there may be, and four bytes more. */
static void test_header_limit(void) {
  struct shape shape = {.family = 6, .protocol = WEFT_PROTOCOL_TCP, .network_extra = 144, .tcp_extra = 20, .ttl = 1};
  expect_segments(&shape, 3000, 1200);
  shape.tcp_extra += 4;
  struct weft_segmenter segmenter;
  const size_t length = build_super(&shape, 3000);
  const struct virtio_net_hdr header = header_of(&shape, 1200);
  EXPECT(weft_segmenter_init(&segmenter, &header, super, length, &packet) != 0, true);
}

/* "No checksum" must not come out of a sum that happens to be all ones. */
static void test_udp_zero_checksum(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    const struct shape shape = {.family = family, .protocol = WEFT_PROTOCOL_UDP, .ttl = 1};
    struct weft_segmenter segmenter;
    const struct virtio_net_hdr header = header_of(&shape, 100);
    fill_noise(noise, 200);
    weft_store16(noise, 0);
    build_packet(expected, &shape, noise, 100);
    /* With the checksum itself added as payload, the sum of the rest is all ones. */
    memcpy(noise, transport_checksum(expected, &shape), 2);
    const size_t length = build_super(&shape, 200);
    EXPECT(weft_segmenter_init(&segmenter, &header, super, length, &packet), 0);
    EXPECT(weft_segmenter_next(&segmenter, segment), true);
    EXPECT(weft_load16(transport_checksum(segment, &shape)), 0xffff);
  }
}

static int init_with(unsigned gso_type, size_t gso_size, size_t length) {
  struct weft_segmenter segmenter;
  const struct virtio_net_hdr header = {.gso_type = (uint8_t)gso_type, .gso_size = (uint16_t)gso_size};
  return weft_segmenter_init(&segmenter, &header, super, length, &packet);
}

static void test_refusals(void) {
  static const unsigned TYPES[] = {VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4};
  for (unsigned i = 0; i < 4; i++) {
    const bool is_udp = i >= 2;
    const struct shape shape = {.family = i % 2 ? 6 : 4, .protocol = is_udp ? WEFT_PROTOCOL_UDP : WEFT_PROTOCOL_TCP};
    const size_t length = build_super(&shape, 3000);
    const unsigned right = TYPES[is_udp ? 2 : i];
    for (unsigned type = 0; type < 256; type++) {
      const bool is_right = type == right || (!is_udp && type == (right | VIRTIO_NET_HDR_GSO_ECN));
      EXPECT(init_with(type, 1000, length), is_right ? 0 : WEFT_DROP_TX_MALFORMED);
    }
    EXPECT(init_with(right, 0, length), WEFT_DROP_TX_MALFORMED);
    EXPECT(init_with(right, 1000, length - 1), WEFT_DROP_TX_MALFORMED);
    EXPECT(init_with(right, 1000, length + 1), 0);
  }
  const struct shape shape = {.family = 4, .protocol = WEFT_PROTOCOL_UDP};
  const size_t length = build_super(&shape, 3000);
  weft_store16(super + 6, 0x2000);
  EXPECT(weft_packet_parse(super, length, &packet), 0);
  EXPECT(init_with(VIRTIO_NET_HDR_GSO_UDP_L4, 1000, length), WEFT_DROP_TX_MALFORMED);
}

static void test_complete(void) {
  for (unsigned i = 0; i < 4; i++) {
    const struct shape shape = {
        .family = i % 2 ? 6 : 4, .protocol = i / 2 ? WEFT_PROTOCOL_UDP : WEFT_PROTOCOL_TCP, .network_extra = 8};
    for (size_t payload_bytes = 0; payload_bytes < 40; payload_bytes++) {
      const size_t length = build_packet(expected, &shape, noise, payload_bytes);
      build_super(&shape, payload_bytes);
      const struct virtio_net_hdr header = header_of(&shape, 0);
      EXPECT(weft_complete_checksum(&header, super, length), 0);
      EXPECT_BYTES(super, expected, length);
    }
  }
}

static void test_complete_refuses(void) {
  uint8_t *exact = malloc(40);
  memset(exact, 0x11, 40);
  for (unsigned start = 0; start < 100; start++) {
    for (unsigned offset = 0; offset < 100; offset++) {
      const struct virtio_net_hdr header = {.csum_start = (uint16_t)start, .csum_offset = (uint16_t)offset};
      EXPECT(weft_complete_checksum(&header, exact, 40), start + offset + 2 <= 40 ? 0 : WEFT_DROP_TX_MALFORMED);
    }
  }
  const struct virtio_net_hdr header = {.csum_start = 0xffff, .csum_offset = 0xffff};
  EXPECT(weft_complete_checksum(&header, exact, 40), WEFT_DROP_TX_MALFORMED);
  free(exact);
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  test_all_kinds();
  test_header_limit();
  test_udp_zero_checksum();
  fill_noise(noise, sizeof(noise));
  test_refusals();
  test_complete();
  test_complete_refuses();
}
