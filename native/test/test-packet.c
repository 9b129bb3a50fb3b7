/*
 * What is read of a packet's headers, of good and of hostile ones; states of a checksum; flow hash;
 * TTL.
 */
#include "packet/packet.h"

#include "support/build-packet.h"
#include "support/expect.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, ESP = 50, AUTHENTICATION = 51, DESTINATION_OPTIONS = 60 };

static uint8_t data[WEFT_MAX_PACKET];
static const uint8_t PAYLOAD[64] = "Payload of no meaning";
static struct weft_packet packet;

/* In memory of its own, so that one byte too far is seen. */
static int parse(size_t length) {
  uint8_t *copy = malloc(length);
  if (length > 0) memcpy(copy, data, length);
  memset(&packet, 0xee, sizeof(packet));
  const int result = weft_packet_parse(copy, length, &packet);
  if (result == 0) {
    weft_packet_flow_hash(copy, &packet);
    weft_packet_checksum(copy, &packet);
    weft_packet_is_partial(copy, &packet);
  }
  free(copy);
  return result;
}

static struct shape shape_of(unsigned family, unsigned protocol) {
  return (struct shape){.family = family,
                        .protocol = protocol,
                        .tos = 0xb9,
                        .ttl = 61,
                        .flow_label = 0xfffff,
                        .source_port = 1000,
                        .destination_port = 2000,
                        .flags = WEFT_TCP_ACK};
}

static void test_fields(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    for (size_t extra = 0; extra <= 40; extra += 8) {
      struct shape shape = shape_of(family, WEFT_PROTOCOL_TCP);
      shape.network_extra = extra;
      shape.tcp_extra = 12;
      const size_t length = build_packet(data, &shape, PAYLOAD, 10);
      EXPECT(parse(length + 5), 0); /* with padding */
      EXPECT(packet.family, family);
      EXPECT(packet.protocol, WEFT_PROTOCOL_TCP);
      EXPECT(packet.tos, 0xb9);
      EXPECT(packet.ttl, 61);
      EXPECT(packet.is_fragment || packet.is_later_fragment || packet.is_source_routed, false);
      EXPECT(packet.has_options, extra > 0);
      EXPECT(packet.network_bytes, shape_network_bytes(&shape));
      EXPECT(packet.transport_bytes, 32);
      EXPECT(packet.total_bytes, length);
      EXPECT(weft_packet_checksum(data, &packet), WEFT_CHECKSUM_GOOD);
    }
  }
}

/*
 * Cut anywhere, with lengths corrected or not: nothing is read beyond, and only what is whole is
 * believed.
 */
static void test_cut(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    const struct shape shape = shape_of(family, WEFT_PROTOCOL_TCP);
    const size_t network_bytes = shape_network_bytes(&shape);
    const size_t whole = build_packet(data, &shape, PAYLOAD, 10);
    for (size_t length = 0; length < whole; length++) EXPECT(parse(length), WEFT_DROP_RX_MALFORMED);
    for (size_t length = network_bytes; length <= whole; length++) {
      weft_store16(data + (family == 4 ? 2 : 4), (unsigned)(family == 4 ? length : length - 40));
      EXPECT(parse(length), 0);
      EXPECT(packet.transport_bytes, length - network_bytes >= 20 ? 20 : 0);
      EXPECT(packet.total_bytes, length);
    }
  }
}

static void test_ipv4_malformed(void) {
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_UDP);
  const size_t length = build_packet(data, &shape, PAYLOAD, 40);
  for (unsigned first = 0; first < 256; first++) {
    if (first >> 4 == 6) continue; /* another packet, which may well be good */
    data[0] = (uint8_t)first;
    EXPECT(parse(length), first >= 0x45 && first <= 0x4f ? 0 : WEFT_DROP_RX_MALFORMED);
  }
  data[0] = 0x46;
  weft_store16(data + 2, 23);
  EXPECT(parse(length), WEFT_DROP_RX_MALFORMED);
  weft_store16(data + 2, 24);
  EXPECT(parse(length), 0);
  weft_store16(data + 2, (unsigned)length + 1);
  EXPECT(parse(length), WEFT_DROP_RX_MALFORMED);
}

static void test_tcp_header_length(void) {
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_TCP);
  const size_t length = build_packet(data, &shape, PAYLOAD, 20);
  for (unsigned offset = 0; offset < 16; offset++) {
    data[20 + 12] = (uint8_t)(offset << 4);
    EXPECT(parse(length), 0);
    EXPECT(packet.protocol, WEFT_PROTOCOL_TCP);
    EXPECT(packet.transport_bytes, offset >= 5 && offset <= 10 ? offset * 4 : 0);
  }
}

static void test_ipv4_fragments(void) {
  static const struct {
    unsigned field;
    bool is_fragment, is_later;
  } CASES[] = {{0, false, false},     {0x4000, false, false}, {0x8000, false, false},
               {0x2000, true, false}, {0x2001, true, true},   {0x1fff, true, true}};
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_UDP);
  const size_t length = build_packet(data, &shape, PAYLOAD, 40);
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    weft_store16(data + 6, CASES[i].field);
    EXPECT(parse(length), 0);
    EXPECT(packet.is_fragment, CASES[i].is_fragment);
    EXPECT(packet.is_later_fragment, CASES[i].is_later);
    EXPECT(packet.transport_bytes, CASES[i].is_fragment ? 0 : 8);
    EXPECT(packet.protocol, WEFT_PROTOCOL_UDP);
  }
}

/* An IPv6 packet of 40 bytes and these, the first of them of type `next`. */
static enum weft_drop_reason parse_ipv6(unsigned next, const uint8_t *rest, size_t length) {
  const struct shape shape = shape_of(6, WEFT_PROTOCOL_UDP);
  build_network(data, 40 + length, &shape);
  data[6] = (uint8_t)next;
  memcpy(data + 40, rest, length);
  return parse(40 + length);
}

static void test_extension_chain(void) {
  static const uint8_t CHAIN[] = {
      DESTINATION_OPTIONS,
      0,
      1,
      4,
      0,
      0,
      0,
      0, /* hop-by-hop */
      ROUTING,
      1,
      1,
      12,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0, /* destination options */
      AUTHENTICATION,
      0,
      4,
      0,
      0,
      0,
      0,
      0, /* routing, at its end */
      FRAGMENT,
      4,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0, /* authentication: 24 bytes */
      WEFT_PROTOCOL_UDP,
      0,
      0,
      0,
      0,
      0,
      0,
      9, /* fragment, but all of it */
      0,
      7,
      0,
      9,
      0,
      8,
      0,
      0,
  };
  EXPECT(parse_ipv6(HOP_BY_HOP, CHAIN, sizeof(CHAIN)), 0);
  EXPECT(packet.protocol, WEFT_PROTOCOL_UDP);
  EXPECT(packet.has_options, true);
  EXPECT(packet.is_fragment, false);
  EXPECT(packet.network_bytes, 40 + sizeof(CHAIN) - 8);
  EXPECT(packet.transport_bytes, 8);
  /* Cut anywhere within the headers: no transport header, and nothing read beyond. */
  for (size_t length = 0; length < sizeof(CHAIN) - 8; length++) {
    EXPECT(parse_ipv6(HOP_BY_HOP, CHAIN, length), 0);
    EXPECT(packet.protocol == WEFT_PROTOCOL_UDP, false);
    EXPECT(packet.transport_bytes, 0);
    EXPECT(packet.network_bytes <= packet.total_bytes, true);
  }
}

static void test_ipv6_fragments(void) {
  static const struct {
    unsigned field;
    bool is_fragment, is_later;
  } CASES[] = {{0, false, false}, {6, false, false}, {1, true, false}, {8, true, true}, {0xfff9, true, true}};
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    uint8_t rest[16] = {WEFT_PROTOCOL_UDP, 0, 0, 0, 1, 2, 3, 4, 0, 7, 0, 9, 0, 8};
    weft_store16(rest + 2, CASES[i].field);
    EXPECT(parse_ipv6(FRAGMENT, rest, sizeof(rest)), 0);
    EXPECT(packet.is_fragment, CASES[i].is_fragment);
    EXPECT(packet.is_later_fragment, CASES[i].is_later);
    EXPECT(packet.transport_bytes, CASES[i].is_fragment ? 0 : 8);
    EXPECT(packet.protocol, WEFT_PROTOCOL_UDP);
    EXPECT(packet.network_bytes, 48);
  }
  /* A second fragment header that says "all of it" does not take back what the first one said. */
  const uint8_t twice[24] = {FRAGMENT, 0, 0, 1, [8] = WEFT_PROTOCOL_UDP, [17] = 7, [19] = 9, [21] = 8};
  EXPECT(parse_ipv6(FRAGMENT, twice, sizeof(twice)), 0);
  EXPECT(packet.is_fragment, true);
  EXPECT(packet.transport_bytes, 0);
}

static void test_ipv6_other_headers(void) {
  uint8_t rest[1000] = {WEFT_PROTOCOL_UDP, 0, 0, 1, [12] = 0, 8};
  /* A route still to go: the checksum is for another destination. */
  EXPECT(parse_ipv6(ROUTING, rest, 16), 0);
  EXPECT(packet.is_source_routed, true);
  EXPECT(packet.transport_bytes, 0);
  EXPECT(packet.protocol, WEFT_PROTOCOL_UDP);
  EXPECT(weft_packet_checksum(data, &packet), WEFT_CHECKSUM_BAD);
  /* Unknown and encrypted: as they are. */
  EXPECT(parse_ipv6(ESP, rest, 16), 0);
  EXPECT(packet.protocol, ESP);
  EXPECT(packet.network_bytes, 40);
  EXPECT(parse_ipv6(200, rest, 16), 0);
  EXPECT(packet.protocol, 200);
  EXPECT(parse_ipv6(WEFT_PROTOCOL_NONE, rest, 0), 0);
  EXPECT(packet.protocol, WEFT_PROTOCOL_NONE);
  /* Too many headers: the walk ends without a protocol. */
  for (size_t at = 0; at < sizeof(rest); at += 8) memcpy(rest + at, (const uint8_t[]){DESTINATION_OPTIONS, 0, 1, 4}, 4);
  EXPECT(parse_ipv6(DESTINATION_OPTIONS, rest, sizeof(rest)), 0);
  EXPECT(packet.protocol, WEFT_PROTOCOL_NONE);
  EXPECT(packet.transport_bytes, 0);
  EXPECT(packet.network_bytes < 200, true);
}

static enum weft_checksum_state state_of(size_t length) {
  EXPECT(weft_packet_parse(data, length, &packet), 0);
  return weft_packet_checksum(data, &packet);
}

static void test_checksum_states(unsigned family, unsigned protocol) {
  const struct shape shape = shape_of(family, protocol);
  const size_t length = build_packet(data, &shape, PAYLOAD, 33);
  const size_t network_bytes = shape_network_bytes(&shape);
  EXPECT(state_of(length), WEFT_CHECKSUM_GOOD);
  EXPECT(weft_packet_is_partial(data, &packet), false);
  /* Any bit of addresses, transport header or payload. */
  for (size_t bit = (family == 4 ? 12 : 8) * 8; bit < length * 8; bit++) {
    if (bit / 8 == network_bytes + 12 || bit / 8 / 2 == (network_bytes + 4) / 2) continue; /* lengths */
    data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    EXPECT(state_of(length), WEFT_CHECKSUM_BAD);
    data[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  make_partial(data, length, &shape);
  EXPECT(state_of(length), WEFT_CHECKSUM_PARTIAL);
  EXPECT(weft_packet_is_partial(data, &packet), true);
  transport_checksum(data, &shape)[1] ^= 1;
  EXPECT(state_of(length), WEFT_CHECKSUM_BAD);
  EXPECT(weft_packet_is_partial(data, &packet), false);
  weft_store16(transport_checksum(data, &shape), 0);
  EXPECT(state_of(length), family == 4 && protocol == WEFT_PROTOCOL_UDP ? WEFT_CHECKSUM_NONE : WEFT_CHECKSUM_BAD);
}

/* UDP says itself how long it is. */
static void test_udp_length(void) {
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_UDP);
  const size_t length = build_packet(data, &shape, PAYLOAD, 20);
  weft_store16(data + 24, 28 + 1);
  EXPECT(state_of(length), WEFT_CHECKSUM_BAD);
  weft_store16(data + 24, 7);
  EXPECT(state_of(length), WEFT_CHECKSUM_BAD);
  /* Bytes behind it are not covered. */
  build_packet(data, &shape, PAYLOAD, 18);
  data[length - 1] = 0x77;
  weft_store16(data + 2, (unsigned)length);
  EXPECT(state_of(length), WEFT_CHECKSUM_GOOD);
}

static uint32_t hash_of(const struct shape *shape, size_t payload_bytes) {
  const size_t length = build_packet(data, shape, PAYLOAD, payload_bytes);
  EXPECT(weft_packet_parse(data, length, &packet), 0);
  return weft_packet_flow_hash(data, &packet);
}

static void test_flow_hash(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    struct shape shape = shape_of(family, WEFT_PROTOCOL_TCP);
    const uint32_t hash = hash_of(&shape, 10);
    shape.sequence = 77;
    shape.ttl = 5;
    shape.tos = 3;
    shape.id = 9;
    EXPECT(hash_of(&shape, 60), hash);
    data[family == 4 ? 19 : 39] ^= 1; /* destination */
    EXPECT(weft_packet_flow_hash(data, &packet) == hash, false);
    shape.protocol = WEFT_PROTOCOL_UDP;
    EXPECT(hash_of(&shape, 10) == hash, false);
    /* Neighbouring ports must not fall into few of the places that a caller has. */
    unsigned used = 0, seen[16] = {0};
    for (unsigned port = 0; port < 256; port++) {
      shape.source_port = 40000 + port;
      seen[hash_of(&shape, 10) % 16]++;
    }
    for (unsigned place = 0; place < 16; place++) used += seen[place] > 4 && seen[place] < 40;
    EXPECT(used, 16);
  }
  /* First and later fragments have the same hash. */
  const struct shape shape = shape_of(4, WEFT_PROTOCOL_UDP);
  const size_t length = build_packet(data, &shape, PAYLOAD, 20);
  weft_store16(data + 6, 0x2000);
  EXPECT(weft_packet_parse(data, length, &packet), 0);
  const uint32_t first = weft_packet_flow_hash(data, &packet);
  weft_store16(data + 6, 5);
  data[20] ^= 0xff;
  EXPECT(weft_packet_parse(data, length, &packet), 0);
  EXPECT(weft_packet_flow_hash(data, &packet), first);
}

static void test_ttl(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    for (unsigned ttl = 1; ttl < 256; ttl++) {
      uint8_t expected[100];
      struct shape shape = shape_of(family, WEFT_PROTOCOL_UDP);
      shape.ttl = ttl;
      const size_t length = build_packet(data, &shape, PAYLOAD, 20);
      shape.ttl = ttl - 1;
      build_packet(expected, &shape, PAYLOAD, 20);
      EXPECT(weft_packet_parse(data, length, &packet), 0);
      weft_packet_decrement_ttl(data, &packet);
      EXPECT_BYTES(data, expected, length);
    }
  }
}

int main(void) {
  test_fields();
  test_cut();
  test_ipv4_malformed();
  test_tcp_header_length();
  test_ipv4_fragments();
  test_extension_chain();
  test_ipv6_fragments();
  test_ipv6_other_headers();
  for (unsigned family = 4; family <= 6; family += 2) {
    test_checksum_states(family, WEFT_PROTOCOL_TCP);
    test_checksum_states(family, WEFT_PROTOCOL_UDP);
  }
  test_udp_length();
  test_flow_hash();
  test_ttl();
}
