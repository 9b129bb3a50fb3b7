/* Outer headers of a tunnelled frame. Independent of the tested code in native/packet. */
#include "outer.h"

#include <string.h>

enum {
  ETHERNET_BYTES = 14,
  IPV4_BYTES = 20,
  IPV6_BYTES = 40,
  UDP_BYTES = 8,
  PROTOCOL_UDP = 17,
  CONGESTION_EXPERIENCED = 3, /* RFC 3168 §5 */
};

static unsigned load16(const uint8_t *at) {
  return (unsigned)at[0] << 8 | at[1];
}

static void store16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* Sum of 16-bit units, an odd last byte padded with zero (RFC 1071). */
static uint32_t sum_units(const uint8_t *data, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += load16(data + i);
  if (length % 2 != 0) sum += (uint32_t)data[length - 1] << 8;
  return sum;
}

static unsigned complement(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/* Bytes of the IP header if a whole UDP datagram follows, else 0. */
static size_t ip_header_bytes(const uint8_t *ip, size_t length, unsigned family) {
  if (family == 6) return length >= IPV6_BYTES && ip[6] == PROTOCOL_UDP ? IPV6_BYTES : 0;
  if (length < IPV4_BYTES || ip[9] != PROTOCOL_UDP) return 0;
  const bool is_fragment = (load16(ip + 6) & 0x3fff) != 0;
  const size_t bytes = (size_t)(ip[0] & 15) * 4;
  return is_fragment || bytes < IPV4_BYTES ? 0 : bytes;
}

bool outer_parse(struct outer *outer, uint8_t *frame, size_t length, unsigned port) {
  if (length < ETHERNET_BYTES) return false;
  const unsigned type = load16(frame + 12);
  if (type != 0x0800 && type != 0x86dd) return false;
  outer->family = type == 0x0800 ? 4 : 6;
  outer->ip = frame + ETHERNET_BYTES;
  length -= ETHERNET_BYTES;
  const size_t header_bytes = ip_header_bytes(outer->ip, length, outer->family);
  if (header_bytes == 0 || length < header_bytes + UDP_BYTES) return false;
  outer->udp = outer->ip + header_bytes;
  outer->payload = outer->udp + UDP_BYTES;
  const size_t udp_bytes = load16(outer->udp + 4);
  if (udp_bytes < UDP_BYTES || udp_bytes > length - header_bytes || load16(outer->udp + 2) != port) return false;
  outer->payload_bytes = udp_bytes - UDP_BYTES;
  return true;
}

static void fix_ip_checksum(struct outer *outer) {
  if (outer->family != 4) return;
  store16(outer->ip + 10, 0);
  store16(outer->ip + 10, complement(sum_units(outer->ip, (size_t)(outer->udp - outer->ip))));
}

size_t outer_cut(struct outer *outer, const uint8_t *frame, size_t payload_bytes) {
  const size_t udp_bytes = payload_bytes + UDP_BYTES;
  outer->payload_bytes = payload_bytes;
  store16(outer->udp + 4, (unsigned)udp_bytes);
  if (outer->family == 4) store16(outer->ip + 2, (unsigned)((size_t)(outer->udp - outer->ip) + udp_bytes));
  else store16(outer->ip + 4, (unsigned)udp_bytes);
  fix_ip_checksum(outer);
  return (size_t)(outer->payload - frame) + payload_bytes;
}

void outer_mark_congestion(struct outer *outer) {
  /*
   * The traffic class of IPv6 lies across two bytes; its ECN field is in bits 4 and 5 of the
   * second.
   */
  if (outer->family == 4) outer->ip[1] |= CONGESTION_EXPERIENCED;
  else outer->ip[1] |= CONGESTION_EXPERIENCED << 4;
  fix_ip_checksum(outer);
}

void outer_set_ttl(struct outer *outer, uint8_t ttl) {
  outer->ip[outer->family == 4 ? 8 : 7] = ttl;
  fix_ip_checksum(outer);
}

/* The checksum over pseudo header and datagram; zero is sent as its other form (RFC 768). */
static unsigned udp_checksum(struct outer *outer) {
  const size_t udp_bytes = outer->payload_bytes + UDP_BYTES;
  const uint8_t *addresses = outer->family == 4 ? outer->ip + 12 : outer->ip + 8;
  uint32_t sum = PROTOCOL_UDP + (uint32_t)udp_bytes + sum_units(addresses, outer->family == 4 ? 8 : 32);
  store16(outer->udp + 6, 0);
  sum += sum_units(outer->udp, udp_bytes);
  const unsigned checksum = complement(sum);
  return checksum == 0 ? 0xffff : checksum;
}

void outer_fix_checksum(struct outer *outer) {
  if (load16(outer->udp + 6) != 0) store16(outer->udp + 6, udp_checksum(outer));
}

void outer_break_checksum(struct outer *outer) {
  const unsigned right = udp_checksum(outer);
  store16(outer->udp + 6, right == 1 ? 2 : right ^ 1);
}
