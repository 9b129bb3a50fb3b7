/*
 * What a worker keeps between packets, batches and drains, and what it counts: routes that go away,
 * packets of several peers in one batch, super-packets of which the kernel takes a part, drops of
 * each reason, and more than a batch or a drain holds. Each case has a number of its own.
 */
#include "support/expect.h"
#include "support/fake-kernel.h"
#include "support/fake-worker.h"

enum { SMALL = 100, SMALL_BYTES = 128 };

static const uint8_t SUBNET_1[16] = {10, 4, 5}, SUBNET_2[16] = {10, 1, 2};

static struct weft_peer *peer_of(const uint8_t *subnet) {
  return weft_routes_find(path.routes, 4, subnet)->peer;
}

/* From the other end: source and destination change places, which no checksum notices. */
static void turn_round(uint8_t *packet) {
  uint8_t source[4];
  memcpy(source, packet + 12, 4);
  memcpy(packet + 12, packet + 16, 4);
  memcpy(packet + 16, source, 4);
}

/* A datagram with the packet in `built`, from a peer. */
static struct fake_item *receive_built(size_t length, unsigned peer) {
  static uint8_t whole[WEFT_MAX_PACKET + WEFT_MAX_ENCAP_HEADER];
  const struct weft_encap_settings settings = {0};
  const uint8_t mac[6] = {0};
  weft_encap_vxlan.make_header(whole, &settings, mac);
  memcpy(whole + WEFT_MAX_ENCAP_HEADER, built, length);
  struct fake_item *item = fake_put_bytes(&fake.udp_in, whole, WEFT_MAX_ENCAP_HEADER + length);
  item->remote = remote_of(peer);
  return item;
}

/* A UDP packet of its own flow, which nothing is coalesced with. */
static size_t build_small(unsigned number) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  shape.id = number;
  shape.source_port = 1000 + number;
  return build_packet(built, &shape, noise, SMALL);
}

static struct fake_item *receive_small(unsigned number, unsigned peer) {
  return receive_built(build_small(number), peer);
}

static void give_small(unsigned number) {
  fake_put_bytes(&fake.tun_in, built, build_small(number));
}

static void remove_route(const uint8_t *subnet) {
  EXPECT(weft_routes_remove(path.routes, 4, subnet, 24), 0);
  weft_routes_quiescent(path.routes, 0);
  weft_routes_reclaim(path.routes);
}

/* --- Routes that go away between drains --- */

/* The cached route of the last source is freed memory by then. */
static void test_source_route_removed(void) {
  begin();
  receive_small(0, 2);
  EXPECT(weft_rx_drain(worker), 1);
  EXPECT(worker->rx.source_route == NULL, true);
  EXPECT(worker->rx.counted.peer == NULL, true);
  remove_route(SUBNET_2);
  receive_small(0, 2);
  EXPECT(weft_rx_drain(worker), 1);
  EXPECT(fake.tun_out.count, 1);
  /* Another route of the peer is left, for IPv6. */
  expect_drops(WEFT_DROP_RX_SOURCE, 1);
  end();
}

/* A source that moves to another peer is that one's alone, from the next drain on. */
static void test_source_route_replaced(void) {
  begin();
  receive_small(0, 2);
  weft_rx_drain(worker);
  struct weft_route route = *weft_routes_find(path.routes, 4, SUBNET_2);
  route.remote = remote_of(1);
  EXPECT(weft_routes_set(path.routes, &route), 0);
  weft_routes_quiescent(path.routes, 0);
  receive_small(0, 2);
  receive_small(0, 1);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, 2);
  expect_drops(WEFT_DROP_RX_SOURCE, 1);
  end();
}

/* Nothing stays in the batch: the next packet of the flow goes to where its subnet is now. */
static void test_destination_replaced(void) {
  begin();
  give_small(0);
  EXPECT(weft_tx_drain(worker), 1);
  EXPECT(fake.sent.count, 1);
  EXPECT(worker->tx.runs_used + worker->tx.iov_used + worker->tx.slots_used, 0);
  struct weft_route route = *weft_routes_find(path.routes, 4, SUBNET_1);
  route.remote = remote_of(7);
  EXPECT(weft_routes_set(path.routes, &route), 0);
  weft_routes_quiescent(path.routes, 0);
  give_small(1);
  weft_tx_drain(worker);
  EXPECT(ntohl(fake.sent.items[0].remote.v4.sin_addr.s_addr), 0xc0000201);
  EXPECT(ntohl(fake.sent.items[1].remote.v4.sin_addr.s_addr), 0xc0000207);
  remove_route(SUBNET_1);
  give_small(2);
  weft_tx_drain(worker);
  EXPECT(fake.sent.count, 2);
  expect_drops(WEFT_DROP_TX_NO_ROUTE, 1);
  end();
}

/* --- Counts of each peer --- */

/* Turns of 1, 2, 3 … packets by two peers, in one batch and over two. */
static void test_received_by_peer(void) {
  uint64_t packets[3] = {0}, bytes[3] = {0};
  begin();
  for (unsigned turn = 1, number = 0; turn <= 6; turn++)
    for (unsigned index = 0; index < turn; index++, number++) {
      struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
      shape.source_port = number;
      const unsigned peer = 1 + turn % 2;
      const size_t length = build_packet(built, &shape, noise, 10 * (size_t)turn);
      if (peer == 1) turn_round(built);
      receive_built(length, peer);
      packets[peer]++;
      bytes[peer] += length;
    }
  EXPECT(weft_rx_drain(worker), 21);
  EXPECT(peer_of(SUBNET_1)->rx_packets, packets[1]);
  EXPECT(peer_of(SUBNET_2)->rx_packets, packets[2]);
  EXPECT(peer_of(SUBNET_1)->rx_bytes, bytes[1]);
  EXPECT(peer_of(SUBNET_2)->rx_bytes, bytes[2]);
  EXPECT(peer_of(SUBNET_1)->tx_packets + peer_of(SUBNET_2)->tx_packets, 0);
  EXPECT(counted(WEFT_RX_RECEIVES), 21);
  EXPECT(counted(WEFT_RX_WRITES), 21);
  EXPECT(counted(WEFT_RX_PACKETS), 21);
  EXPECT(counted(WEFT_RX_BYTES), bytes[1] + bytes[2]);
  expect_drops(WEFT_DROP_RX_SOURCE, 0);
  end();
}

static void test_sent_by_peer(void) {
  begin();
  const struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  for (unsigned index = 0; index < 12; index++) {
    const size_t length = build_packet(built, &shape, noise, index < 5 ? 100 : 200);
    if (index >= 5) turn_round(built);
    fake_put_bytes(&fake.tun_in, built, length);
  }
  EXPECT(weft_tx_drain(worker), 12);
  EXPECT(peer_of(SUBNET_1)->tx_packets, 5);
  EXPECT(peer_of(SUBNET_2)->tx_packets, 7);
  EXPECT(peer_of(SUBNET_1)->tx_bytes, 5 * 128);
  EXPECT(peer_of(SUBNET_2)->tx_bytes, 7 * 228);
  EXPECT(peer_of(SUBNET_1)->rx_packets + peer_of(SUBNET_2)->rx_packets, 0);
  EXPECT(counted(WEFT_TX_READS), 12);
  EXPECT(counted(WEFT_TX_SENDS), 2);
  EXPECT(counted(WEFT_TX_PACKETS), 12);
  EXPECT(counted(WEFT_TX_BYTES), 5 * 128 + 7 * 228);
  end();
}

/* --- Super-packets of which the kernel takes a part --- */

static unsigned writes_taken;

/* Rejects super-packets, and of single packets all but the first `writes_taken`. */
static int reject_after(const struct fake_item *packet) {
  if (packet->header.gso_type != VIRTIO_NET_HDR_GSO_NONE) return EINVAL;
  if (writes_taken == 0) return EIO;
  writes_taken--;
  return 0;
}

static void receive_whole_flow(const struct shape *shape, unsigned count) {
  for (unsigned index = 0; index < count; index++) receive_built(build_segment(shape, index), 2);
}

static void test_coalesced_partly_refused(unsigned protocol, unsigned taken) {
  const struct shape shape = shape_of(protocol);
  begin();
  writes_taken = taken;
  fake.reject_write = reject_after;
  receive_whole_flow(&shape, SEGMENTS);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, taken);
  EXPECT(counted(WEFT_RX_PACKETS), taken);
  EXPECT(counted(WEFT_RX_WRITES), 1 + SEGMENTS);
  EXPECT(counted(WEFT_RX_BYTES) > 0, taken > 0);
  expect_drops(WEFT_DROP_RX_REFUSED, SEGMENTS - taken);
  /* Nothing of it stays in the coalescer. */
  weft_rx_drain(worker);
  EXPECT(fake.writes, 1 + SEGMENTS);
  end();
}

static void test_partial_partly_refused(unsigned taken) {
  struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  writes_taken = taken;
  fake.reject_write = reject_after;
  atomic_store(&path.mtu, (uint32_t)(PAYLOAD + shape_header_bytes(&shape)));
  const size_t length = build_packet(built, &shape, noise, SEGMENTS * PAYLOAD);
  make_partial(built, length, &shape);
  receive_built(length, 2);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, taken);
  EXPECT(counted(WEFT_RX_PACKETS), taken);
  EXPECT(counted(WEFT_RX_WRITES), 1 + SEGMENTS);
  expect_drops(WEFT_DROP_RX_REFUSED, SEGMENTS - taken);
  end();
}

/* A device that refuses for another reason keeps its offload; the packet is not tried in pieces. */
static int reject_down(const struct fake_item *packet) {
  (void)packet;
  return EIO;
}

static void test_flow_refused_whole(unsigned count) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  fake.reject_write = reject_down;
  receive_whole_flow(&shape, count);
  weft_rx_drain(worker);
  EXPECT(fake.writes, 1);
  EXPECT(counted(WEFT_RX_PACKETS) + counted(WEFT_RX_BYTES), 0);
  EXPECT(atomic_load(&path.offloads.tso), true);
  expect_drops(WEFT_DROP_RX_REFUSED, count);
  end();
}

/* Both flows of a batch are written, and a partial one does not overtake the packets before it. */
static void test_order_within_flow(void) {
  struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  receive_built(build_segment(&shape, 0), 2);
  size_t length = build_segment(&shape, 1);
  make_partial(built, length, &shape);
  receive_built(length, 2);
  receive_built(build_segment(&shape, 2), 2);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, 3);
  for (unsigned index = 0; index < 3; index++)
    EXPECT(weft_load32(fake.tun_out.items[index].bytes + 24), 1000 + index * PAYLOAD);
  EXPECT(counted(WEFT_RX_PACKETS), 3);
  end();
}

/* Offloads that the device lacks are not used. */
static void test_no_offload(unsigned protocol) {
  const struct shape shape = shape_of(protocol);
  const bool is_tcp = protocol == WEFT_PROTOCOL_TCP;
  begin();
  atomic_store(is_tcp ? &path.offloads.tso : &path.offloads.uso, false);
  receive_whole_flow(&shape, SEGMENTS);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, SEGMENTS);
  EXPECT(fake.super_writes, 0);
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 0);
  end();
}

/* --- Drops by reason --- */

enum { TRUNCATED, SHORT, FLAGS, VNI, MAC, ARP, MALFORMED, SENDER, SOURCE, ECN, CASES };

static const enum weft_drop_reason REASONS[CASES] = {
    WEFT_DROP_RX_TRUNCATED, WEFT_DROP_RX_HEADER,    WEFT_DROP_RX_HEADER, WEFT_DROP_RX_VNI,    WEFT_DROP_RX_MAC,
    WEFT_DROP_RX_NOT_IP,    WEFT_DROP_RX_MALFORMED, WEFT_DROP_RX_SENDER, WEFT_DROP_RX_SOURCE, WEFT_DROP_RX_ECN};

static void receive_bad(unsigned kind) {
  struct fake_item *item = receive_small(kind, kind == SENDER ? 9 : kind == SOURCE ? 1 : 2);
  uint8_t *bytes = (uint8_t *)(uintptr_t)item->bytes;
  if (kind == TRUNCATED) item->is_truncated = true;
  if (kind == SHORT) item->length = 21;
  if (kind == FLAGS) bytes[0] = 0;
  if (kind == VNI) bytes[6] = 1;
  if (kind == MAC) bytes[8] = 2;
  if (kind == ARP) bytes[21] = 6;
  if (kind == MALFORMED) bytes[22] = 0x41;
  if (kind == ECN) item->tos = 3;
}

/* `kind + 1` datagrams of each kind among good ones, which arrive. */
static void test_receive_drops(void) {
  uint64_t expected[WEFT_COUNTER_COUNT] = {0};
  unsigned good = 0, received = 0;
  begin();
  for (unsigned kind = 0; kind < CASES; kind++) {
    for (unsigned index = 0; index <= kind; index++, received++) receive_bad(kind);
    expected[REASONS[kind]] += kind + 1;
    receive_small(100 + good++, 2);
  }
  for (unsigned drained; (drained = weft_rx_drain(worker)) > 0;) received -= drained;
  EXPECT((int)received + (int)good, 0);
  EXPECT(fake.tun_out.count, good);
  for (unsigned counter = WEFT_DROP_TX_MALFORMED; counter < WEFT_COUNTER_COUNT; counter++)
    EXPECT(counted(counter), expected[counter]);
  EXPECT(peer_of(SUBNET_2)->rx_packets, good);
  EXPECT(peer_of(SUBNET_1)->rx_packets, 0);
  end();
}

/* Without the check all senders are believed, but what is no packet is still none. */
static void test_unchecked_source(void) {
  begin();
  path.settings.is_source_checked = false;
  for (unsigned kind = MALFORMED; kind <= ECN; kind++) receive_bad(kind);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, 2);
  EXPECT(counted(WEFT_DROP_RX_MALFORMED), 1);
  EXPECT(counted(WEFT_DROP_RX_ECN), 1);
  EXPECT(counted(WEFT_DROP_RX_SENDER) + counted(WEFT_DROP_RX_SOURCE), 0);
  end();
}

/* Merged datagrams come apart: a bad one costs itself. */
static void test_merged_with_bad_one(void) {
  static uint8_t whole[3 * (SMALL_BYTES + WEFT_MAX_ENCAP_HEADER)];
  begin();
  for (unsigned index = 0; index < 3; index++) {
    const struct fake_item *item = receive_small(index, 2);
    memcpy(whole + index * item->length, item->bytes, item->length);
  }
  fake.udp_in.count = 0;
  whole[sizeof(whole) / 3] = 0;
  struct fake_item *merged = fake_put_bytes(&fake.udp_in, whole, sizeof(whole) - 5);
  merged->remote = remote_of(2);
  merged->segment_bytes = sizeof(whole) / 3;
  EXPECT(weft_rx_drain(worker), 1);
  /* The last one lacks five bytes. */
  EXPECT(fake.tun_out.count, 1);
  EXPECT(counted(WEFT_DROP_RX_HEADER), 1);
  EXPECT(counted(WEFT_DROP_RX_MALFORMED), 1);
  end();
}

static void test_send_drops(const struct weft_encap *encap, bool is_hop) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  begin();
  path.settings.encap = encap;
  remove_route(SUBNET_2);
  for (unsigned ttl = 0; ttl < 4; ttl++) {
    shape.ttl = ttl;
    give_packet(&shape, SMALL);
  }
  for (unsigned index = 0; index < 3; index++) {
    const size_t length = build_small(index);
    turn_round(built); /* to the route that is removed, and it has one for its sender */
    fake_put_bytes(&fake.tun_in, built, length);
  }
  for (unsigned index = 0; index < 5; index++) fake_put_bytes(&fake.tun_in, built, 19);
  weft_tx_drain(worker);
  EXPECT(fake.sent.count, is_hop ? 2 : 4);
  for (unsigned index = 0; index < fake.sent.count; index++)
    EXPECT(fake.sent.items[index].bytes[encap->header_bytes + 8], is_hop ? index + 1 : index);
  EXPECT(counted(WEFT_DROP_TX_TTL), is_hop ? 2 : 0);
  EXPECT(counted(WEFT_DROP_TX_NO_ROUTE), 3);
  EXPECT(counted(WEFT_DROP_TX_MALFORMED), 5);
  EXPECT(counted(WEFT_ICMP_SENT), is_hop ? 5 : 3);
  EXPECT(fake.tun_out.count, is_hop ? 5 : 3);
  /* Time exceeded, then destination unreachable: RFC 792. */
  if (is_hop) EXPECT(fake.tun_out.items[1].bytes[20], 11);
  EXPECT(fake.tun_out.items[fake.tun_out.count - 1].bytes[20], 3);
  end();
}

/* Has its own reason, and no ICMP error. The highest unicast address has both. */
static void test_multicast(void) {
  static const uint8_t FIRST_BYTES[] = {223, 224, 239, 255};
  begin();
  for (unsigned index = 0; index < sizeof(FIRST_BYTES); index++) {
    const size_t length = build_small(index);
    built[16] = FIRST_BYTES[index];
    fake_put_bytes(&fake.tun_in, built, length);
  }
  weft_tx_drain(worker);
  EXPECT(counted(WEFT_DROP_TX_NO_ROUTE), 1);
  EXPECT(counted(WEFT_ICMP_SENT), 1);
  EXPECT(counted(WEFT_DROP_TX_MULTICAST), 3);
  EXPECT(fake.sent.count, 0);
  end();
}

/* Errors have a rate limit, and need an address of their own. */
static void test_icmp_limits(void) {
  begin();
  remove_route(SUBNET_1);
  for (unsigned index = 0; index < 200; index++) give_small(index);
  weft_tx_drain(worker);
  EXPECT(counted(WEFT_ICMP_SENT) + counted(WEFT_ICMP_LIMITED), 200);
  EXPECT(counted(WEFT_ICMP_SENT), fake.tun_out.count);
  EXPECT(counted(WEFT_ICMP_SENT) >= 50 && counted(WEFT_ICMP_SENT) < 150, true);
  expect_drops(WEFT_DROP_TX_NO_ROUTE, 200);
  end();
  begin();
  remove_route(SUBNET_1);
  path.config.has_ipv4 = false;
  path.config.has_ipv6 = true;
  give_small(0);
  weft_tx_drain(worker);
  EXPECT(fake.tun_out.count, 0);
  EXPECT(counted(WEFT_ICMP_SENT) + counted(WEFT_ICMP_LIMITED), 0);
  expect_drops(WEFT_DROP_TX_NO_ROUTE, 1);
  end();
}

/* An error that the device does not take was not sent. */
static void test_icmp_refused(void) {
  begin();
  remove_route(SUBNET_1);
  fake.reject_write = reject_down;
  give_small(0);
  weft_tx_drain(worker);
  EXPECT(fake.writes, 1);
  EXPECT(counted(WEFT_ICMP_SENT), 0);
  end();
}

/* --- More than fits --- */

/* A drain leaves the other direction its turn: 4 batches of 16 messages, 256 packets. */
static void test_fair_share(void) {
  begin();
  for (unsigned index = 0; index < 100; index++) receive_small(index, 2);
  EXPECT(weft_rx_drain(worker), 64);
  EXPECT(weft_rx_drain(worker), 36);
  EXPECT(weft_rx_drain(worker), 0);
  EXPECT(counted(WEFT_RX_RECEIVES), 100);
  for (unsigned index = 0; index < 300; index++) give_small(index);
  EXPECT(weft_tx_drain(worker), 256);
  EXPECT(fake.sent.count, 256);
  EXPECT(weft_tx_drain(worker), 44);
  EXPECT(weft_tx_drain(worker), 0);
  EXPECT(counted(WEFT_TX_READS), 300);
  EXPECT(fake.sent.count, 300);
  for (unsigned index = 0; index < 300; index++) expect_sent(build_small(index));
  end();
}

/* Packets that fill the arena, and super-packets whose segments fill slots, pieces and runs. */
static void test_full_batch(size_t payload_bytes, unsigned count) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  begin();
  for (unsigned index = 0; index < count; index++) {
    shape.id = index;
    give_packet(&shape, payload_bytes);
  }
  EXPECT(weft_tx_drain(worker), count);
  for (unsigned index = 0; index < count; index++) {
    shape.id = index;
    expect_sent(build_packet(built, &shape, noise, payload_bytes));
  }
  EXPECT(fake.sent.taken, fake.sent.count);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

static void test_many_supers(unsigned protocol, unsigned segments, unsigned count) {
  const struct shape shape = shape_of(protocol);
  begin();
  for (unsigned index = 0; index < count; index++) give_super(&shape, segments);
  EXPECT(weft_tx_drain(worker), count);
  for (unsigned index = 0; index < count * segments; index++) expect_sent(build_segment(&shape, index % segments));
  EXPECT(counted(WEFT_TX_PACKETS), count * segments);
  EXPECT(fake.sent.taken, fake.sent.count);
  end();
}

/* Segments that just fit a learned path MTU stay one message. */
static void test_segments_as_large_as_path_mtu(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  struct weft_peer *peer = peer_of(SUBNET_1);
  atomic_store(&peer->path_mtu, (uint32_t)(PAYLOAD + shape_header_bytes(&shape) + OVERHEAD));
  atomic_store(&peer->path_mtu_until_ns, UINT64_MAX);
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  EXPECT(fake.messages, 1);
  expect_segments_sent(&shape, SEGMENTS);
  end();
}

/* Runs end where peer, mark or size change, and at 64 datagrams. */
static void test_runs(void) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  begin();
  for (unsigned index = 0; index < 65; index++) give_packet(&shape, SMALL);
  weft_tx_drain(worker);
  EXPECT(fake.messages, 2);
  give_packet(&shape, SMALL);
  give_packet(&shape, SMALL - 1); /* the last of its run */
  give_packet(&shape, SMALL - 1);
  give_packet(&shape, SMALL);
  shape.tos = 2;
  give_packet(&shape, SMALL);
  weft_tx_drain(worker);
  EXPECT(fake.messages, 2 + 4);
  EXPECT(fake.sent.count, 70);
  EXPECT(fake.sent.items[68].tos, 0);
  EXPECT(fake.sent.items[69].tos, 2);
  end();
}

/* DSCP leaves the overlay only if settings say so; the congestion mark always does. */
static void test_outer_tos(bool inherits_dscp) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  begin();
  path.settings.inherits_dscp = inherits_dscp;
  shape.tos = 0xb9;
  give_packet(&shape, SMALL);
  weft_tx_drain(worker);
  EXPECT(fake.sent.items[0].tos, inherits_dscp ? 0xb9 : 1);
  end();
}

/* --- Sockets --- */

/* With source ports every flow has one socket of its own, never the one that receives. */
static void test_source_ports(unsigned ports) {
  unsigned used[FAKE_SOCKETS] = {0};
  begin();
  worker->socket_count = 1 + ports;
  for (unsigned index = 0; index <= ports; index++) worker->sockets[index] = FAKE_SOCKET + (int)index;
  for (unsigned index = 0; index < 128; index++) give_small(index % 64);
  EXPECT(weft_tx_drain(worker), 128);
  EXPECT(fake.sent.count, 128);
  for (unsigned index = 0; index < 64; index++)
    EXPECT(fake.sent.items[index].socket, fake.sent.items[64 + index].socket);
  for (unsigned index = 0; index < 64; index++) used[fake.sent.items[index].socket - FAKE_SOCKET]++;
  EXPECT(used[0], ports == 0 ? 64 : 0);
  for (unsigned index = 1; index <= ports; index++) EXPECT(used[index] > 0, true);
  for (unsigned index = ports + 1; index < FAKE_SOCKETS; index++) EXPECT(used[index], 0);
  for (unsigned index = 0; index < WEFT_MAX_SOURCE_PORTS; index++) worker->sockets[index] = -1;
  end();
}

/* --- Reads that fail --- */

static void test_read_error(int error, bool is_gone, unsigned reads) {
  begin();
  fake.read_error = error;
  give_small(0);
  EXPECT(weft_tx_drain(worker), reads);
  EXPECT(worker->is_tun_gone, is_gone);
  EXPECT(fake.sent.count, reads);
  end();
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  test_source_route_removed();
  test_source_route_replaced();
  test_destination_replaced();
  test_received_by_peer();
  test_sent_by_peer();
  for (unsigned taken = 0; taken <= SEGMENTS; taken += 5) {
    test_coalesced_partly_refused(WEFT_PROTOCOL_TCP, taken);
    test_coalesced_partly_refused(WEFT_PROTOCOL_UDP, taken);
    test_partial_partly_refused(taken);
  }
  test_flow_refused_whole(1);
  test_flow_refused_whole(SEGMENTS);
  test_order_within_flow();
  test_no_offload(WEFT_PROTOCOL_TCP);
  test_no_offload(WEFT_PROTOCOL_UDP);
  test_receive_drops();
  test_unchecked_source();
  test_merged_with_bad_one();
  test_send_drops(&weft_encap_vxlan, false);
  test_send_drops(&weft_encap_udp, true);
  test_multicast();
  test_icmp_limits();
  test_icmp_refused();
  test_fair_share();
  test_full_batch(60000, 9);
  test_full_batch(SMALL, 250);
  test_many_supers(WEFT_PROTOCOL_TCP, 49, 8);
  test_many_supers(WEFT_PROTOCOL_UDP, 49, 8);
  test_segments_as_large_as_path_mtu();
  test_runs();
  test_outer_tos(false);
  test_outer_tos(true);
  test_source_ports(0);
  test_source_ports(3);
  test_read_error(EINTR, false, 1);
  test_read_error(EAGAIN, false, 0);
  test_read_error(EBADFD, true, 0);
  test_read_error(EFAULT, true, 0);
}
