/* Inner packets of the BPF programs: headers, size, counts. Part of overlay.bpf.c. */
#ifndef WEFT_BPF_INNER_H
#define WEFT_BPF_INNER_H

#include "headers.h"
#include "ipv6.h"

/* Fields of an inner packet. */
struct inner {
  bool is_ipv6;
  __u8 protocol, tos, ttl; /* for IPv6 the first next header, traffic class and hop limit */
  __u32 header, total;     /* bytes of the IP header, and of all */
};

/* False: neither IPv4 without options nor IPv6, or not all of the header before `end`. */
INLINE bool parse_inner(const void *data, const void *end, struct inner *inner) {
  const struct ipv4 *ip = data;
  const struct ipv6 *ip6 = data;
  if ((const void *)(ip + 1) > end) return false;
  if (ip->version_ihl == 0x45) {
    *inner = (struct inner){false, ip->protocol, ip->tos, ip->ttl, IPV4_BYTES, ntohs(ip->total)};
    return true;
  }
  if (ip->version_ihl >> 4 != 6 || (const void *)(ip6 + 1) > end) return false;
  *inner = (struct inner){true,           ip6->next,  traffic_class(ip6),
                          ip6->hop_limit, IPV6_BYTES, IPV6_BYTES + (__u32)ntohs(ip6->payload)};
  return true;
}

/* Bytes of the IP and transport headers that each segment of a super-packet has. */
INLINE __u32 header_bytes(struct __sk_buff *skb, __u32 offset, const struct inner *inner) {
  __u8 data_offset = 0;
  if (inner->protocol == PROTOCOL_UDP) return inner->header + UDP_BYTES;
  if (inner->protocol != PROTOCOL_TCP || skb_load(skb, offset + inner->header + 12, &data_offset, 1) < 0) return 0;
  return inner->header + (__u32)(data_offset >> 4) * 4;
}

/* The size of a packet or super-packet on the wire. */
struct amount {
  __u32 packets, bytes, longest;
};

/* Zero packets: a super-packet of an unknown type. */
INLINE struct amount measure(struct __sk_buff *skb, __u32 offset, const struct inner *inner) {
  const __u32 payload = skb->gso_size, total = inner->total;
  if (payload == 0) return (struct amount){1, total, total};
  const __u32 header = header_bytes(skb, offset, inner);
  if (header == 0 || total <= header) return (struct amount){0, 0, 0};
  const __u32 packets = (total - header + payload - 1) / payload;
  return (struct amount){packets, total + (packets - 1) * header, header + payload};
}

INLINE void count_tx(struct weft_bpf_counts *counts, const struct amount *amount) {
  __sync_fetch_and_add(&counts->tx_packets, amount->packets);
  __sync_fetch_and_add(&counts->tx_bytes, amount->bytes);
}

INLINE void count_rx(struct weft_bpf_counts *counts, const struct amount *amount) {
  __sync_fetch_and_add(&counts->rx_packets, amount->packets);
  __sync_fetch_and_add(&counts->rx_bytes, amount->bytes);
}

/* Of this CPU: nothing else adds to them while softirqs are off. */
INLINE void total_rx(struct weft_bpf_counts *totals, const struct amount *amount, bool is_decap) {
  if (!totals) return;
  totals->rx_packets += amount->packets;
  totals->rx_bytes += amount->bytes;
  if (is_decap) totals->decap_packets += amount->packets;
}

INLINE __be16 ether_type(const struct inner *inner) {
  return inner->is_ipv6 ? htons(TYPE_IPV6) : htons(TYPE_IPV4);
}

#endif
