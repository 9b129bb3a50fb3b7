/*
 * Header sizes, protocol numbers, and unaligned access in network byte order.
 *
 *   underlay IP | UDP | encapsulation header (0 or 22 bytes) | inner IP packet
 */
#ifndef WEFT_WIRE_H
#define WEFT_WIRE_H

#include <stdint.h>
#include <string.h>

enum {
  WEFT_IPV4_BYTES = 20,     /* RFC 791 §3.1 without options */
  WEFT_IPV6_BYTES = 40,     /* RFC 8200 §3 */
  WEFT_TCP_BYTES = 20,      /* RFC 9293 §3.1 without options */
  WEFT_UDP_BYTES = 8,       /* RFC 768 */
  WEFT_ETHERNET_BYTES = 14, /* without a VLAN tag */
  WEFT_VXLAN_BYTES = 8,     /* RFC 7348 §5 */
  WEFT_MAX_PACKET = 65535,  /* largest IP packet without jumbograms */
};

enum {
  WEFT_PROTOCOL_ICMP = 1,
  WEFT_PROTOCOL_TCP = 6,
  WEFT_PROTOCOL_UDP = 17,
  WEFT_PROTOCOL_ICMPV6 = 58,
  WEFT_PROTOCOL_NONE = 59, /* RFC 8200 §4.7; also if the transport header is unreadable */
};

enum {
  WEFT_ETHERTYPE_IPV4 = 0x0800,
  WEFT_ETHERTYPE_IPV6 = 0x86dd,
};

/* TCP flags, byte 13 of the header. */
enum {
  WEFT_TCP_FIN = 0x01,
  WEFT_TCP_SYN = 0x02,
  WEFT_TCP_RST = 0x04,
  WEFT_TCP_PSH = 0x08,
  WEFT_TCP_ACK = 0x10,
  WEFT_TCP_URG = 0x20,
  WEFT_TCP_ECE = 0x40,
  WEFT_TCP_CWR = 0x80,
};

static inline uint16_t weft_load16(const uint8_t *at) {
  return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t weft_load32(const uint8_t *at) {
  return (uint32_t)weft_load16(at) << 16 | weft_load16(at + 2);
}

static inline void weft_store16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static inline void weft_store32(uint8_t *at, uint32_t value) {
  weft_store16(at, value >> 16);
  weft_store16(at + 2, value & 0xffff);
}

#endif
