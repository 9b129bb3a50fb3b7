/* Encapsulation headers byte by byte, and the drop reasons of datagrams. */
#include "packet/encap.h"

#include "packet/wire.h"
#include "support/expect.h"

enum { DATAGRAM_BYTES = 22 + 20 };

static const uint8_t OWN_MAC[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t PEER_MAC[6] = {2, 0, 0, 0, 0, 2};
static const struct weft_encap_settings OWN = {.vni = 0x123456, .mac = {2, 0, 0, 0, 0, 1}};

/* What a peer with the other MAC sends to us. */
static const uint8_t GOOD[DATAGRAM_BYTES] = {
    0x08, 0, 0, 0,  0x12, 0x34, 0x56, 0, /* VXLAN */
    2,    0, 0, 0,  0,    1,             /* to us */
    2,    0, 0, 0,  0,    2,    0x08, 0, /* from the peer, IPv4 */
    0x45, 0, 0, 20,
};

static void test_vxlan_header(void) {
  static const uint8_t EXPECTED4[22] = {8, 0, 0, 0, 0x12, 0x34, 0x56, 0, 2, 0,    0,
                                        0, 0, 2, 2, 0,    0,    0,    0, 1, 0x08, 0x00};
  static const uint8_t EXPECTED6[22] = {8, 0, 0, 0, 0x12, 0x34, 0x56, 0, 2, 0,    0,
                                        0, 0, 2, 2, 0,    0,    0,    0, 1, 0x86, 0xdd};
  uint8_t header[WEFT_MAX_ENCAP_HEADER], datagram[24];
  memset(header, 0xaa, sizeof(header));
  weft_encap_vxlan.make_header(header, &OWN, PEER_MAC);
  EXPECT_BYTES(header, EXPECTED4, 22);
  memset(datagram, 0x55, sizeof(datagram));
  weft_encap_push(&weft_encap_vxlan, datagram + 23, header, 4);
  EXPECT(datagram[0], 0x55);
  EXPECT_BYTES(datagram + 1, EXPECTED4, 22);
  EXPECT(datagram[23], 0x55);
  weft_encap_push(&weft_encap_vxlan, datagram + 23, header, 6);
  EXPECT_BYTES(datagram + 1, EXPECTED6, 22);
  EXPECT(datagram[23], 0x55);
}

static void test_udp_header(void) {
  uint8_t header[WEFT_MAX_ENCAP_HEADER], datagram[8];
  memset(datagram, 0x55, sizeof(datagram));
  weft_encap_udp.make_header(header, &OWN, PEER_MAC);
  weft_encap_push(&weft_encap_udp, datagram + 4, header, 6);
  for (size_t i = 0; i < sizeof(datagram); i++) EXPECT(datagram[i], 0x55);
}

/* The good datagram with one byte changed. */
static int check_with(size_t at, unsigned value) {
  uint8_t datagram[DATAGRAM_BYTES];
  memcpy(datagram, GOOD, sizeof(datagram));
  datagram[at] = (uint8_t)value;
  return weft_encap_vxlan.check(datagram, sizeof(datagram), &OWN);
}

/* In memory of its own, so that one byte too far is seen. */
static int check_length(const struct weft_encap *encap, const uint8_t *data, size_t length) {
  uint8_t *copy = malloc(length);
  if (length > 0) memcpy(copy, data, length);
  const int result = encap->check(copy, length, &OWN);
  free(copy);
  return result;
}

static void test_vxlan_check(void) {
  EXPECT(check_with(0, 0x08), 0);
  /* Reserved bits and those of extensions do not matter; without the VNI bit there is no VNI. */
  EXPECT(check_with(0, 0xff), 0);
  EXPECT(check_with(0, 0x88), 0);
  EXPECT(check_with(0, 0xf7), WEFT_DROP_RX_HEADER);
  EXPECT(check_with(0, 0), WEFT_DROP_RX_HEADER);
  for (size_t at = 1; at <= 3; at++) EXPECT(check_with(at, 0xff), 0);
  EXPECT(check_with(7, 0xff), 0);
  for (size_t at = 4; at <= 6; at++) EXPECT(check_with(at, 0xff), WEFT_DROP_RX_VNI);
  for (size_t at = 8; at <= 13; at++) EXPECT(check_with(at, 0xff), WEFT_DROP_RX_MAC);
  for (size_t at = 14; at <= 19; at++) EXPECT(check_with(at, 0xff), 0);
  EXPECT(check_with(20, 0x86), WEFT_DROP_RX_NOT_IP);
  EXPECT(check_with(21, 0x06), WEFT_DROP_RX_NOT_IP); /* ARP */
  EXPECT(check_with(22, 0x60), WEFT_DROP_RX_NOT_IP);
  EXPECT(check_with(22, 0x00), WEFT_DROP_RX_NOT_IP);
  for (size_t length = 0; length <= 22; length++)
    EXPECT(check_length(&weft_encap_vxlan, GOOD, length), WEFT_DROP_RX_HEADER);
  EXPECT(check_length(&weft_encap_vxlan, GOOD, 23), 0);
}

static void test_vxlan_ipv6(void) {
  uint8_t datagram[DATAGRAM_BYTES];
  memcpy(datagram, GOOD, sizeof(datagram));
  weft_store16(datagram + 20, WEFT_ETHERTYPE_IPV6);
  EXPECT(weft_encap_vxlan.check(datagram, sizeof(datagram), &OWN), WEFT_DROP_RX_NOT_IP);
  datagram[22] = 0x6f;
  EXPECT(weft_encap_vxlan.check(datagram, sizeof(datagram), &OWN), 0);
}

/* What one end makes, the other takes. */
static void test_both_ends(void) {
  struct weft_encap_settings peer = {.vni = OWN.vni};
  uint8_t header[WEFT_MAX_ENCAP_HEADER], datagram[23] = {[22] = 0x45};
  memcpy(peer.mac, PEER_MAC, sizeof(peer.mac));
  weft_encap_vxlan.make_header(header, &peer, OWN_MAC);
  weft_encap_push(&weft_encap_vxlan, datagram + 22, header, 4);
  EXPECT(weft_encap_vxlan.check(datagram, sizeof(datagram), &OWN), 0);
  EXPECT(weft_encap_vxlan.check(datagram, sizeof(datagram), &peer), WEFT_DROP_RX_MAC);
}

static void test_udp_check(void) {
  for (unsigned version = 0; version < 16; version++) {
    const uint8_t first = (uint8_t)(version << 4 | 5);
    EXPECT(check_length(&weft_encap_udp, &first, 1), version == 4 || version == 6 ? 0 : WEFT_DROP_RX_NOT_IP);
  }
  EXPECT(check_length(&weft_encap_udp, NULL, 0), WEFT_DROP_RX_HEADER);
}

int main(void) {
  test_vxlan_header();
  test_udp_header();
  test_vxlan_check();
  test_vxlan_ipv6();
  test_both_ends();
  test_udp_check();
}
