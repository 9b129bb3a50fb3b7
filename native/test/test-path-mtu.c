/*
 * A path with a smaller MTU: it is learned from the kernel and reported to senders; packets without
 * DF are fragmented.
 */
#include "packet/icmp.h"
#include "path/clock.h"
#include "support/expect.h"
#include "support/fake-kernel.h"
#include "support/fake-worker.h"

static size_t largest_datagram;

/* Of the underlay packets that a message becomes. */
static size_t packet_bytes(const struct fake_item *message) {
  return 28 + (message->segment_bytes ? message->segment_bytes : message->length);
}

/* A path whose kernel knows its MTU: says so in the error queue, too. */
static int reject_large(const struct fake_item *message) {
  if (packet_bytes(message) <= largest_datagram) return 0;
  fake.path_mtu = (uint32_t)largest_datagram;
  fake.path_mtu_remote = message->remote;
  fake.path_mtu_count++;
  return EMSGSIZE;
}

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
  fake.reject_message = reject_large;
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

/* A super-packet on a path with a reduced MTU: the sender gets an ICMP error, the offload stays. */
static void test_path_mtu_of_super(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  largest_datagram = 1300;
  fake.reject_message = reject_large;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_too_big(build_segment(&shape, 0), 1300 - OVERHEAD);
  EXPECT(fake.sent.count, 0);
  EXPECT(atomic_load(&path.offloads.gso), true);
  expect_drops(WEFT_DROP_TX_TOO_BIG, SEGMENTS);
  end();
}

/* No path MTU, or one of another peer: the packet is dropped without an ICMP error. */
static void test_path_mtu_unknown(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  rejection_error = EMSGSIZE;
  rejections_left = UINT32_MAX;
  fake.reject_message = reject_some;
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

/*
 * All datagrams on the wire from here on are fragments of the packet that is built, in order.
 * Returns how many.
 */
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
  fake.reject_message = reject_large;
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
static int reject_shrinking(const struct fake_item *message) {
  if (packet_bytes(message) <= largest_datagram) largest_datagram = 700;
  return reject_large(message);
}

/*
 * Fragments that are too big in their turn may be lost, but nothing wrong is sent, and what comes
 * next arrives.
 */
static void test_path_mtu_shrinks_twice(void) {
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  shape.is_df = false;
  begin();
  largest_datagram = 1300;
  fake.reject_message = reject_shrinking;
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

/* --- ICMP errors, which anyone can forge --- */

enum { FULL_MTU = 1500, FULL_INNER = FULL_MTU - OVERHEAD };

/* A worker with full-size packets, and a peer that answers echoes of at most so many bytes. */
static struct weft_peer *begin_search(size_t largest_echo) {
  static const uint8_t DESTINATION[4] = {10, 4, 5, 6};
  begin();
  atomic_store(&path.mtu, FULL_INNER);
  fake.largest_echo = largest_echo;
  return weft_routes_find(path.routes, 4, DESTINATION)->peer;
}

/* An ICMP error arrives; the search that it may start runs to its end. */
static void report_mtu(unsigned peer, uint32_t mtu) {
  fake.is_path_mtu_of_icmp = true;
  fake.path_mtu = mtu;
  fake.path_mtu_remote = remote_of(peer);
  fake.path_mtu_count = 1;
  fake.receive_error = EMSGSIZE;
  weft_rx_drain(worker);
  EXPECT(fake.path_mtu_count, 0);
  for (unsigned turn = 0; turn < 20 && worker->path_mtu.fd >= 0; turn++) {
    weft_path_mtu_run(worker);
    worker->path_mtu.search.due_ns = 0; /* time passes */
  }
  EXPECT(worker->path_mtu.fd, -1);
  EXPECT(atomic_load(&path.probe_identifier), 0);
}

static size_t limit_now(void) {
  static const uint8_t DESTINATION[4] = {10, 4, 5, 6};
  return weft_path_mtu_limit(worker, weft_routes_find(path.routes, 4, DESTINATION));
}

/* Many forged errors cost one lookup in a while. */
static void test_forged_often(void) {
  begin_search(600);
  worker->path_mtu.lookup_after_ns = UINT64_MAX;
  report_mtu(1, 1300);
  EXPECT(fake.searches, 0);
  worker->path_mtu.lookup_after_ns = 0;
  report_mtu(1, 1300);
  EXPECT(fake.searches, 1);
  EXPECT(worker->path_mtu.lookup_after_ns > 0, true);
  end();
}

static void test_forged(uint32_t mtu, unsigned searches) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin_search(FULL_INNER);
  report_mtu(1, mtu);
  EXPECT(fake.searches, searches);
  EXPECT(limit_now(), WEFT_MAX_PACKET);
  report_mtu(1, mtu); /* not at once again */
  EXPECT(fake.searches, searches);
  give_packet(&shape, FULL_INNER - 40);
  weft_tx_drain(worker);
  expect_sent(build_packet(built, &shape, noise, FULL_INNER - 40));
  expect_drops(WEFT_DROP_TX_TOO_BIG, 0);
  end();
}

/* The search finds what passes, also by an error with another number or none. */
static void test_narrow(uint32_t mtu, uint32_t reported, bool is_exact) {
  begin_search(mtu - OVERHEAD);
  report_mtu(1, reported);
  EXPECT(fake.searches, 1);
  EXPECT(limit_now() <= mtu - OVERHEAD, true);
  EXPECT(limit_now() * 6 >= (mtu - OVERHEAD) * 4, true);
  if (is_exact) EXPECT(limit_now(), mtu - OVERHEAD);
  end();
}

static void test_stranger(void) {
  begin_search(0);
  report_mtu(7, 1400);
  EXPECT(fake.searches, 0);
  end();
}

static void test_silent_peer(uint32_t reported, size_t limit) {
  begin_search(0);
  report_mtu(1, reported);
  EXPECT(limit_now(), limit);
  EXPECT(fake.echoes % 3, 0); /* three rounds */
  end();
}

/* A larger packet starts a search after a minute; the limit stays until it ends. */
static void test_path_grows(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  struct weft_peer *peer = begin_search(1400 - OVERHEAD);
  report_mtu(1, 1400);
  EXPECT(limit_now(), 1400 - OVERHEAD);
  fake.largest_echo = FULL_INNER;
  give_packet(&shape, FULL_INNER - 40);
  weft_tx_drain(worker);
  EXPECT(worker->path_mtu.fd, -1);
  atomic_store(&peer->grow_after_ns, 0);
  give_packet(&shape, FULL_INNER - 40);
  weft_tx_drain(worker);
  EXPECT(worker->path_mtu.fd >= 0, true);
  EXPECT(limit_now(), 1400 - OVERHEAD);
  for (unsigned turn = 0; turn < 2; turn++) weft_path_mtu_run(worker);
  EXPECT(limit_now(), WEFT_MAX_PACKET);
  end();
}

/* The limit holds as soon as the control is answered and a round of large ones is lost. */
static void test_limit_during_search(void) {
  struct weft_peer *peer = begin_search(1400 - OVERHEAD);
  peer->search_after_ns = 0;
  fake.is_path_mtu_of_icmp = true;
  fake.path_mtu = 1400;
  fake.path_mtu_remote = remote_of(1);
  fake.path_mtu_count = 1;
  fake.receive_error = EMSGSIZE;
  weft_rx_drain(worker);
  const size_t limits[] = {WEFT_MAX_PACKET, 1400 - OVERHEAD, 1400 - OVERHEAD};
  EXPECT(weft_path_mtu_wait_ms(worker), 0);
  for (unsigned round = 0; round < 3; round++) {
    weft_path_mtu_run(worker);
    EXPECT(limit_now(), limits[round]);
    EXPECT(worker->path_mtu.search.round, round + 1);
    const int wait_ms = weft_path_mtu_wait_ms(worker);
    EXPECT(wait_ms > 0 && wait_ms < 10000, true);
    worker->path_mtu.search.due_ns = weft_now_ns() + 50 * 1000 * 1000;
    EXPECT(weft_path_mtu_wait_ms(worker) <= 51, true);
    worker->path_mtu.search.due_ns = 0;
    EXPECT(weft_path_mtu_wait_ms(worker), 0);
  }
  weft_path_mtu_end(worker);
  EXPECT(weft_path_mtu_wait_ms(worker), -1);
  end();
}

/* Echoes leave the device with its address, if any, and carry the identifier of the search. */
static void test_echo_socket(bool has_ipv4) {
  begin_search(FULL_INNER);
  path.config.has_ipv4 = has_ipv4;
  path.config.has_ipv6 = !has_ipv4;
  snprintf(path.settings.name, sizeof(path.settings.name), "flannel.7");
  report_mtu(1, 1300);
  EXPECT(fake.searches, 1);
  EXPECT(strcmp(fake.echo_device, "flannel.7"), 0);
  EXPECT(fake.has_echo_source, has_ipv4);
  if (has_ipv4) EXPECT(fake.echo_source.ipv4.sin_addr.s_addr, htonl(0x0a010201));
  EXPECT(fake.echo_identifier, worker->path_mtu.identifier);
  end();
}

/* A search that cannot begin leaves nothing, and the next one can. */
static void test_echo_socket_fails(void) {
  struct weft_peer *peer = begin_search(1400 - OVERHEAD);
  fake.echo_open_error = EPERM;
  report_mtu(1, 1400);
  EXPECT(fake.echoes, 0);
  EXPECT(limit_now(), WEFT_MAX_PACKET);
  fake.echo_open_error = 0;
  atomic_store(&peer->search_after_ns, 0);
  worker->path_mtu.lookup_after_ns = 0;
  report_mtu(1, 1400);
  EXPECT(fake.searches, 2);
  EXPECT(limit_now(), 1400 - OVERHEAD);
  end();
}

/* What was found about a path is not applied to another, though the subnet is the same. */
static void test_route_changes_meanwhile(unsigned peer, unsigned prefix_bits, bool is_applied) {
  struct weft_route route = {.family = 4, .prefix_bits = (uint8_t)prefix_bits, .subnet = {10, 4, 5}};
  begin_search(1400 - OVERHEAD);
  fake.is_path_mtu_of_icmp = true;
  fake.path_mtu = 1400;
  fake.path_mtu_remote = remote_of(1);
  fake.path_mtu_count = 1;
  fake.receive_error = EMSGSIZE;
  weft_rx_drain(worker);
  EXPECT(worker->path_mtu.fd >= 0, true);
  EXPECT(weft_routes_remove(path.routes, 4, route.subnet, 24), 0);
  route.remote = remote_of(peer);
  weft_encap_vxlan.make_header(route.header, &path.settings.encap_settings, route.mac);
  EXPECT(weft_routes_set(path.routes, &route), 0);
  for (unsigned turn = 0; turn < 20 && worker->path_mtu.fd >= 0; turn++) {
    weft_path_mtu_run(worker);
    worker->path_mtu.search.due_ns = 0;
  }
  EXPECT(worker->path_mtu.fd, -1);
  EXPECT(limit_now(), is_applied ? 1400 - OVERHEAD : WEFT_MAX_PACKET);
  end();
}

/* Only the kernel's own report about this peer is the MTU of the path to it. */
static void test_drain(bool is_of_icmp, unsigned peer, uint32_t mtu, uint32_t expected) {
  const union weft_endpoint remote = remote_of(1);
  begin_search(FULL_INNER);
  EXPECT(weft_path_mtu_drain(worker, FAKE_SOCKET, &remote), 0);
  fake.is_path_mtu_of_icmp = is_of_icmp;
  fake.path_mtu_remote = remote_of(peer);
  fake.path_mtu = mtu;
  fake.path_mtu_count = 2;
  EXPECT(weft_path_mtu_drain(worker, FAKE_SOCKET, &remote), expected);
  EXPECT(fake.path_mtu_count, 0);
  fake.path_mtu_count = 1;
  EXPECT(weft_path_mtu_drain(worker, FAKE_SOCKET, NULL), 0);
  weft_path_mtu_end(worker);
  end();
}

/* One search a device, and one a peer in a while. */
static void test_one_search(void) {
  struct weft_peer *peer = begin_search(FULL_INNER);
  atomic_store(&path.probe_identifier, 7);
  fake.path_mtu_remote = remote_of(1);
  fake.is_path_mtu_of_icmp = true;
  fake.path_mtu = 1400;
  fake.path_mtu_count = 1;
  fake.receive_error = EMSGSIZE;
  weft_rx_drain(worker);
  EXPECT(fake.searches, 0);
  EXPECT(atomic_load(&path.probe_identifier), 7);
  atomic_store(&path.probe_identifier, 0);
  atomic_store(&peer->search_after_ns, UINT64_MAX);
  report_mtu(1, 1400);
  EXPECT(fake.searches, 0);
  end();
}

/* The search takes its own echoes for probes, which no limit holds back, and nothing else. */
static void test_is_probe(void) {
  enum { IDENTIFIER = 0x1234 };
  struct variant {
    unsigned family, protocol, type, identifier, searched;
    bool is_fragment, is_short, is_probe;
  };
  static const struct variant VARIANTS[] = {
      {4, WEFT_PROTOCOL_ICMP, 8, IDENTIFIER, IDENTIFIER, false, false, true},
      {6, WEFT_PROTOCOL_ICMPV6, 128, IDENTIFIER, IDENTIFIER, false, false, true},
      {4, WEFT_PROTOCOL_ICMP, 8, 0, 0, false, false, false},
      {4, WEFT_PROTOCOL_ICMP, 8, IDENTIFIER, 0, false, false, false},
      {4, WEFT_PROTOCOL_ICMP, 8, IDENTIFIER + 1, IDENTIFIER, false, false, false},
      {4, WEFT_PROTOCOL_ICMP, 0, IDENTIFIER, IDENTIFIER, false, false, false},
      {4, WEFT_PROTOCOL_ICMP, 128, IDENTIFIER, IDENTIFIER, false, false, false},
      {6, WEFT_PROTOCOL_ICMPV6, 8, IDENTIFIER, IDENTIFIER, false, false, false},
      {6, WEFT_PROTOCOL_ICMPV6, 129, IDENTIFIER, IDENTIFIER, false, false, false},
      {4, WEFT_PROTOCOL_ICMPV6, 8, IDENTIFIER, IDENTIFIER, false, false, false},
      {6, WEFT_PROTOCOL_ICMP, 128, IDENTIFIER, IDENTIFIER, false, false, false},
      {4, WEFT_PROTOCOL_UDP, 8, IDENTIFIER, IDENTIFIER, false, false, false},
      {4, WEFT_PROTOCOL_ICMP, 8, IDENTIFIER, IDENTIFIER, true, false, false},
      {4, WEFT_PROTOCOL_ICMP, 8, IDENTIFIER, IDENTIFIER, false, true, false},
      {6, WEFT_PROTOCOL_ICMPV6, 128, IDENTIFIER, IDENTIFIER, false, true, false},
  };
  begin();
  for (unsigned index = 0; index < sizeof(VARIANTS) / sizeof(VARIANTS[0]); index++) {
    const struct variant *variant = &VARIANTS[index];
    const size_t network_bytes = variant->family == 4 ? 20 : 40;
    struct weft_packet packet = {.family = (uint8_t)variant->family,
                                 .protocol = (uint8_t)variant->protocol,
                                 .is_fragment = variant->is_fragment,
                                 .network_bytes = (uint16_t)network_bytes,
                                 .total_bytes = (uint32_t)network_bytes + 8 - variant->is_short};
    uint8_t data[48] = {0};
    data[network_bytes] = (uint8_t)variant->type;
    weft_store16(data + network_bytes + 4, variant->identifier);
    atomic_store(&path.probe_identifier, variant->searched);
    EXPECT(weft_path_mtu_is_probe(worker, data, &packet), variant->is_probe);
  }
  atomic_store(&path.probe_identifier, 0);
  end();
}

/* The path to the peer is known to be narrow for good. */
static void begin_narrow(void) {
  struct weft_peer *peer = begin_search(0);
  atomic_store(&peer->path_mtu, 1300);
  atomic_store(&peer->path_mtu_until_ns, UINT64_MAX);
}

/* Many errors of a router in a moment: a burst goes out, the rest is counted. */
static void test_icmp_limit(void) {
  enum { ERRORS = 500, BURST = 50, PER_SECOND = 1000 };
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin_narrow();
  EXPECT(worker->icmp_rate.per_second, PER_SECOND);
  EXPECT(worker->icmp_rate.burst, BURST);
  worker->icmp_rate.per_second = 0; /* no time passes */
  for (unsigned index = 0; index < ERRORS; index++) give_packet(&shape, PAYLOAD);
  while (fake.tun_in.taken < ERRORS) weft_tx_drain(worker);
  EXPECT(counted(WEFT_ICMP_SENT), BURST);
  EXPECT(fake.tun_out.count, BURST);
  EXPECT(counted(WEFT_ICMP_LIMITED), ERRORS - BURST);
  end();
}

/* Without an address of the family there is no error, and no token is taken. */
static void test_icmp_without_address(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin_narrow();
  path.config.has_ipv4 = false;
  path.config.has_ipv6 = true;
  const uint32_t tokens = worker->icmp_rate.tokens_milli;
  give_packet(&shape, PAYLOAD);
  weft_tx_drain(worker);
  EXPECT(fake.tun_out.count, 0);
  expect_drops(WEFT_DROP_TX_TOO_BIG, 1);
  EXPECT(counted(WEFT_ICMP_SENT) + counted(WEFT_ICMP_LIMITED), 0);
  EXPECT(worker->icmp_rate.tokens_milli, tokens);
  end();
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  test_path_mtu();
  test_path_mtu_expires();
  test_path_mtu_of_super();
  test_path_mtu_unknown();
  test_fragments(1400, 1300);
  test_fragments(60000, 1300);
  test_fragments(60000, 140);
  test_path_mtu_shrinks_twice();
  test_forged_often();
  test_limit_during_search();
  test_echo_socket(true);
  test_echo_socket(false);
  test_echo_socket_fails();
  test_route_changes_meanwhile(1, 24, true);
  test_route_changes_meanwhile(2, 24, false);
  test_route_changes_meanwhile(1, 25, false);
  test_drain(false, 1, 1333, 1333);
  test_drain(false, 2, 1333, 0);
  test_drain(false, 1, 0, 0);
  test_drain(true, 1, 1333, 0);
  test_one_search();
  test_is_probe();
  test_icmp_limit();
  test_icmp_without_address();
  test_forged(575, 0);
  test_forged(576, 1);
  test_forged(552, 0);
  test_forged(100, 0);
  test_forged(0, 1);
  test_forged(600, 1);
  test_forged(1280, 1);
  test_forged(1500, 0);
  test_narrow(1400, 1400, true);
  test_narrow(1400, 0, false);
  test_narrow(1400, 600, false);
  test_narrow(1400, 1480, false);
  test_narrow(700, 700, true);
  test_stranger();
  test_silent_peer(1400, 1400 - OVERHEAD);
  test_silent_peer(1279, WEFT_MAX_PACKET);
  test_silent_peer(1280, 1280 - OVERHEAD);
  test_silent_peer(1200, WEFT_MAX_PACKET);
  test_path_grows();
}
