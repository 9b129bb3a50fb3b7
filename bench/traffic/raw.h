/*
 * IPv4 datagrams built here and sent straight to a device (packet(7)), so that the sending host's own work,
 * route and neighbour lookups, is no part of a metric.
 */
#ifndef WEFT_BENCH_RAW_H
#define WEFT_BENCH_RAW_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>

#include "traffic.h"

enum { RAW_SOURCE_PORT = 40000, RAW_TTL = 64 };

struct raw_header {
  struct iphdr ip;
  struct udphdr udp;
};

static inline int open_raw(void) {
  const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) give_up("socket");
  return fd;
}

/* `mac`: the station that frames are for, as aa:bb:cc:dd:ee:ff; NULL where the device has no link addresses. */
static inline struct sockaddr_ll raw_device(const char *name, const char *mac) {
  struct sockaddr_ll device = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex(name)};
  if (device.sll_ifindex == 0) give_up(name);
  if (mac == NULL) return device;
  unsigned char *to = device.sll_addr;
  errno = EINVAL;
  if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4, to + 5) != ETH_ALEN) give_up(mac);
  device.sll_halen = ETH_ALEN;
  return device;
}

/* RFC 1071. */
static inline uint16_t raw_checksum(const struct iphdr *ip) {
  uint16_t halfwords[sizeof(*ip) / 2];
  uint32_t sum = 0;
  memcpy(halfwords, ip, sizeof(*ip));
  for (size_t i = 0; i < sizeof(*ip) / 2; i++) sum += halfwords[i];
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~(sum + (sum >> 16));
}

/* Headers of a datagram of `bytes` payload, without a UDP checksum. */
static inline void fill_raw(struct raw_header *header, struct in_addr source, const struct sockaddr_in *to, size_t bytes) {
  const uint16_t udp_bytes = (uint16_t)(sizeof(header->udp) + bytes);
  *header = (struct raw_header){
      .ip = {.version = 4, .ihl = 5, .ttl = RAW_TTL, .protocol = IPPROTO_UDP, .frag_off = htons(0x4000)},
      .udp = {.source = htons(RAW_SOURCE_PORT), .dest = to->sin_port, .len = htons(udp_bytes)}};
  header->ip.tot_len = htons((uint16_t)(sizeof(header->ip) + udp_bytes));
  header->ip.saddr = source.s_addr;
  header->ip.daddr = to->sin_addr.s_addr;
  header->ip.check = raw_checksum(&header->ip);
}

#endif
