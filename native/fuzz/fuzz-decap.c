/*
 * Any message on the underlay socket, through the receiving worker to the TUN device: each datagram
 * in it is delivered or counted under one reason, delivered packets are what came (but for their
 * congestion mark), and those of a flow stay in order. What the address sanitizer sees: nothing
 * behind the message is read.
 *
 * Input: four bytes (see struct setting), then the message.
 */
#include "packet/ecn.h"
#include "property.h"
#include "test/support/build-packet.h"
#include "test/support/fake-kernel.h"
#include "test/support/fake-worker.h"

enum { MAX_EXPECTED = 256, VNI = 7 };

struct setting {
  uint8_t kind; /* bit 0: VXLAN; bit 1: sources are checked; bit 2: no offloads (not VXLAN); bits 3, 4: who sends it */
  uint8_t tos;
  uint8_t segment_bytes[2]; /* of the datagrams that the kernel coalesced; 0: one */
};

/* A packet that has to come out. */
static struct expected {
  uint8_t *data; /* of exactly this length */
  size_t length;
  uint32_t hash;
  bool is_delivered;
} expected[MAX_EXPECTED];
static unsigned expected_count;

static bool is_from(const uint8_t *data, const struct weft_packet *packet, unsigned peer) {
  static const uint8_t PREFIXES[2][2][8] = {{{10, 4, 5}, {0xfd, 2}}, {{10, 1, 2}, {0xfd, 1}}};
  if (peer != 1 && peer != 2) return false;
  const bool is_ipv6 = packet->family == 6;
  return memcmp(weft_packet_source(data, packet), PREFIXES[peer - 1][is_ipv6], is_ipv6 ? 8 : 3) == 0;
}

/* What has to become of one datagram. True if it has to be delivered. */
static bool expect_datagram(const uint8_t *datagram, size_t length, uint8_t tos, unsigned peer) {
  const struct weft_path_settings *settings = &path.settings;
  const size_t header_bytes = settings->encap->header_bytes;
  struct expected *next = &expected[expected_count];
  struct weft_packet packet;
  if (settings->encap->check(datagram, length, &settings->encap_settings) != 0) return false;
  if (weft_packet_parse(datagram + header_bytes, length - header_bytes, &packet) != 0) return false;
  if (settings->is_source_checked && !is_from(datagram + header_bytes, &packet, peer)) return false;
  HOLDS(expected_count < MAX_EXPECTED);
  *next = (struct expected){.data = malloc(packet.total_bytes), .length = packet.total_bytes};
  memcpy(next->data, datagram + header_bytes, next->length);
  if (weft_ecn_decap(next->data, &packet, tos) != 0) {
    free(next->data);
    return false;
  }
  next->hash = weft_packet_flow_hash(next->data, &packet);
  expected_count++;
  return true;
}

/*
 * The kernel delivers a super-packet of the sending kernel, or of its BPF program, as one datagram.
 */
static bool is_one_datagram(const uint8_t *data, size_t length) {
  struct weft_packet packet;
  const size_t header_bytes = path.settings.encap->header_bytes;
  return length > header_bytes && weft_packet_parse(data + header_bytes, length - header_bytes, &packet) == 0 &&
         packet.total_bytes == length - header_bytes;
}

/* Returns how many datagrams are to be dropped. */
static unsigned expect_message(const uint8_t *data, size_t length, size_t segment_bytes, uint8_t tos, unsigned peer) {
  unsigned drops = 0;
  size_t at = 0;
  if (segment_bytes == 0 || segment_bytes >= length || is_one_datagram(data, length)) segment_bytes = length;
  do {
    const size_t bytes = length - at < segment_bytes ? length - at : segment_bytes;
    if (!expect_datagram(data + at, bytes, tos, peer)) drops++;
    at += bytes;
  } while (at < length);
  return drops;
}

/* The next packet of the flow that `data` is of. */
static struct expected *next_of_flow(const uint8_t *data, const struct weft_packet *packet) {
  const uint32_t hash = weft_packet_flow_hash(data, packet);
  for (unsigned i = 0; i < expected_count; i++)
    if (!expected[i].is_delivered && expected[i].hash == hash) return &expected[i];
  return NULL;
}

static uint8_t *checksum_of(uint8_t *data, const struct weft_packet *packet) {
  return data + packet->network_bytes + (packet->protocol == WEFT_PROTOCOL_TCP ? 16 : 6);
}

static bool has_good_checksums(uint8_t *data, size_t length, const struct weft_packet *packet) {
  if (packet->family == 4 && plain_sum(0, data, packet->network_bytes) != 0xffff) return false;
  if (packet->protocol == WEFT_PROTOCOL_UDP && weft_load16(checksum_of(data, packet)) == 0) return false;
  return plain_transport_sum(data, length, packet->network_bytes, packet->protocol) == 0xffff;
}

/*
 * Good checksums, which have two forms of zero, and an identification that means nothing (RFC 6864
 * §4).
 */
static void forget(uint8_t *data, const struct weft_packet *packet) {
  weft_store16(checksum_of(data, packet), 0);
  if (packet->family == 6) return;
  weft_store16(data + 10, 0);
  if (data[6] & 0x40) weft_store16(data + 4, 0);
}

/* A packet that was joined: both it and what it came from are undamaged, and the same. */
static void check_segment(uint8_t *segment, size_t length) {
  struct weft_packet packet;
  HOLDS(weft_packet_parse(segment, length, &packet) == 0);
  struct expected *original = next_of_flow(segment, &packet);
  HOLDS(original && original->length == length);
  HOLDS(has_good_checksums(segment, length, &packet) && has_good_checksums(original->data, length, &packet));
  forget(segment, &packet);
  forget(original->data, &packet);
  HOLDS(memcmp(segment, original->data, length) == 0);
  original->is_delivered = true;
}

static void check_joined(const struct fake_item *item, const struct weft_packet *packet) {
  static uint8_t segment[WEFT_MAX_PACKET];
  struct weft_segmenter segmenter;
  HOLDS(weft_segmenter_init(&segmenter, &item->header, item->bytes, item->length, packet) == 0);
  HOLDS(segmenter.count > 1 && segmenter.count <= WEFT_MAX_COALESCED);
  while (weft_segmenter_next(&segmenter, segment)) {
    memcpy(segment + segmenter.header_bytes, segmenter.payload, segmenter.payload_bytes);
    check_segment(segment, segmenter.header_bytes + segmenter.payload_bytes);
  }
}

static void check_written(const struct fake_item *item) {
  static const struct virtio_net_hdr PLAIN = {0};
  struct weft_packet packet;
  HOLDS(weft_packet_parse(item->bytes, item->length, &packet) == 0 && packet.total_bytes == item->length);
  struct expected *next = next_of_flow(item->bytes, &packet);
  HOLDS(next != NULL);
  if (next->length != item->length || memcmp(next->data, item->bytes, item->length) != 0)
    return check_joined(item, &packet);
  next->is_delivered = true;
  if (item->header.flags == 0) {
    HOLDS(memcmp(&item->header, &PLAIN, sizeof(PLAIN)) == 0);
    return;
  }
  /* As the kernel at the other end left it. */
  HOLDS(weft_packet_is_partial(item->bytes, &packet));
  HOLDS(item->header.csum_start + item->header.csum_offset + 2u <= item->length);
  HOLDS((item->header.gso_type == VIRTIO_NET_HDR_GSO_NONE) == (item->header.gso_size == 0));
}

static uint64_t count_drops(void) {
  uint64_t drops = 0;
  for (unsigned counter = WEFT_DROP_TX_MALFORMED; counter < WEFT_COUNTER_COUNT; counter++) drops += counted(counter);
  return drops;
}

/* Each input finds everything as the first one did. */
static void prepare(const struct setting *setting) {
  if (!worker) begin();
  fake.memory_used = 0;
  fake.udp_in.count = fake.udp_in.taken = fake.tun_out.count = expected_count = 0;
  const bool is_vxlan = setting->kind & 1;
  path.settings.encap = is_vxlan ? &weft_encap_vxlan : &weft_encap_udp;
  path.settings.encap_settings.vni = VNI;
  path.settings.is_source_checked = (setting->kind & 2) != 0;
}

/* Without offloads a partial super-packet would be cut, of which check_written knows nothing. */
static void choose_offloads(const struct setting *setting) {
  bool has_offloads = !(setting->kind & 4);
  for (unsigned i = 0; i < expected_count; i++) {
    struct weft_packet packet;
    HOLDS(weft_packet_parse(expected[i].data, expected[i].length, &packet) == 0);
    has_offloads |= weft_packet_is_partial(expected[i].data, &packet);
  }
  atomic_store(&path.offloads.tso, has_offloads);
  atomic_store(&path.offloads.uso, has_offloads);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct setting setting;
  if (size < sizeof(setting)) return 0;
  memcpy(&setting, data, sizeof(setting));
  data += sizeof(setting);
  size -= sizeof(setting);
  prepare(&setting);
  const unsigned peer = setting.kind >> 3 & 3;
  struct fake_item *message = fake_put_bytes(&fake.udp_in, data, size);
  message->remote = remote_of(peer);
  message->segment_bytes = weft_load16(setting.segment_bytes);
  message->tos = setting.tos;
  const unsigned drops = expect_message(data, size, message->segment_bytes, setting.tos, peer);
  choose_offloads(&setting);
  const uint64_t drops_before = count_drops();
  weft_rx_drain(worker);
  HOLDS(count_drops() == drops_before + drops);
  for (unsigned i = 0; i < fake.tun_out.count; i++) check_written(&fake.tun_out.items[i]);
  for (unsigned i = 0; i < expected_count; i++) {
    HOLDS(expected[i].is_delivered);
    free(expected[i].data);
  }
  return 0;
}

enum { THREE, ONE_SUPER, THREE_MIXED, KINDS };

/*
 * Packets of a flow in one message, the last one shorter, with a partial one between; or a
 * super-packet of a kernel.
 */
static size_t make_message(uint8_t *out, const struct weft_encap *encap, const struct shape *flow, unsigned kind,
                           size_t *segment_bytes) {
  const struct weft_encap_settings settings = {.vni = VNI};
  const uint8_t mac[6] = {0};
  const size_t payload_bytes = kind == ONE_SUPER ? 1500 : 100;
  struct shape shape = *flow;
  uint8_t header[WEFT_MAX_ENCAP_HEADER];
  size_t length = 0;
  encap->make_header(header, &settings, mac);
  for (unsigned index = 0; index < (kind == ONE_SUPER ? 1 : 3); index++) {
    uint8_t *inner = out + length + encap->header_bytes;
    const size_t bytes = build_packet(inner, &shape, noise + 100 * index, payload_bytes - (index == 2 ? 50 : 0));
    if (kind == ONE_SUPER || (kind == THREE_MIXED && index == 1)) make_partial(inner, bytes, &shape);
    weft_encap_push(encap, inner, header, shape.family);
    length += encap->header_bytes + bytes;
    if (index == 0) *segment_bytes = kind == ONE_SUPER ? 500 : length;
    shape.id++;
    shape.sequence += 100;
  }
  return length;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static uint8_t seed[4096];
  const char *corpus = empty_corpus(*argc, *argv);
  fill_noise(noise, sizeof(noise));
  for (unsigned i = 0; corpus && i < 8 * KINDS; i++) {
    const char name[] = {'s', 'e', 'e', 'd', '-', (char)('a' + i), 0};
    const bool is_vxlan = i & 1;
    struct shape shape = shape_of(i & 2 ? WEFT_PROTOCOL_TCP : WEFT_PROTOCOL_UDP);
    size_t segment_bytes = 0;
    shape.family = i & 4 ? 6 : 4;
    shape.tos = 2;
    const size_t length = make_message(seed + sizeof(struct setting), is_vxlan ? &weft_encap_vxlan : &weft_encap_udp,
                                       &shape, i / 8, &segment_bytes);
    seed[0] = (uint8_t)((is_vxlan ? 1 : 0) | 2 | 2 << 3);
    seed[1] = (uint8_t)(i >> 1 & 3);
    weft_store16(seed + 2, (unsigned)segment_bytes);
    write_seed(corpus, name, seed, sizeof(struct setting) + length);
  }
  return 0;
}
