/* IPv4 for the BPF programs: routes, checksums, outer headers, next hops. Part of overlay.bpf.c. */
#ifndef WEFT_BPF_IPV4_H
#define WEFT_BPF_IPV4_H

#include "headers.h"

/* Longest prefix first, as in weft_routes_find. */
INLINE struct weft_bpf_route *find_route(const struct weft_bpf_config *config, __be32 address) {
#pragma unroll
  for (int at = 0; at < WEFT_BPF_PREFIX_LENGTHS; at++) {
    if (at >= config->lengths) return NULL;
    const struct weft_bpf_key key = {config->length[at].bits, address & config->length[at].mask};
    struct weft_bpf_route *route = map_lookup(MAP(WEFT_MAP_ROUTES), &key);
    if (!route && config->has_overflow) route = map_lookup(MAP(WEFT_MAP_OVERFLOW), &key);
    if (route) return route;
  }
  return NULL;
}

/*
 * RFC 1071, of a header without options: the checksum if the field is 0, or 0 if the field is
 * right.
 */
INLINE __u16 header_checksum(const struct ipv4 *ip) {
  const __u16 *units = (const __u16 *)ip;
  __u32 sum = 0;
#pragma unroll
  for (int at = 0; at < IPV4_BYTES / 2; at++) sum += units[at];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). TTL above 0. */
INLINE void decrement_ttl(struct ipv4 *ip) {
  const __u32 sum = (__u32)(__u16)~ip->checksum + (__u16)~htons(0x0100);
  ip->checksum = (__u16) ~(sum + (sum >> 16));
  ip->ttl--;
}

INLINE void write_outer(struct outer *outer, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                        __u32 total, __u8 tos) {
  outer->ip = (struct ipv4){.version_ihl = 0x45,
                            .tos = tos,
                            .total = htons(total),
                            .fragment = htons(DONT_FRAGMENT),
                            .ttl = TTL,
                            .protocol = PROTOCOL_UDP,
                            .source = config->local,
                            .destination = route->remote};
  outer->ip.checksum = header_checksum(&outer->ip);
  outer->udp = (struct udp){.source = config->port, .destination = route->port, .length = htons(total - IPV4_BYTES)};
}

INLINE void fill_hop(struct bpf_fib_lookup *hop, const struct weft_bpf_config *config,
                     const struct weft_bpf_route *route, __u8 tos) {
  hop->family = FAMILY_IPV4;
  hop->tos = tos;
  hop->ipv4_src = config->local;
  hop->ipv4_dst = route->remote;
}

INLINE bool is_tunnel_packet(const struct weft_bpf_config *config, const struct outer *outer, __u32 length) {
  return outer->ip.version_ihl == 0x45 && outer->ip.protocol == PROTOCOL_UDP &&
         outer->ip.destination == config->local && outer->udp.destination == config->port &&
         (outer->ip.fragment & ~htons(DONT_FRAGMENT)) == 0 && ntohs(outer->ip.total) == length &&
         ntohs(outer->udp.length) == length - IPV4_BYTES && header_checksum(&outer->ip) == 0;
}

#endif
