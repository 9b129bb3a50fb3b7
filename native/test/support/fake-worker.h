/*
 * One worker of encapsulation VXLAN before the kernel of fake-kernel.h, with routes for the packets
 * of build-packet.h: to peer 1, and from peer 2. And a flow of packets whose bytes are known.
 */
#ifndef WEFT_FAKE_WORKER_H
#define WEFT_FAKE_WORKER_H

#include "build-packet.h"
#include "fake-kernel.h"
#include "path/rx.h"
#include "path/tx.h"
#include "path/worker.h"

enum { OVERHEAD = 20 + 8 + 22, PAYLOAD = 1300, SEGMENTS = 10 };

static uint8_t noise[WEFT_MAX_PACKET], built[WEFT_MAX_PACKET];
static struct weft_path path;
static struct weft_worker *worker;

static inline union weft_endpoint remote_of(unsigned peer) {
  union weft_endpoint remote = {.v4 = {.sin_family = AF_INET, .sin_port = htons(8472)}};
  remote.v4.sin_addr.s_addr = htonl(0xc0000200 + peer);
  return remote;
}

/* Routes of the subnets of build-packet.h: to peer 1 and from peer 2, both families. */
static inline void set_routes(void) {
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
static inline void begin(void) {
  const int socket = FAKE_SOCKET;
  fake_reset();
  memset(&path, 0, sizeof(path));
  pthread_mutex_init(&path.config_lock, NULL);
  path.settings = (struct weft_path_settings){.encap = &weft_encap_vxlan, .workers = 1, .is_source_checked = true};
  path.settings.local = remote_of(9);
  path.overhead = OVERHEAD;
  path.config = (struct weft_path_config){.mtu = 1500, .has_ipv4 = true, .ipv4 = {10, 1, 2, 1}};
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

static inline void end(void) {
  weft_routes_leave(path.routes, 0);
  worker->tun_fd = worker->sockets[0] = -1;
  weft_worker_free(worker);
  weft_routes_free(path.routes);
  pthread_mutex_destroy(&path.config_lock);
}

static inline uint64_t counted(unsigned which) {
  return atomic_load(&worker->counters[which]);
}

/* Everything that was sent or delivered was counted, and this much was not. */
static inline void expect_drops(enum weft_drop_reason which, uint64_t drops) {
  for (unsigned counter = WEFT_DROP_TX_MALFORMED; counter < WEFT_COUNTER_COUNT; counter++)
    EXPECT(counted(counter), counter == which ? drops : 0);
}

static inline struct shape shape_of(unsigned protocol) {
  return (struct shape){.family = 4,
                        .protocol = protocol,
                        .ttl = 60,
                        .id = 7,
                        .is_df = true,
                        .source_port = 1,
                        .destination_port = 2,
                        .sequence = 1000,
                        .flags = WEFT_TCP_ACK,
                        .window = 5};
}

/* Packet `index` of a flow, as a segment of its super-packet. Returns its length in `built`. */
static inline size_t build_segment(const struct shape *flow, unsigned index) {
  struct shape shape = *flow;
  shape.id += index;
  shape.sequence += index * PAYLOAD;
  return build_packet(built, &shape, noise + index * PAYLOAD, PAYLOAD);
}

/* Waits in the TUN queue: a super-packet of `count` segments, or a packet. */
static inline void give_super(const struct shape *shape, unsigned count) {
  const size_t length = build_packet(built, shape, noise, count * (size_t)PAYLOAD);
  struct fake_item *item = fake_put_bytes(&fake.tun_in, built, length);
  item->header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type = shape->protocol == WEFT_PROTOCOL_TCP ? VIRTIO_NET_HDR_GSO_TCPV4
                                                                                          : VIRTIO_NET_HDR_GSO_UDP_L4,
                                         .gso_size = PAYLOAD};
}

static inline void give_packet(const struct shape *shape, size_t payload_bytes) {
  fake_put_bytes(&fake.tun_in, built, build_packet(built, shape, noise, payload_bytes));
}

/* The next datagram on the wire is what is built. */
static inline void expect_sent(size_t length) {
  const struct fake_item *datagram = fake_next(&fake.sent);
  EXPECT(datagram != NULL, true);
  EXPECT(datagram->length, WEFT_MAX_ENCAP_HEADER + length);
  EXPECT_BYTES(datagram->bytes + WEFT_MAX_ENCAP_HEADER, built, length);
}

static inline void expect_segments_sent(const struct shape *shape, unsigned count) {
  for (unsigned index = 0; index < count; index++) expect_sent(build_segment(shape, index));
  EXPECT(fake.sent.taken, fake.sent.count);
}

/* The errno and the remaining number of rejections. */
static int rejection_error;
static unsigned rejections_left;

static inline int reject_some(const struct fake_item *message) {
  (void)message;
  if (rejections_left == 0) return 0;
  rejections_left--;
  return rejection_error;
}

#endif
