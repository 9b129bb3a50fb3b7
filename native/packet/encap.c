/* Writes and checks the encapsulation headers. Reads only the first byte of the inner packet. */
#include "encap.h"

#include <string.h>

#include "wire.h"

/* Offsets of the VXLAN header (RFC 7348 §5) and of the inner Ethernet header in the datagram. */
enum {
  VXLAN_FLAGS = 0,
  VXLAN_VNI = 4, /* 24 bits, then 8 reserved */
  INNER_DESTINATION = WEFT_VXLAN_BYTES,
  INNER_SOURCE = INNER_DESTINATION + 6,
  INNER_TYPE = INNER_SOURCE + 6,
  VXLAN_HEADER_BYTES = WEFT_VXLAN_BYTES + WEFT_ETHERNET_BYTES,
  VXLAN_FLAG_VNI = 0x08, /* "I": the VNI is valid */
};

_Static_assert((int)VXLAN_HEADER_BYTES == (int)WEFT_MAX_ENCAP_HEADER, "room for the longest header");

static void make_udp_header(uint8_t *header, const struct weft_encap_settings *settings, const uint8_t *mac) {
  (void)header;
  (void)settings;
  (void)mac;
}

static enum weft_drop_reason check_udp(const uint8_t *datagram, size_t length,
                                       const struct weft_encap_settings *settings) {
  (void)settings;
  if (length == 0) return WEFT_DROP_RX_HEADER;
  const unsigned version = datagram[0] >> 4;
  return version == 4 || version == 6 ? WEFT_NOT_DROPPED : WEFT_DROP_RX_NOT_IP;
}

static void make_vxlan_header(uint8_t *header, const struct weft_encap_settings *settings, const uint8_t *mac) {
  memset(header, 0, VXLAN_HEADER_BYTES);
  header[VXLAN_FLAGS] = VXLAN_FLAG_VNI;
  weft_store32(header + VXLAN_VNI, settings->vni << 8);
  memcpy(header + INNER_DESTINATION, mac, 6);
  memcpy(header + INNER_SOURCE, settings->mac, 6);
  weft_store16(header + INNER_TYPE, WEFT_ETHERTYPE_IPV4);
}

/* Ignores reserved bits (RFC 7348 §5) and the flags of extensions such as group policies. */
static enum weft_drop_reason check_vxlan(const uint8_t *datagram, size_t length,
                                         const struct weft_encap_settings *settings) {
  if (length <= VXLAN_HEADER_BYTES || !(datagram[VXLAN_FLAGS] & VXLAN_FLAG_VNI)) return WEFT_DROP_RX_HEADER;
  if (weft_load32(datagram + VXLAN_VNI) >> 8 != settings->vni) return WEFT_DROP_RX_VNI;
  if (memcmp(datagram + INNER_DESTINATION, settings->mac, 6) != 0) return WEFT_DROP_RX_MAC;
  const unsigned type = weft_load16(datagram + INNER_TYPE);
  const unsigned version = datagram[VXLAN_HEADER_BYTES] >> 4;
  const bool is_ip = (type == WEFT_ETHERTYPE_IPV4 && version == 4) || (type == WEFT_ETHERTYPE_IPV6 && version == 6);
  return is_ip ? WEFT_NOT_DROPPED : WEFT_DROP_RX_NOT_IP;
}

const struct weft_encap weft_encap_udp = {
    .name = "udp",
    .header_bytes = 0,
    .decrements_ttl = true,
    .make_header = make_udp_header,
    .check = check_udp,
};

const struct weft_encap weft_encap_vxlan = {
    .name = "vxlan",
    .header_bytes = VXLAN_HEADER_BYTES,
    .decrements_ttl = false,
    .make_header = make_vxlan_header,
    .check = check_vxlan,
};

void weft_encap_push(const struct weft_encap *encap, uint8_t *inner, const uint8_t *header, unsigned family) {
  if (encap->header_bytes == 0) return;
  memcpy(inner - encap->header_bytes, header, encap->header_bytes);
  if (family == 6) weft_store16(inner - 2, WEFT_ETHERTYPE_IPV6); /* the last field of the header */
}
