/*
 * What the functions of native/path cost on memory alone, without system calls and without Node:
 * one round, a line of JSON for each function, size and subject. Beside each stands memcpy of the
 * same bytes, which is as fast as bytes can be moved. Everything is in the caches, as it is for a
 * worker that has just read a batch.
 */
#include <string.h>

#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/ecn.h"
#include "packet/encap.h"
#include "packet/packet.h"
#include "packet/segment.h"
#include "route/route.h"
#include "test/support/build-packet.h"
#include "test/support/route-helpers.h"
#include "timing.h"

enum { BATCH = 64, LONGEST = 65535, HEADROOM = 64, RUN_BYTES = 64400, SLOTS = 64 };
static const size_t SIZES[] = {64, 576, 1400, 9000, LONGEST};
static const size_t SEGMENT_SIZES[] = {64, 576, 1400, 9000};
static const size_t ROUTES[] = {1, 100, 10000, 65536};
enum { ADDRESSES = 65536 };

static const struct shape SHAPE = {.family = 4,
                                   .protocol = WEFT_PROTOCOL_TCP,
                                   .ttl = 64,
                                   .is_df = true,
                                   .source_port = 1000,
                                   .destination_port = 2000,
                                   .flags = WEFT_TCP_ACK,
                                   .window = 500};
static const struct weft_encap_settings OWN = {.vni = 1, .mac = {2, 0, 0, 0, 0, 1}};

static uint8_t noise[LONGEST + 1], buffer[HEADROOM + LONGEST + 1], copy[HEADROOM + LONGEST + 1];
static uint8_t run_packets[BATCH][HEADROOM + 9000];
static struct weft_packet parsed[BATCH];
static size_t size, run_count;
static const struct weft_encap *encap;
static struct weft_routes *routes;
static size_t route_count;
static uint8_t addresses[ADDRESSES][4];
static volatile uint64_t sum_of_all;

static uint8_t *const inner = buffer + HEADROOM;

/* --- One packet of `size` bytes at `inner`, in a loop --- */

static size_t copy_packet(void) {
  for (unsigned i = 0; i < BATCH; i++) {
    memcpy(copy + HEADROOM, inner, size);
    use(copy);
  }
  return BATCH;
}

static size_t sum_packet(void) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < BATCH; i++) {
    sum += weft_sum(0, inner, size);
    use(inner);
  }
  sum_of_all += sum;
  return BATCH;
}

/* What a worker does to a packet from the TUN device that goes out as it is. */
static size_t encapsulate(void) {
  struct weft_packet packet;
  for (unsigned i = 0; i < BATCH; i++) {
    if (weft_packet_parse(inner, size, &packet) != 0) abort();
    const struct weft_route *route = weft_routes_find(routes, packet.family, weft_packet_destination(inner, &packet));
    if (route == NULL || packet.ttl == 0) abort();
    if (encap->decrements_ttl) weft_packet_decrement_ttl(inner, &packet);
    sum_of_all += weft_ecn_encap(packet.tos, false);
    weft_encap_push(encap, inner, route->header, packet.family);
    use(buffer);
  }
  inner[8] = 255; /* as its TTL; the header checksum is not verified */
  return BATCH;
}

/* What a worker does to a datagram before it is joined with others. */
static size_t decapsulate(void) {
  uint8_t *const datagram = inner - encap->header_bytes;
  struct weft_packet packet;
  for (unsigned i = 0; i < BATCH; i++) {
    if (encap->check(datagram, encap->header_bytes + size, &OWN) != 0) abort();
    if (weft_packet_parse(inner, size, &packet) != 0) abort();
    const struct weft_route *route = weft_routes_find(routes, packet.family, weft_packet_source(inner, &packet));
    if (route == NULL || weft_ecn_decap(inner, &packet, 0) != 0) abort();
    use(buffer);
  }
  return BATCH;
}

static void make_packet(size_t bytes) {
  size = bytes;
  build_packet(inner, &SHAPE, noise, bytes - shape_header_bytes(&SHAPE));
}

static void add_route(uint32_t subnet, unsigned bits) {
  struct weft_route route = ipv4_route(subnet, bits, 0xc6120001);
  encap->make_header(route.header, &OWN, OWN.mac);
  if (weft_routes_set(routes, &route) < 0) abort();
}

static void time_tunnel(const struct weft_encap *which, const char *out, const char *in) {
  encap = which;
  routes = weft_routes_new(1);
  weft_routes_enter(routes, 0);
  /* The packet's source and destination, see build-packet.h. */
  add_route(0x0a010200, 24);
  add_route(0x0a040500, 24);
  for (unsigned i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
    make_packet(SIZES[i]);
    encap->make_header(inner - encap->header_bytes, &OWN, OWN.mac);
    report(out, size, "memcpy", copy_packet);
    report(out, size, "weft", encapsulate);
    report(in, size, "memcpy", copy_packet);
    report(in, size, "weft", decapsulate);
  }
  weft_routes_leave(routes, 0);
  weft_routes_free(routes);
}

static void time_checksum(void) {
  for (unsigned i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
    make_packet(SIZES[i]);
    report("checksum", size, "memcpy", copy_packet);
    report("checksum", size, "weft", sum_packet);
  }
}

/* --- A super-packet of RUN_BYTES and the packets of `size` bytes that it stands for --- */

static size_t run_payload(void) {
  return size - shape_header_bytes(&SHAPE);
}

static size_t copy_run(void) {
  const size_t payload = run_payload();
  size_t packets = 0;
  for (size_t at = 0; at + payload <= RUN_BYTES; at += payload, packets++) {
    memcpy(copy + HEADROOM, inner + at, size);
    use(copy);
  }
  return packets;
}

static size_t segment_run(void) {
  static uint8_t slots[SLOTS][WEFT_MAX_INNER_HEADER];
  struct weft_segmenter segmenter;
  struct weft_packet packet;
  const struct virtio_net_hdr header = {
      .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = (uint16_t)run_payload()};
  const size_t length = shape_header_bytes(&SHAPE) + RUN_BYTES;
  size_t packets = 0;
  if (weft_packet_parse(inner, length, &packet) != 0) abort();
  if (weft_segmenter_init(&segmenter, &header, inner, length, &packet) != 0) abort();
  while (weft_segmenter_next(&segmenter, slots[packets % SLOTS])) packets++;
  use(slots);
  return packets;
}

static size_t copy_packets(void) {
  for (size_t i = 0; i < run_count; i++) {
    memcpy(copy + HEADROOM, run_packets[i], size);
    use(copy);
  }
  return run_count;
}

static size_t coalesce_run(void) {
  static struct weft_coalescer coalescer;
  for (size_t i = 0; i < run_count; i++)
    if (!weft_coalescer_add(&coalescer, run_packets[i], &parsed[i], WEFT_COALESCE_TCP)) abort();
  weft_coalescer_take(&coalescer);
  use(&coalescer);
  weft_coalescer_clear(&coalescer);
  return run_count;
}

static void make_run(size_t bytes) {
  size = bytes;
  build_packet(inner, &SHAPE, noise, RUN_BYTES);
  make_partial(inner, shape_header_bytes(&SHAPE) + RUN_BYTES, &SHAPE);
  run_count = RUN_BYTES / size < BATCH ? RUN_BYTES / size : BATCH;
  struct shape shape = SHAPE;
  for (size_t i = 0; i < run_count; i++, shape.sequence += (uint32_t)run_payload(), shape.id++) {
    build_packet(run_packets[i], &shape, noise + i, run_payload());
    if (weft_packet_parse(run_packets[i], size, &parsed[i]) != 0) abort();
  }
}

static void time_runs(void) {
  for (unsigned i = 0; i < sizeof(SEGMENT_SIZES) / sizeof(*SEGMENT_SIZES); i++) {
    make_run(SEGMENT_SIZES[i]);
    report("segmentation", size, "memcpy", copy_run);
    report("segmentation", size, "weft", segment_run);
    report("coalescing", size, "memcpy", copy_packets);
    report("coalescing", size, "weft", coalesce_run);
  }
}

/* --- Routes --- */

static size_t find_routes(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < ADDRESSES; i++) sum += weft_routes_find(routes, 4, addresses[i])->prefix_bits;
  sum_of_all += sum;
  return ADDRESSES;
}

/*
 * As many lines of memory as there are routes, each read through the same address: the lower bound
 * of any table.
 */
static size_t read_lines(void) {
  static uint64_t lines[65536][8];
  uint64_t sum = 0;
  use(lines);
  for (size_t i = 0; i < ADDRESSES; i++) sum += lines[weft_load16(addresses[i] + 1)][0];
  sum_of_all += sum;
  return ADDRESSES;
}

static void make_routes(size_t count) {
  uint32_t state = 2463534242;
  encap = &weft_encap_vxlan;
  route_count = count;
  routes = weft_routes_new(1);
  for (size_t i = 0; i < count; i++) add_route(0x0a000000 + (uint32_t)i * 256, 24);
  for (size_t i = 0; i < ADDRESSES; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    weft_store32(addresses[i], 0x0a000000 + state % (uint32_t)count * 256 + 9);
  }
  weft_routes_enter(routes, 0);
}

static void time_routes(void) {
  for (unsigned i = 0; i < sizeof(ROUTES) / sizeof(*ROUTES); i++) {
    make_routes(ROUTES[i]);
    report("route", route_count, "a read of memory", read_lines);
    report("route", route_count, "weft", find_routes);
    weft_routes_leave(routes, 0);
    weft_routes_free(routes);
  }
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  time_checksum();
  time_tunnel(&weft_encap_vxlan, "encap vxlan", "decap vxlan");
  time_tunnel(&weft_encap_udp, "encap udp", "decap udp");
  time_runs();
  time_routes();
  return 0;
}
