/* Which packets are coalesced, which are not, and the resulting writes to the TUN device. */
#include "packet/coalesce.h"

#include "support/build-packet.h"
#include "support/expect.h"

enum { PACKETS = 80, ALL = WEFT_COALESCE_TCP | WEFT_COALESCE_UDP };

static uint8_t noise[WEFT_MAX_PACKET], packets[PACKETS][WEFT_MAX_PACKET], written[2 * WEFT_MAX_PACKET];
static uint8_t expected[WEFT_MAX_PACKET];
static struct weft_coalescer coalescer;

static struct shape shape_of(unsigned family, unsigned protocol) {
  return (struct shape){.family = family,
                        .protocol = protocol,
                        .tos = 2,
                        .ttl = 63,
                        .id = 0xfffe,
                        .flow_label = 0x777,
                        .tcp_extra = 12,
                        .source_port = 5201,
                        .destination_port = 40000,
                        .sequence = 0xfffffc00,
                        .ack = 99,
                        .flags = WEFT_TCP_ACK,
                        .window = 1000};
}

/*
 * Packet `index` of a flow in which each has `payload_bytes`; the last one may have another length.
 */
static size_t build(unsigned index, const struct shape *flow, size_t payload_bytes, size_t own_bytes) {
  struct shape shape = *flow;
  shape.id = (flow->id + index) & 0xffff;
  shape.sequence = flow->sequence + index * (uint32_t)payload_bytes;
  return build_packet(packets[index], &shape, noise + index * payload_bytes, own_bytes);
}

static bool add_flags(unsigned index, size_t length, unsigned flags) {
  struct weft_packet packet;
  EXPECT(weft_packet_parse(packets[index], length, &packet), 0);
  return weft_coalescer_add(&coalescer, packets[index], &packet, flags);
}

static bool add(unsigned index, size_t length) {
  return add_flags(index, length, ALL);
}

/* Takes what is there into `written`, without the virtio header; returns its length. */
static size_t take(struct virtio_net_hdr *header) {
  size_t length = 0;
  weft_coalescer_take(&coalescer);
  EXPECT(coalescer.iov_count <= WEFT_MAX_COALESCED_IOV, true);
  EXPECT(coalescer.iov[0].iov_len, sizeof(*header));
  memcpy(header, coalescer.iov[0].iov_base, sizeof(*header));
  for (unsigned i = 1; i < coalescer.iov_count; i++) {
    memcpy(written + length, coalescer.iov[i].iov_base, coalescer.iov[i].iov_len);
    length += coalescer.iov[i].iov_len;
  }
  weft_coalescer_clear(&coalescer);
  return length;
}

/* One packet alone, byte by byte. */
static void expect_alone(unsigned index, size_t length) {
  static const struct virtio_net_hdr PLAIN = {0};
  struct virtio_net_hdr header;
  EXPECT(coalescer.packets, 1);
  EXPECT(take(&header), length);
  EXPECT_BYTES(&header, &PLAIN, sizeof(PLAIN));
  EXPECT_BYTES(written, packets[index], length);
}

static unsigned gso_type(const struct shape *shape) {
  if (shape->protocol == WEFT_PROTOCOL_UDP) return VIRTIO_NET_HDR_GSO_UDP_L4;
  return shape->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

/*
 * The super-packet of `shape`, with its payload of `payload_bytes` from the beginning of the noise.
 */
static void expect_super(const struct shape *shape, unsigned count, size_t payload_bytes, size_t segment_bytes) {
  struct virtio_net_hdr header;
  const size_t length = build_packet(expected, shape, noise, payload_bytes);
  make_partial(expected, length, shape);
  EXPECT(coalescer.packets, count);
  EXPECT(coalescer.total_bytes, length);
  EXPECT(coalescer.inner_bytes, payload_bytes + count * shape_header_bytes(shape));
  EXPECT(take(&header), length);
  EXPECT_BYTES(written, expected, length);
  EXPECT(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  EXPECT(header.gso_type, gso_type(shape));
  EXPECT(header.gso_size, segment_bytes);
  EXPECT(header.hdr_len, shape_header_bytes(shape));
  EXPECT(header.csum_start, shape_network_bytes(shape));
  EXPECT(header.csum_offset, shape->protocol == WEFT_PROTOCOL_TCP ? 16 : 6);
}

static void test_joins(struct shape shape) {
  for (unsigned count = 1; count <= 40; count++) {
    for (unsigned i = 0; i < count; i++) EXPECT(add(i, build(i, &shape, 1400, 1400)), true);
    if (count > 1) expect_super(&shape, count, count * (size_t)1400, 1400);
    else expect_alone(0, shape_header_bytes(&shape) + 1400);
  }
}

/* A shorter one ends it; a longer one does not join. */
static void test_lengths(struct shape shape) {
  EXPECT(add(0, build(0, &shape, 1000, 1000)), true);
  EXPECT(add(1, build(1, &shape, 1000, 1000)), true);
  EXPECT(add(2, build(2, &shape, 1000, 1001)), false);
  EXPECT(add(2, build(2, &shape, 1000, 999)), true);
  EXPECT(add(3, build(3, &shape, 1000, 1000)), false);
  expect_super(&shape, 3, 2999, 1000);
  /* Nothing but headers. */
  EXPECT(add(0, build(0, &shape, 1000, 0)), true);
  EXPECT(add(1, build(1, &shape, 0, 1000)), false);
  expect_alone(0, shape_header_bytes(&shape));
}

static void test_limits(struct shape shape) {
  const size_t header_bytes = shape_header_bytes(&shape);
  for (unsigned i = 0; i < WEFT_MAX_COALESCED; i++) EXPECT(add(i, build(i, &shape, 64, 64)), true);
  EXPECT(add(64, build(64, &shape, 64, 64)), false);
  expect_super(&shape, 64, 64 * 64, 64);
  /* As much as fits into 65,535 bytes, and one byte more. */
  const size_t most = (WEFT_MAX_PACKET - header_bytes) / 2;
  EXPECT(add(0, build(0, &shape, most, most)), true);
  EXPECT(add(1, build(1, &shape, most, most)), true);
  expect_super(&shape, 2, 2 * most, most);
  EXPECT(add(0, build(0, &shape, most + 1, most + 1)), true);
  EXPECT(add(1, build(1, &shape, most + 1, most + 1)), false);
  expect_alone(0, header_bytes + most + 1);
}

static void test_flags(struct shape shape) {
  const unsigned own = shape.protocol == WEFT_PROTOCOL_TCP ? WEFT_COALESCE_TCP : WEFT_COALESCE_UDP;
  const size_t length = build(0, &shape, 100, 100);
  build(1, &shape, 100, 100);
  EXPECT(add_flags(0, length, (unsigned)ALL & ~own), true);
  EXPECT(add_flags(1, length, (unsigned)ALL & ~own), false);
  expect_alone(0, length);
  EXPECT(add_flags(0, length, own), true);
  EXPECT(add_flags(1, length, own), true);
  expect_super(&shape, 2, 200, 100);
}

/* Flags at the end of a burst: no packet follows, no flag is lost. */
static void test_push_and_fin(unsigned family) {
  static const unsigned LAST[] = {WEFT_TCP_PSH, WEFT_TCP_FIN, WEFT_TCP_PSH | WEFT_TCP_FIN};
  for (size_t i = 0; i < 3; i++) {
    struct shape shape = shape_of(family, WEFT_PROTOCOL_TCP), last = shape;
    last.flags |= LAST[i];
    EXPECT(add(0, build(0, &shape, 500, 500)), true);
    EXPECT(add(1, build(1, &last, 500, 500)), true);
    EXPECT(add(2, build(2, &shape, 500, 500)), false);
    expect_super(&last, 2, 1000, 500);
    EXPECT(add(0, build(0, &last, 500, 500)), true);
    EXPECT(add(1, build(1, &shape, 500, 500)), false);
    expect_alone(0, shape_header_bytes(&shape) + 500);
  }
}

static void test_tcp_flags(void) {
  for (unsigned flags = 0; flags < 256; flags++) {
    struct shape shape = shape_of(4, WEFT_PROTOCOL_TCP);
    shape.flags = flags;
    EXPECT(add(0, build(0, &shape, 500, 500)), true);
    EXPECT(add(1, build(1, &shape, 500, 500)), (flags & ~(unsigned)WEFT_TCP_ECE) == WEFT_TCP_ACK);
    weft_coalescer_clear(&coalescer);
  }
}

/*
 * Whether a second packet with good checksums, but `bits` changed in the byte at `at`, is
 * coalesced.
 */
static bool joins_with(const struct shape *shape, size_t at, unsigned bits) {
  build(0, shape, 100, 100);
  const size_t length = build(1, shape, 100, 100);
  packets[1][at] ^= (uint8_t)bits;
  refresh_checksums(packets[1], length, shape);
  EXPECT(add(0, length), true);
  const bool result = add(1, length);
  weft_coalescer_clear(&coalescer);
  return result;
}

static void expect_differences_matter(const struct shape *shape, size_t from, size_t to) {
  for (size_t at = from; at < to; at++)
    for (unsigned bit = 0; bit < 8; bit++) EXPECT(joins_with(shape, at, 1u << bit), false);
}

static void test_differences(void) {
  for (unsigned i = 0; i < 4; i++) {
    struct shape shape = shape_of(i % 2 ? 6 : 4, i / 2 ? WEFT_PROTOCOL_UDP : WEFT_PROTOCOL_TCP);
    const size_t at = shape_network_bytes(&shape);
    EXPECT(joins_with(&shape, 0, 0), true);
    if (shape.family == 4) {
      expect_differences_matter(&shape, 1, 2); /* TOS */
      expect_differences_matter(&shape, 4, 6); /* identification, without DF */
      EXPECT(joins_with(&shape, 6, 0x40), false);
      EXPECT(joins_with(&shape, 6, 0x80), false);
      EXPECT(joins_with(&shape, 6, 0x20), false);
      expect_differences_matter(&shape, 8, 9);   /* TTL */
      expect_differences_matter(&shape, 12, 20); /* addresses */
    } else {
      expect_differences_matter(&shape, 1, 4);  /* traffic class and flow label */
      expect_differences_matter(&shape, 7, 40); /* hop limit and addresses */
    }
    expect_differences_matter(&shape, at, at + 4); /* ports */
    if (shape.protocol == WEFT_PROTOCOL_UDP) continue;
    expect_differences_matter(&shape, at + 4, at + 13);  /* sequence, acknowledgement, offset */
    expect_differences_matter(&shape, at + 14, at + 16); /* window */
    expect_differences_matter(&shape, at + 18, at + 32); /* urgent pointer, options */
    for (unsigned bit = 0; bit < 8; bit++)
      EXPECT(joins_with(&shape, at + 13, 1u << bit), ((1u << bit) & (WEFT_TCP_FIN | WEFT_TCP_PSH)) != 0);
  }
}

/* With DF an identification means nothing (RFC 6864 §4). */
static void test_identification(void) {
  struct shape shape = shape_of(4, WEFT_PROTOCOL_TCP);
  shape.is_df = true;
  EXPECT(joins_with(&shape, 4, 0xff), true);
  EXPECT(joins_with(&shape, 5, 0x01), true);
}

static void test_options_never_join(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    struct shape shape = shape_of(family, WEFT_PROTOCOL_TCP);
    shape.network_extra = 8;
    EXPECT(joins_with(&shape, 0, 0), false);
  }
}

/* Packets with reserved flags are not coalesced. */
static void test_reserved_flag_never_joins(void) {
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_TCP);
  size_t length = 0;
  for (unsigned i = 0; i < 2; i++) {
    length = build(i, &shape, 50, 50);
    packets[i][6] |= 0x80;
    refresh_checksums(packets[i], length, &shape);
  }
  EXPECT(add(0, length), true);
  EXPECT(add(1, length), false);
  expect_alone(0, length);
}

/* Corrupts each byte of two packets in turn. The output equals the input. */
static void test_harm(struct shape shape) {
  const size_t length = build(0, &shape, 50, 50);
  for (unsigned harmed = 0; harmed < 2; harmed++) {
    for (size_t at = 0; at < length; at++) {
      struct weft_packet packet;
      build(0, &shape, 50, 50);
      build(1, &shape, 50, 50);
      packets[harmed][at] ^= 0x10;
      if (shape.family == 6 && (at < 4 || at == 7)) continue; /* not covered by any checksum */
      if (weft_packet_parse(packets[harmed], length, &packet) != 0) continue;
      const size_t harmed_length = packet.total_bytes;
      EXPECT(add(0, length), true);
      EXPECT(add(1, length), false);
      expect_alone(0, harmed == 0 ? harmed_length : length);
      EXPECT(add(1, length), true);
      expect_alone(1, harmed == 1 ? harmed_length : length);
    }
  }
}

/* A corrupt third packet: the first two are coalesced, the fourth does not continue the third. */
static void test_harm_later(struct shape shape) {
  size_t length = 0;
  for (unsigned i = 0; i < 4; i++) length = build(i, &shape, 50, 50);
  packets[2][length - 1] ^= 1;
  EXPECT(add(0, length), true);
  EXPECT(add(1, length), true);
  EXPECT(add(2, length), false);
  expect_super(&shape, 2, 100, 50);
  EXPECT(add(2, length), true);
  EXPECT(add(3, length), false);
  expect_alone(2, length);
}

static void test_no_udp_checksum(void) {
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_UDP);
  for (unsigned without = 0; without < 2; without++) {
    const size_t length = build(0, &shape, 50, 50);
    build(1, &shape, 50, 50);
    weft_store16(transport_checksum(packets[without], &shape), 0);
    EXPECT(add(0, length), true);
    EXPECT(add(1, length), false);
    expect_alone(0, length);
  }
}

static void test_partial_never_joins(struct shape shape) {
  for (unsigned partial = 0; partial < 2; partial++) {
    const size_t length = build(0, &shape, 50, 50);
    build(1, &shape, 50, 50);
    make_partial(packets[partial], length, &shape);
    EXPECT(add(0, length), true);
    EXPECT(add(1, length), false);
    expect_alone(0, length);
  }
}

/* Padding behind the packet is ignored. */
static void test_padding(struct shape shape) {
  size_t length = build(0, &shape, 6, 6);
  build(1, &shape, 6, 6);
  EXPECT(add(0, length + 20), true);
  expect_alone(0, length);
  EXPECT(add(0, length + 20), true);
  EXPECT(add(1, length + 20), true);
  expect_super(&shape, 2, 12, 6);
}

static struct virtio_net_hdr put_partial(const struct shape *shape, size_t bytes, size_t mtu, size_t segment_payload) {
  struct virtio_net_hdr header;
  struct weft_packet packet;
  const size_t length = build_packet(packets[0], shape, noise, bytes);
  make_partial(packets[0], length, shape);
  EXPECT(weft_packet_parse(packets[0], length, &packet), 0);
  weft_coalescer_put_partial(&coalescer, packets[0], &packet, mtu, segment_payload);
  /* It stays alone. */
  EXPECT(add(1, build(1, shape, bytes, bytes)), false);
  const unsigned count = coalescer.packets;
  EXPECT(coalescer.inner_bytes, length + (count - 1) * shape_header_bytes(shape));
  EXPECT(take(&header), length);
  EXPECT_BYTES(written, packets[0], length);
  EXPECT(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  EXPECT(header.csum_start, shape_network_bytes(shape));
  EXPECT(header.csum_offset, shape->protocol == WEFT_PROTOCOL_TCP ? 16 : 6);
  EXPECT(header.hdr_len, shape_header_bytes(shape));
  EXPECT(count, header.gso_size == 0 ? 1 : (bytes + header.gso_size - 1) / header.gso_size);
  return header;
}

static void test_put_partial(unsigned family) {
  struct shape tcp = shape_of(family, WEFT_PROTOCOL_TCP), udp = shape_of(family, WEFT_PROTOCOL_UDP);
  const size_t tcp_bytes = shape_header_bytes(&tcp);
  struct virtio_net_hdr header = put_partial(&tcp, 1400 - tcp_bytes, 1400, 0);
  EXPECT(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
  EXPECT(header.gso_size, 0);
  header = put_partial(&tcp, 1401 - tcp_bytes, 1400, 0);
  EXPECT(header.gso_type, gso_type(&tcp));
  EXPECT(header.gso_size, 1400 - tcp_bytes);
  tcp.flags |= WEFT_TCP_CWR;
  header = put_partial(&tcp, 30000, 1400, 0);
  EXPECT(header.gso_type, gso_type(&tcp) | VIRTIO_NET_HDR_GSO_ECN);
  EXPECT(header.gso_size, 1400 - tcp_bytes);
  /* A device whose MTU holds no payload: as it is. */
  EXPECT(put_partial(&tcp, 30000, tcp_bytes, 0).gso_type, VIRTIO_NET_HDR_GSO_NONE);
  /* Datagrams are segmented at the sender's segment size, or not at all. */
  EXPECT(put_partial(&udp, 3000, 1400, 0).gso_type, VIRTIO_NET_HDR_GSO_NONE);
  EXPECT(put_partial(&udp, 1000, 1400, 1000).gso_type, VIRTIO_NET_HDR_GSO_NONE);
  header = put_partial(&udp, 1000, 1400, 300);
  EXPECT(header.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
  EXPECT(header.gso_size, 300);
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  for (unsigned i = 0; i < 4; i++) {
    const struct shape shape = shape_of(i % 2 ? 6 : 4, i / 2 ? WEFT_PROTOCOL_UDP : WEFT_PROTOCOL_TCP);
    test_joins(shape);
    test_lengths(shape);
    test_limits(shape);
    test_flags(shape);
    test_harm(shape);
    test_harm_later(shape);
    test_partial_never_joins(shape);
    test_padding(shape);
  }
  test_push_and_fin(4);
  test_push_and_fin(6);
  test_tcp_flags();
  test_differences();
  test_identification();
  test_options_never_join();
  test_reserved_flag_never_joins();
  test_no_udp_checksum();
  test_put_partial(4);
  test_put_partial(6);
}
