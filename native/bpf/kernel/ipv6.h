/* IPv6 for the BPF programs: routes, outer headers, next hops. Part of overlay.bpf.c. */
#ifndef WEFT_BPF_IPV6_H
#define WEFT_BPF_IPV6_H

#include "headers.h"

enum {
  VERSION_6 = 0x60000000,
  CLASS_SHIFT = 20, /* of the traffic class in the first word */
  FLOW_LABEL = 0xfffff,
};

INLINE __u8 traffic_class(const struct ipv6 *ip) {
  return (__u8)(ntohl(ip->version_class_label) >> CLASS_SHIFT);
}

INLINE bool is_same_address6(const __be32 *a, const __be32 *b) {
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* Longest prefix first, as find_route. */
INLINE struct weft_bpf_route *find_route6(const struct weft_bpf_config *config, const __be32 *address) {
  const __be32 wanted[4] = {address[0], address[1], address[2], address[3]};
#pragma unroll
  for (int at = 0; at < WEFT_BPF_PREFIX_LENGTHS; at++) {
    if (at >= config->lengths6) return NULL;
    const __be32 *mask = config->length6[at].mask;
    const struct weft_bpf_key6 key = {
        config->length6[at].bits, {wanted[0] & mask[0], wanted[1] & mask[1], wanted[2] & mask[2], wanted[3] & mask[3]}};
    struct weft_bpf_route *route = map_lookup(MAP(WEFT_MAP_ROUTES6), &key);
    if (!route && config->has_overflow6) route = map_lookup(MAP(WEFT_MAP_OVERFLOW6), &key);
    if (route) return route;
  }
  return NULL;
}

/*
 * The flow label is a hash of the inner flow, so that routers spread flows by it (RFC 6438). No
 * checksum: the peer accepts datagrams without (RFC 6935).
 */
INLINE void write_outer6(struct outer6 *outer, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                         __u32 total, __u8 tos, __u32 hash) {
  const __u32 bytes = total - IPV6_BYTES;
  outer->ip.version_class_label = htonl(VERSION_6 | (__u32)tos << CLASS_SHIFT | (hash & FLOW_LABEL));
  outer->ip.payload = htons(bytes);
  outer->ip.next = PROTOCOL_UDP;
  outer->ip.hop_limit = TTL;
  __builtin_memcpy(outer->ip.source, config->local6, sizeof(outer->ip.source));
  __builtin_memcpy(outer->ip.destination, route->remote6, sizeof(outer->ip.destination));
  outer->udp = (struct udp){.source = config->port, .destination = route->port, .length = htons(bytes)};
}

INLINE void fill_hop6(struct bpf_fib_lookup *hop, const struct weft_bpf_config *config,
                      const struct weft_bpf_route *route, __u8 tos) {
  hop->family = FAMILY_IPV6;
  hop->flowinfo = htonl((__u32)tos << CLASS_SHIFT);
  __builtin_memcpy(hop->ipv6_src, config->local6, sizeof(hop->ipv6_src));
  __builtin_memcpy(hop->ipv6_dst, route->remote6, sizeof(hop->ipv6_dst));
}

INLINE bool is_tunnel_packet6(const struct weft_bpf_config *config, const struct outer6 *outer, __u32 length) {
  return ntohl(outer->ip.version_class_label) >> 28 == 6 && outer->ip.next == PROTOCOL_UDP &&
         outer->udp.destination == config->port && is_same_address6(outer->ip.destination, config->local6) &&
         ntohs(outer->ip.payload) == length - IPV6_BYTES && ntohs(outer->udp.length) == length - IPV6_BYTES;
}

#endif
