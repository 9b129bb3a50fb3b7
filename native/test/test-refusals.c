/*
 * A kernel that refuses: an offload is dropped at its first refusal, and the stream goes on without a lost or changed
 * packet; errors of earlier datagrams cost nothing; a path with a smaller MTU is learned and told.
 */
#include "build-packet.h"
#include "fake-kernel.h"
#include "icmp.h"
#include "worker.h"

enum { OVERHEAD = 20 + 8 + 22, PAYLOAD = 1300, SEGMENTS = 10 };

static uint8_t noise[WEFT_MAX_PACKET], built[WEFT_MAX_PACKET];
static struct weft_path path;
static struct weft_worker *worker;

static union weft_endpoint remote_of(unsigned peer) {
  union weft_endpoint remote = {.v4 = {.sin_family = AF_INET, .sin_port = htons(8472)}};
  remote.v4.sin_addr.s_addr = htonl(0xc0000200 + peer);
  return remote;
}

/* Routes of the subnets of build-packet.h: to peer 1 and from peer 2, both families. */
static void set_routes(void) {
  static const uint8_t SUBNETS[][16] = {{10, 4, 5}, {0xfd, 2}, {10, 1, 2}, {0xfd, 1}};
  for (unsigned index = 0; index < 4; index++) {
    struct weft_route route = {.family = index % 2 ? 6 : 4, .prefix_bits = index % 2 ? 64 : 24};
    memcpy(route.subnet, SUBNETS[index], 16);
    route.remote = remote_of(1 + index / 2);
    weft_encap_vxlan.make_header(route.header, &path.settings.encap_settings, route.mac);
    EXPECT(weft_routes_set(path.routes, &route), 0);
  }
}

/* A worker with all offloads, before a kernel that takes everything. */
static void begin(void) {
  const int socket = FAKE_SOCKET;
  fake_reset();
  memset(&path, 0, sizeof(path));
  pthread_mutex_init(&path.live_lock, NULL);
  path.settings = (struct weft_path_settings){.encap = &weft_encap_vxlan, .workers = 1, .is_source_checked = true};
  path.settings.local = remote_of(9);
  path.overhead = OVERHEAD;
  path.live = (struct weft_path_live){.mtu = 1500, .has_ipv4 = true, .ipv4 = {10, 1, 2, 1}};
  atomic_store(&path.mtu, 1500);
  atomic_store(&path.offloads.tso, true);
  atomic_store(&path.offloads.uso, true);
  atomic_store(&path.offloads.gso, true);
  path.routes = weft_routes_new(1);
  set_routes();
  path.workers[0] = worker = weft_worker_new(&path, 0, FAKE_TUN, &socket);
  EXPECT(worker != NULL, true);
  weft_routes_enter(path.routes, 0);
}

static void end(void) {
  weft_routes_leave(path.routes, 0);
  worker->tun_fd = worker->sockets[0] = -1;
  weft_worker_free(worker);
  weft_routes_free(path.routes);
  pthread_mutex_destroy(&path.live_lock);
}

static uint64_t counted(enum weft_counter which) {
  return atomic_load(&worker->counters[which]);
}

/* Everything that was sent or delivered was counted, and this much was not. */
static void expect_drops(enum weft_counter which, uint64_t drops) {
  for (unsigned counter = WEFT_DROP_TX_MALFORMED; counter < WEFT_COUNTER_COUNT; counter++)
    EXPECT(counted(counter), counter == which ? drops : 0);
}

static struct shape shape_of(unsigned protocol) {
  return (struct shape){.family = 4, .protocol = protocol, .ttl = 60, .id = 7, .is_df = true, .source_port = 1,
                        .destination_port = 2, .sequence = 1000, .flags = WEFT_TCP_ACK, .window = 5};
}

/* Packet `index` of a flow, as a segment of its super-packet. Returns its length in `built`. */
static size_t build_segment(const struct shape *flow, unsigned index) {
  struct shape shape = *flow;
  shape.id += index;
  shape.sequence += index * PAYLOAD;
  return build_packet(built, &shape, noise + index * PAYLOAD, PAYLOAD);
}

/* --- To the underlay --- */

/* Waits in the TUN queue: a super-packet of `count` segments, or a packet. */
static void give_super(const struct shape *shape, unsigned count) {
  const size_t length = build_packet(built, shape, noise, count * (size_t)PAYLOAD);
  struct fake_item *item = fake_put_bytes(&fake.tun_in, built, length);
  item->header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type = shape->protocol == WEFT_PROTOCOL_TCP ? VIRTIO_NET_HDR_GSO_TCPV4
                                                                                          : VIRTIO_NET_HDR_GSO_UDP_L4,
                                         .gso_size = PAYLOAD};
}

static void give_packet(const struct shape *shape, size_t payload_bytes) {
  fake_put_bytes(&fake.tun_in, built, build_packet(built, shape, noise, payload_bytes));
}

/* The next datagram on the wire is what is built. */
static void expect_sent(size_t length) {
  const struct fake_item *datagram = fake_next(&fake.sent);
  EXPECT(datagram != NULL, true);
  EXPECT(datagram->length, WEFT_MAX_ENCAP_HEADER + length);
  EXPECT_BYTES(datagram->bytes + WEFT_MAX_ENCAP_HEADER, built, length);
}

static void expect_segments_sent(const struct shape *shape, unsigned count) {
  for (unsigned index = 0; index < count; index++) expect_sent(build_segment(shape, index));
  EXPECT(fake.sent.taken, fake.sent.count);
}

/* What the scripts below refuse with, and how often still. */
static int refusal_error;
static unsigned refusals_left;
static size_t largest_datagram;

static int refuse_super(const struct fake_item *message) {
  return message->segment_bytes ? refusal_error : 0;
}

static int refuse_some(const struct fake_item *message) {
  (void)message;
  if (refusals_left == 0) return 0;
  refusals_left--;
  return refusal_error;
}

/* Of the underlay packets that a message becomes. */
static size_t packet_bytes(const struct fake_item *message) {
  return 28 + (message->segment_bytes ? message->segment_bytes : message->length);
}

/* A path whose kernel knows its MTU: says so in the error queue, too. */
static int refuse_large(const struct fake_item *message) {
  if (packet_bytes(message) <= largest_datagram) return 0;
  fake.path_mtu = (uint32_t)largest_datagram;
  fake.path_mtu_remote = message->remote;
  fake.path_mtu_count++;
  return EMSGSIZE;
}

static void test_gso_refused(int error, unsigned protocol) {
  const struct shape shape = shape_of(protocol);
  begin();
  refusal_error = error;
  fake.refuse_message = refuse_super;
  give_super(&shape, SEGMENTS);
  EXPECT(weft_tx_drain(worker), 1);
  expect_segments_sent(&shape, SEGMENTS);
  EXPECT(atomic_load(&path.offloads.gso), false);
  const unsigned tried = fake.super_messages;
  give_super(&shape, SEGMENTS);
  give_super(&shape, 49);
  EXPECT(weft_tx_drain(worker), 2);
  for (unsigned index = 0; index < SEGMENTS; index++) expect_sent(build_segment(&shape, index));
  expect_segments_sent(&shape, 49);
  EXPECT(fake.super_messages, tried);
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  EXPECT(counted(WEFT_TX_PACKETS), 2 * SEGMENTS + 49);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* Runs that were gathered before the refusal of the first: small packets to two peers in turns. */
static void test_gso_refused_many_runs(void) {
  begin();
  refusal_error = EIO;
  fake.refuse_message = refuse_super;
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  for (unsigned index = 0; index < 90; index++) {
    shape.family = index / 3 % 2 ? 6 : 4;
    shape.source_port = index;
    give_packet(&shape, 100);
  }
  EXPECT(weft_tx_drain(worker), 90);
  for (unsigned index = 0; index < 90; index++) {
    shape.family = index / 3 % 2 ? 6 : 4;
    shape.source_port = index;
    expect_sent(build_packet(built, &shape, noise, 100));
  }
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* An error that is not this message's: sent a second time, the offload stays. */
static void test_refused_once(int error) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  refusal_error = error;
  refusals_left = 1;
  fake.refuse_message = refuse_some;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_segments_sent(&shape, SEGMENTS);
  EXPECT(atomic_load(&path.offloads.gso), true);
  EXPECT(fake.polls, error == EAGAIN);
  EXPECT(counted(WEFT_TX_SENDS), 1);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* An error that stays: all is counted, and the next packet is tried. */
static void test_refused_always(int error, enum weft_counter counter, bool is_full) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  refusal_error = error;
  refusals_left = UINT32_MAX;
  fake.refuse_message = refuse_some;
  fake.is_full = is_full;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_drops(counter, SEGMENTS);
  EXPECT(counted(WEFT_TX_PACKETS), 0);
  EXPECT(atomic_load(&path.offloads.gso), true);
  refusals_left = 0;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_segments_sent(&shape, SEGMENTS);
  expect_drops(counter, SEGMENTS);
  end();
}

/* sendmmsg may take fewer messages than it got. */
static void test_partial_counts(unsigned messages_a_call) {
  begin();
  fake.messages_a_call = messages_a_call;
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  for (unsigned index = 0; index < 40; index++) {
    shape.id = index;
    give_packet(&shape, 40 + index);
  }
  weft_tx_drain(worker);
  for (unsigned index = 0; index < 40; index++) {
    shape.id = index;
    expect_sent(build_packet(built, &shape, noise, 40 + index));
  }
  EXPECT(fake.sent.taken, fake.sent.count);
  EXPECT(counted(WEFT_TX_PACKETS), 40);
  end();
}

/* --- Path MTU --- */

/* The next packet written to the TUN device is the error about what is built, with this MTU. */
static void expect_too_big(size_t length, size_t mtu) {
  static const uint8_t OWN[4] = {10, 1, 2, 1};
  uint8_t expected[WEFT_MAX_ICMP];
  struct weft_packet packet;
  const struct fake_item *item = fake_next(&fake.tun_out);
  EXPECT(item != NULL, true);
  EXPECT(weft_packet_parse(built, length, &packet), 0);
  EXPECT(weft_icmp_make(expected, WEFT_ICMP_TOO_BIG, mtu, OWN, built, &packet), item->length);
  EXPECT_BYTES(item->bytes, expected, item->length);
  EXPECT(item->header.flags | item->header.gso_type, 0);
}

static void test_path_mtu(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  largest_datagram = 1300;
  fake.refuse_message = refuse_large;
  for (unsigned round = 0; round < 2; round++) {
    give_packet(&shape, PAYLOAD);
    weft_tx_drain(worker);
    expect_too_big(build_packet(built, &shape, noise, PAYLOAD), 1300 - OVERHEAD);
    expect_drops(WEFT_DROP_TX_TOO_BIG, round + 1);
  }
  EXPECT(fake.sent.count, 0);
  const unsigned tried = fake.messages;
  /* Known now: what fits is sent, what does not is not even tried, also as segments. */
  give_packet(&shape, 1300 - OVERHEAD - 40);
  give_packet(&shape, 1300 - OVERHEAD - 39);
  give_super(&shape, 3);
  weft_tx_drain(worker);
  expect_sent(build_packet(built, &shape, noise, 1300 - OVERHEAD - 40));
  expect_too_big(build_packet(built, &shape, noise, 1300 - OVERHEAD - 39), 1300 - OVERHEAD);
  for (unsigned index = 0; index < 3; index++) expect_too_big(build_segment(&shape, index), 1300 - OVERHEAD);
  EXPECT(fake.messages, tried + 1);
  expect_drops(WEFT_DROP_TX_TOO_BIG, 6);
  EXPECT(counted(WEFT_ICMP_SENT), 6);
  end();
}

/* What was learned is forgotten after a while, for the path may have become better. */
static void test_path_mtu_expires(void) {
  static const uint8_t DESTINATION[4] = {10, 4, 5, 6};
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  struct weft_peer *peer = weft_routes_find(path.routes, 4, DESTINATION)->peer;
  atomic_store(&peer->path_mtu, 1300);
  atomic_store(&peer->path_mtu_until_ns, 1);
  give_packet(&shape, PAYLOAD);
  weft_tx_drain(worker);
  expect_sent(build_packet(built, &shape, noise, PAYLOAD));
  end();
}

/* A super-packet on a path that became smaller: the sender is told, the offload stays. */
static void test_path_mtu_of_super(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  largest_datagram = 1300;
  fake.refuse_message = refuse_large;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_too_big(build_segment(&shape, 0), 1300 - OVERHEAD);
  EXPECT(fake.sent.count, 0);
  EXPECT(atomic_load(&path.offloads.gso), true);
  expect_drops(WEFT_DROP_TX_TOO_BIG, SEGMENTS);
  end();
}

/* Nothing was learned, or of another peer: it is lost, and nobody is told a wrong MTU. */
static void test_path_mtu_unknown(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  refusal_error = EMSGSIZE;
  refusals_left = UINT32_MAX;
  fake.refuse_message = refuse_some;
  fake.path_mtu = 1300;
  fake.path_mtu_remote = remote_of(5);
  fake.path_mtu_count = 3;
  give_packet(&shape, PAYLOAD);
  weft_tx_drain(worker);
  EXPECT(fake.tun_out.count, 0);
  EXPECT(fake.path_mtu_count, 0);
  expect_drops(WEFT_DROP_TX_TOO_BIG, 1);
  end();
}

/* All datagrams on the wire from here on are fragments of the packet that is built, in order. Returns how many. */
static unsigned expect_fragments(size_t length, size_t largest) {
  size_t at = 0;
  unsigned count = 0;
  for (const struct fake_item *item; (item = fake_next(&fake.sent)) != NULL; count++) {
    const uint8_t *inner = item->bytes + WEFT_MAX_ENCAP_HEADER;
    const size_t payload = item->length - WEFT_MAX_ENCAP_HEADER - 20;
    EXPECT(item->length + 28 <= largest, true);
    EXPECT(plain_sum(0, inner, 20), 0xffff);
    EXPECT((weft_load16(inner + 6) & 0x1fff) * 8, at);
    EXPECT(at + payload <= length - 20, true);
    EXPECT_BYTES(inner + 20, built + 20 + at, payload);
    at += payload;
  }
  EXPECT(at, length - 20);
  return count;
}

static void test_fragments(size_t payload_bytes, size_t mtu) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  shape.is_df = false;
  begin();
  largest_datagram = mtu;
  fake.refuse_message = refuse_large;
  for (unsigned round = 0; round < 2; round++) {
    give_packet(&shape, payload_bytes);
    weft_tx_drain(worker);
    const unsigned count = expect_fragments(build_packet(built, &shape, noise, payload_bytes), mtu);
    EXPECT(count > 1, true);
    EXPECT(counted(WEFT_FRAGMENTED), round + 1);
  }
  EXPECT(fake.tun_out.count, 0);
  expect_drops(WEFT_DROP_TX_TOO_BIG, 0);
  end();
}

/* A path that gets smaller just as the fragments for it come. */
static int refuse_shrinking(const struct fake_item *message) {
  if (packet_bytes(message) <= largest_datagram) largest_datagram = 700;
  return refuse_large(message);
}

/* Fragments that are too big in their turn may be lost, but nothing wrong is sent, and what comes next arrives. */
static void test_path_mtu_shrinks_twice(void) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  shape.is_df = false;
  begin();
  largest_datagram = 1300;
  fake.refuse_message = refuse_shrinking;
  give_packet(&shape, 2 * PAYLOAD);
  weft_tx_drain(worker);
  const size_t length = build_packet(built, &shape, noise, 2 * PAYLOAD);
  for (const struct fake_item *item; (item = fake_next(&fake.sent)) != NULL;) {
    const uint8_t *inner = item->bytes + WEFT_MAX_ENCAP_HEADER;
    const size_t offset = (size_t)(weft_load16(inner + 6) & 0x1fff) * 8;
    EXPECT_BYTES(inner + 20, built + 20 + offset, item->length - WEFT_MAX_ENCAP_HEADER - 20);
  }
  give_packet(&shape, 2 * PAYLOAD);
  weft_tx_drain(worker);
  expect_fragments(length, 700);
  end();
}

/* --- From the underlay --- */

static int refuse_super_write(const struct fake_item *packet) {
  return packet->header.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : refusal_error;
}

static int refuse_some_writes(const struct fake_item *packet) {
  return refuse_some(packet);
}

/* One coalesced datagram of `count` packets of a flow that peer 2 sends. */
static void receive_flow(const struct shape *shape, unsigned count) {
  static uint8_t whole[WEFT_MAX_PACKET];
  const struct weft_encap_settings settings = {0};
  const uint8_t mac[6] = {0};
  size_t length = 0, step = 0;
  for (unsigned index = 0; index < count; index++, length += step) {
    weft_encap_vxlan.make_header(whole + length, &settings, mac);
    step = WEFT_MAX_ENCAP_HEADER + build_segment(shape, index);
    memcpy(whole + length + WEFT_MAX_ENCAP_HEADER, built, step - WEFT_MAX_ENCAP_HEADER);
  }
  struct fake_item *item = fake_put_bytes(&fake.udp_in, whole, length);
  item->remote = remote_of(2);
  item->segment_bytes = (uint16_t)(count > 1 ? step : 0);
}

/* The next packets written are those of the flow, byte for byte as they came. */
static void expect_singles_written(const struct shape *shape, unsigned count) {
  static const struct virtio_net_hdr PLAIN = {0};
  for (unsigned index = 0; index < count; index++) {
    const struct fake_item *item = fake_next(&fake.tun_out);
    EXPECT(item != NULL, true);
    EXPECT(item->length, build_segment(shape, index));
    EXPECT_BYTES(item->bytes, built, item->length);
    EXPECT_BYTES(&item->header, &PLAIN, sizeof(PLAIN));
  }
}

static void test_tun_offload_refused(unsigned protocol) {
  const struct shape shape = shape_of(protocol);
  const bool is_tcp = protocol == WEFT_PROTOCOL_TCP;
  begin();
  refusal_error = EINVAL;
  fake.refuse_write = refuse_super_write;
  for (unsigned round = 0; round < 2; round++) {
    receive_flow(&shape, SEGMENTS);
    EXPECT(weft_rx_drain(worker), 1);
    expect_singles_written(&shape, SEGMENTS);
    /* The second time it is known, and the other protocol is not concerned. */
    EXPECT(fake.super_writes, 1);
    EXPECT(atomic_load(&path.offloads.tso), !is_tcp);
    EXPECT(atomic_load(&path.offloads.uso), is_tcp);
    EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
    EXPECT(counted(WEFT_RX_PACKETS), (round + 1) * SEGMENTS);
  }
  expect_drops(WEFT_DROP_RX_REFUSED, 0);
  end();
}

/* A super-packet that the kernel at the other end handed over whole has to be cut here. */
static void test_partial_refused(unsigned protocol) {
  static uint8_t whole[WEFT_MAX_PACKET];
  const struct weft_encap_settings settings = {0};
  const uint8_t mac[6] = {0};
  struct shape shape = shape_of(protocol);
  const size_t header_bytes = shape_header_bytes(&shape);
  begin();
  refusal_error = EINVAL;
  fake.refuse_write = refuse_super_write;
  atomic_store(&path.mtu, (uint32_t)(PAYLOAD + header_bytes));
  for (unsigned round = 1; round <= 2; round++) {
    const size_t length = build_packet(whole + WEFT_MAX_ENCAP_HEADER, &shape, noise, SEGMENTS * PAYLOAD);
    make_partial(whole + WEFT_MAX_ENCAP_HEADER, length, &shape);
    weft_encap_vxlan.make_header(whole, &settings, mac);
    struct fake_item *item = fake_put_bytes(&fake.udp_in, whole, WEFT_MAX_ENCAP_HEADER + length);
    item->remote = remote_of(2);
    item->segment_bytes = protocol == WEFT_PROTOCOL_UDP ? PAYLOAD : 0;
    weft_rx_drain(worker);
    expect_singles_written(&shape, SEGMENTS);
    EXPECT(counted(WEFT_RX_PACKETS), round * SEGMENTS);
    EXPECT(counted(WEFT_RX_BYTES), round * SEGMENTS * (PAYLOAD + header_bytes));
  }
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  expect_drops(WEFT_DROP_RX_REFUSED, 0);
  end();
}

/* A device that is down, or full: counted, nothing is given up. */
static void test_write_refused(int error, bool is_once) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  refusal_error = error;
  refusals_left = is_once ? 1 : UINT32_MAX;
  fake.refuse_write = refuse_some_writes;
  receive_flow(&shape, SEGMENTS);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, is_once);
  expect_drops(WEFT_DROP_RX_REFUSED, is_once ? 0 : SEGMENTS);
  EXPECT(atomic_load(&path.offloads.tso), true);
  end();
}

/* An error that an ICMP message left behind does not keep datagrams from being received. */
static void test_receive_error(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  fake.receive_error = ECONNREFUSED;
  fake.path_mtu_count = 2;
  receive_flow(&shape, 1);
  while (weft_rx_drain(worker) == 0) EXPECT(fake.path_mtu_count, 0);
  expect_singles_written(&shape, 1);
  end();
}

int main(void) {
  static const int EARLIER[] = {EAGAIN, EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET, EACCES,
                                EPROTO, ENOPROTOOPT, EOPNOTSUPP, EMSGSIZE};
  fill_noise(noise, sizeof(noise));
  for (unsigned protocol = WEFT_PROTOCOL_TCP; protocol <= WEFT_PROTOCOL_UDP; protocol += 11) {
    test_gso_refused(EIO, protocol);
    test_gso_refused(EINVAL, protocol);
    test_gso_refused(EMSGSIZE, protocol);
    test_tun_offload_refused(protocol);
    test_partial_refused(protocol);
  }
  test_gso_refused_many_runs();
  for (size_t index = 0; index < sizeof(EARLIER) / sizeof(EARLIER[0]); index++) test_refused_once(EARLIER[index]);
  test_refused_always(EAGAIN, WEFT_DROP_TX_BUFFER_FULL, true);
  test_refused_always(EAGAIN, WEFT_DROP_TX_BUFFER_FULL, false);
  test_refused_always(ENOBUFS, WEFT_DROP_TX_BUFFER_FULL, false);
  test_refused_always(ENETUNREACH, WEFT_DROP_TX_REFUSED, false);
  test_refused_always(EPERM, WEFT_DROP_TX_REFUSED, false);
  test_partial_counts(1);
  test_partial_counts(3);
  test_path_mtu();
  test_path_mtu_expires();
  test_path_mtu_of_super();
  test_path_mtu_unknown();
  test_fragments(1400, 1300);
  test_fragments(60000, 1300);
  test_fragments(60000, 140);
  test_path_mtu_shrinks_twice();
  test_write_refused(EIO, false);
  test_write_refused(ENOBUFS, false);
  test_write_refused(EINTR, true);
  test_receive_error();
}
