/*
 * Parses a packet or datagram of arbitrary bytes. The parsed lengths must lie within it, checksum
 * states must be right, and changes of TTL and ECN must keep an IPv4 header checksum good.
 */
#include "packet/packet.h"

#include "packet/ecn.h"
#include "packet/encap.h"
#include "property.h"
#include "test/support/build-packet.h"

static void check_bounds(const struct weft_packet *packet, size_t size) {
  HOLDS(packet->family == 4 || packet->family == 6);
  HOLDS(packet->total_bytes <= size);
  HOLDS(packet->network_bytes >= (packet->family == 4 ? 20 : 40));
  HOLDS((size_t)packet->network_bytes + packet->transport_bytes <= packet->total_bytes);
  HOLDS(packet->is_fragment || !packet->is_later_fragment);
  HOLDS(packet->transport_bytes == 0 || (!packet->is_fragment && !packet->is_source_routed));
  HOLDS(packet->transport_bytes == 0 || packet->protocol == WEFT_PROTOCOL_TCP || packet->protocol == WEFT_PROTOCOL_UDP);
}

static void check_checksum(const uint8_t *data, const struct weft_packet *packet) {
  const enum weft_checksum_state state = weft_packet_checksum(data, packet);
  if (packet->transport_bytes == 0) {
    HOLDS(state == WEFT_CHECKSUM_BAD && !weft_packet_is_partial(data, packet));
    return;
  }
  const uint8_t *transport = data + packet->network_bytes;
  size_t covered = packet->total_bytes - packet->network_bytes;
  const size_t own_length = weft_load16(transport + 4);
  if (packet->protocol == WEFT_PROTOCOL_UDP && own_length <= covered) covered = own_length;
  const bool is_good =
      plain_transport_sum(data, packet->network_bytes + covered, packet->network_bytes, packet->protocol) == 0xffff;
  HOLDS(state != WEFT_CHECKSUM_GOOD || is_good);
  HOLDS(state != WEFT_CHECKSUM_PARTIAL || weft_packet_is_partial(data, packet));
  HOLDS(state != WEFT_CHECKSUM_NONE || (packet->protocol == WEFT_PROTOCOL_UDP && weft_load16(transport + 6) == 0));
}

static bool has_good_header(const uint8_t *data, const struct weft_packet *packet) {
  return packet->family == 6 || plain_sum(0, data, packet->network_bytes) == 0xffff;
}

/* What a router does to it, on a copy as long as the packet. */
static void check_changes(const uint8_t *data, struct weft_packet packet) {
  struct weft_packet again;
  uint8_t *copy = malloc(packet.total_bytes);
  memcpy(copy, data, packet.total_bytes);
  const bool was_good = has_good_header(copy, &packet);
  const uint32_t hash = weft_packet_flow_hash(copy, &packet);
  if (packet.ttl > 0) weft_packet_decrement_ttl(copy, &packet);
  HOLDS(has_good_header(copy, &packet) == was_good);
  const bool is_ect = (packet.tos & 3) != 0;
  HOLDS(weft_ecn_decap(copy, &packet, 3) == (is_ect ? 0 : WEFT_DROP_RX_ECN)); /* congestion outside */
  HOLDS(has_good_header(copy, &packet) == was_good);
  HOLDS(weft_packet_parse(copy, packet.total_bytes, &again) == 0);
  HOLDS(again.tos == packet.tos && again.ttl == (packet.ttl > 0 ? packet.ttl - 1 : 0));
  HOLDS(weft_packet_flow_hash(copy, &again) == hash);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct weft_encap_settings SETTINGS = {.vni = 1, .mac = {2, 0, 0, 0, 0, 1}};
  struct weft_packet packet;
  const enum weft_drop_reason udp = weft_encap_udp.check(data, size, &SETTINGS);
  const enum weft_drop_reason vxlan = weft_encap_vxlan.check(data, size, &SETTINGS);
  HOLDS(udp == WEFT_NOT_DROPPED || udp >= WEFT_DROP_RX_HEADER);
  HOLDS(vxlan == WEFT_NOT_DROPPED ? size > 22 : vxlan >= WEFT_DROP_RX_HEADER);
  const enum weft_drop_reason result = weft_packet_parse(data, size, &packet);
  HOLDS(result == 0 || result == WEFT_DROP_RX_MALFORMED);
  HOLDS(result != WEFT_NOT_DROPPED || udp == WEFT_NOT_DROPPED);
  if (result != WEFT_NOT_DROPPED) return 0;
  check_bounds(&packet, size);
  check_checksum(data, &packet);
  check_changes(data, packet);
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *corpus = empty_corpus(*argc, *argv);
  static const uint8_t PAYLOAD[32] = "seed";
  uint8_t packet[200];
  for (unsigned i = 0; corpus && i < 8; i++) {
    const char name[] = {'s', 'e', 'e', 'd', (char)('0' + i), 0};
    const struct shape shape = {.family = i & 1 ? 6 : 4,
                                .protocol = i & 2 ? WEFT_PROTOCOL_TCP : WEFT_PROTOCOL_UDP,
                                .ttl = 64,
                                .network_extra = i & 4 ? 8 : 0,
                                .flags = WEFT_TCP_ACK};
    write_seed(corpus, name, packet, build_packet(packet, &shape, PAYLOAD, sizeof(PAYLOAD)));
  }
  return 0;
}
