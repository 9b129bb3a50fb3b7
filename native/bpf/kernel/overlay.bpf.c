/*
 * The BPF fast path: encapsulates and decapsulates plain packets in the kernel, without a copy to
 * userspace. Other packets pass to the workers, which implement all rules: packets without a route,
 * with options, too large, with an expired TTL, from a wrong sender, with congestion marks. The
 * programs reject nothing and send no ICMP errors.
 *
 *   tx   egress of the TUN device: header before the packet, then out by the route to the peer
 *   rx   ingress of the underlay interface: header away, then into the TUN device; TCP with a VXLAN
 *        header to the decapsulating device (bpf/decap.h)
 *   in   ingress of the decapsulating device: into the TUN device
 *
 * tx6 and rx6 are the same over an IPv6 underlay. All take IPv4 and IPv6 inside. Licensed under
 * Apache-2.0 or GPL-2.0-only. build.sh compiles it into program.h.
 */
#include "headers.h"
#include "ipv6.h"

INLINE const struct weft_bpf_config *read_config(void) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  return config && config->is_enabled ? config : NULL;
}

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

/* --- Inner packets --- */

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

/* --- To the underlay --- */

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

INLINE __be16 ether_type(const struct inner *inner) {
  return inner->is_ipv6 ? htons(TYPE_IPV6) : htons(TYPE_IPV4);
}

INLINE void write_vxlan(struct vxlan *vxlan, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                        __be16 type) {
  *vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->vni, .frame = {.type = type}};
  __builtin_memcpy(vxlan->frame.destination, route->mac, 6);
  __builtin_memcpy(vxlan->frame.source, config->mac, 6);
}

INLINE __u32 outer_bytes(bool is_over6) {
  return is_over6 ? sizeof(struct outer6) : sizeof(struct outer);
}

INLINE __u32 overhead_of(const struct weft_bpf_config *config, bool is_over6) {
  return outer_bytes(is_over6) + (config->is_vxlan ? sizeof(struct vxlan) : 0);
}

/* Makes room for the outer headers and writes them. Returns 0, DROP, or NEXT without a change. */
INLINE int encapsulate(struct __sk_buff *skb, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                       const struct inner *inner, __u8 tos, bool is_over6) {
  const __u64 network = is_over6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
  const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | network | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  const bool is_vxlan = config->is_vxlan;
  const __u64 vxlan_flags = flags | BPF_F_ADJ_ROOM_ENCAP_L2(ETHERNET_BYTES) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
  const __u32 overhead = overhead_of(config, is_over6), outer = outer_bytes(is_over6);
  const __u32 hash = is_over6 ? get_hash(skb) : 0;
  if (adjust_room(skb, (__s32)overhead, BPF_ADJ_ROOM_MAC, is_vxlan ? vxlan_flags : flags) < 0) return NEXT;
  void *data = (void *)(long)skb->data;
  void *end = (void *)(long)skb->data_end;
  /* The hop needs the inner IP header that follows. */
  if (data + outer + sizeof(struct ipv4) > end) return DROP;
  if (is_over6) write_outer6(data, config, route, inner->total + overhead, tos, hash);
  else write_outer(data, config, route, inner->total + overhead, tos);
  if (!is_vxlan) { /* encapsulation udp is a routing hop */
    if (inner->is_ipv6) ((struct ipv6 *)(data + outer))->hop_limit--;
    else decrement_ttl(data + outer);
    return 0;
  }
  if (data + outer + sizeof(struct vxlan) > end) return DROP;
  write_vxlan(data + outer, config, route, ether_type(inner));
  return 0;
}

/*
 * Finds the next hop to the peer in the host's FIB. False if a packet of `longest` bytes does not
 * fit or the next hop has no resolved neighbour: the workers then send it, as a packet queued for
 * resolution would leave by the route of the TUN device.
 */
INLINE bool find_next_hop(struct __sk_buff *skb, const struct weft_bpf_config *config,
                          const struct weft_bpf_route *route, __u32 longest, __u8 tos, struct bpf_fib_lookup *hop,
                          bool is_over6) {
  const __u32 overhead = overhead_of(config, is_over6);
  if (longest + overhead > route->mtu) return false;
  hop->l4_protocol = PROTOCOL_UDP;
  hop->sport = config->port;
  hop->dport = route->port;
  hop->ifindex = skb->ifindex;
  if (is_over6) fill_hop6(hop, config, route, tos);
  else {
    hop->family = FAMILY_IPV4;
    hop->tos = tos;
    hop->ipv4_src = config->local;
    hop->ipv4_dst = route->remote;
  }
  /* The next hop of an IPv4 route can be IPv6 (RFC 8950). */
  const __u8 family = is_over6 ? FAMILY_IPV6 : FAMILY_IPV4;
  if (fib_lookup(skb, hop, sizeof(*hop), 0) != BPF_FIB_LKUP_RET_SUCCESS || hop->family != family) return false;
  /*
   * Without tot_len the result has the MTU of the interface (Linux 5.12), else a path MTU that any
   * host can forge by ICMP.
   */
  return longest + overhead <= hop->mtu_result;
}

INLINE int send_to_hop(const struct bpf_fib_lookup *hop, bool is_over6) {
  struct bpf_redir_neigh neighbour = {}; /* zeroed to its last byte: otherwise loading needs CAP_PERFMON */
  neighbour.nh_family = is_over6 ? FAMILY_IPV6 : FAMILY_IPV4;
  if (is_over6) __builtin_memcpy(neighbour.ipv6_nh, hop->ipv6_dst, sizeof(neighbour.ipv6_nh));
  else neighbour.ipv4_nh = hop->ipv4_dst;
  return (int)redirect_neigh(hop->ifindex, &neighbour, sizeof(neighbour), 0);
}

INLINE int run_tx(struct __sk_buff *skb, bool is_over6) {
  const struct weft_bpf_config *config = read_config();
  const void *ip = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct inner inner;
  if (!config || !parse_inner(ip, end, &inner)) return NEXT;
  /* With room for the outer headers in a 64 KiB datagram. */
  if (inner.total != skb->len || inner.total > 65535 - outer_bytes(is_over6) - sizeof(struct vxlan)) return NEXT;
  if (!config->is_vxlan && inner.ttl <= 1) return NEXT;
  const __u8 tos = config->inherits_dscp ? inner.tos : inner.tos & ECN_MASK;
  struct weft_bpf_route *route = NULL;
  if (!inner.is_ipv6) route = find_route(config, ((const struct ipv4 *)ip)->destination);
  else if (ip + IPV6_BYTES <= end) /* which the verifier does not know */
    route = find_route6(config, ((const struct ipv6 *)ip)->destination);
  if (!route || route->needs_workers) return NEXT;
  const struct amount amount = measure(skb, 0, &inner);
  struct bpf_fib_lookup hop = {};
  if (amount.packets == 0 || !find_next_hop(skb, config, route, amount.longest, tos, &hop, is_over6)) return NEXT;
  const int action = encapsulate(skb, config, route, &inner, tos, is_over6);
  if (action != 0) return action;
  /* redirect_neigh removes an Ethernet header, which packets of a TUN device lack. */
  if (change_head(skb, ETHERNET_BYTES, 0) < 0) return DROP;
  count_tx(&route->counts, &amount);
  const __u32 first = 0;
  struct weft_bpf_counts *totals = map_lookup(MAP(WEFT_MAP_TOTALS), &first);
  if (totals) count_tx(totals, &amount);
  return send_to_hop(&hop, is_over6);
}

SECTION("tx") int weft_bpf_tx(struct __sk_buff *skb) {
  return run_tx(skb, false);
}

SECTION("tx6") int weft_bpf_tx6(struct __sk_buff *skb) {
  return run_tx(skb, true);
}

/* --- From the underlay --- */

/* RFC 6040, figure 4: whether the inner ECN field stays unchanged. */
INLINE bool keeps_ecn(__u8 inner, __u8 outer) {
  inner &= ECN_MASK;
  outer &= ECN_MASK;
  return inner == ECN_CE || (outer != ECN_CE && !(inner == ECN_ECT0 && outer == ECN_ECT1));
}

INLINE bool is_tunnel_packet(const struct weft_bpf_config *config, const struct outer *outer, __u32 length) {
  return outer->ip.version_ihl == 0x45 && outer->ip.protocol == PROTOCOL_UDP &&
         outer->ip.destination == config->local && outer->udp.destination == config->port &&
         (outer->ip.fragment & ~htons(DONT_FRAGMENT)) == 0 && ntohs(outer->ip.total) == length &&
         ntohs(outer->udp.length) == length - IPV4_BYTES && header_checksum(&outer->ip) == 0;
}

INLINE bool is_own_frame(const struct weft_bpf_config *config, const struct vxlan *vxlan, __be16 type) {
  if (!(vxlan->flags & VXLAN_FLAGS) || (vxlan->vni ^ config->vni) & __builtin_bswap32(0xffffff00)) return false;
  if (vxlan->frame.type != type) return false;
  return *(const __u32 *)vxlan->frame.destination == *(const __u32 *)config->mac &&
         *(const __u16 *)(vxlan->frame.destination + 4) == *(const __u16 *)(config->mac + 4);
}

/* --- Through the decapsulating device --- */

struct decap_headers {
  struct outer outer;
  struct vxlan vxlan;
} HEADER;

struct decap_headers6 {
  struct outer6 outer;
  struct vxlan vxlan;
} HEADER;

INLINE void write_decap_frame(struct vxlan *vxlan, const struct weft_bpf_config *config, __be16 type) {
  *vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->decap_vni, .frame = {.type = type}};
  __builtin_memcpy(vxlan->frame.destination, config->decap_mac, 6);
  __builtin_memcpy(vxlan->frame.source, config->decap_source, 6);
}

/* The outer headers for the device. The port stays: the host's firewall sees the packet. */
INLINE void write_decap(struct decap_headers *headers, __u32 total) {
  headers->outer.ip.total = htons(total + sizeof(*headers));
  headers->outer.ip.checksum = 0;
  headers->outer.ip.checksum = header_checksum(&headers->outer.ip);
  headers->outer.udp.length = htons(total + sizeof(*headers) - IPV4_BYTES);
  headers->outer.udp.checksum = 0;
}

INLINE void write_decap6(struct decap_headers6 *headers, __u32 total) {
  headers->outer.ip.payload = htons(total + sizeof(*headers) - IPV6_BYTES);
  headers->outer.udp.length = headers->outer.ip.payload;
  headers->outer.udp.checksum = 0;
}

INLINE struct bpf_sock *find_decap_socket(struct __sk_buff *skb, const struct weft_bpf_config *config, bool is_over6) {
  struct bpf_sock_tuple tuple = {};
  if (is_over6) {
    __builtin_memcpy(tuple.ipv6.daddr, config->local6, sizeof(tuple.ipv6.daddr));
    tuple.ipv6.dport = config->decap_port;
    return lookup_udp(skb, &tuple, sizeof(tuple.ipv6), (__u64)BPF_F_CURRENT_NETNS, 0);
  }
  tuple.ipv4.daddr = config->local;
  tuple.ipv4.dport = config->decap_port;
  return lookup_udp(skb, &tuple, sizeof(tuple.ipv4), (__u64)BPF_F_CURRENT_NETNS, 0);
}

/* Makes room for the headers, writes them and assigns the packet. Takes over the socket. */
INLINE int send_to_decap(struct __sk_buff *skb, const void *headers, __u32 bytes, __s32 room, struct bpf_sock *socket) {
  int action = DROP;
  if (room != 0 && adjust_room(skb, room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0) action = NEXT;
  else if (skb_store(skb, ETHERNET_BYTES, headers, bytes, BPF_F_RECOMPUTE_CSUM) == 0 && assign(skb, socket, 0) == 0)
    action = 0;
  release(socket);
  return action;
}

INLINE int decapsulate_by_device(struct __sk_buff *skb, const struct weft_bpf_config *config, const struct outer *outer,
                                 const struct inner *inner, struct bpf_sock *socket) {
  struct decap_headers headers = {.outer = *outer};
  write_decap(&headers, inner->total);
  write_decap_frame(&headers.vxlan, config, ether_type(inner));
  return send_to_decap(skb, &headers, sizeof(headers), (__s32)(sizeof(headers) - overhead_of(config, false)), socket);
}

INLINE int decapsulate_by_device6(struct __sk_buff *skb, const struct weft_bpf_config *config,
                                  const struct outer6 *outer, const struct inner *inner, struct bpf_sock *socket) {
  struct decap_headers6 headers = {.outer = *outer};
  write_decap6(&headers, inner->total);
  write_decap_frame(&headers.vxlan, config, ether_type(inner));
  return send_to_decap(skb, &headers, sizeof(headers), (__s32)(sizeof(headers) - overhead_of(config, true)), socket);
}

SECTION("in") int weft_bpf_in(struct __sk_buff *skb) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  const struct ethernet *frame = (void *)(long)skb->data;
  if (!config || (void *)(frame + 1) > (void *)(long)skb->data_end || skb->pkt_type != PACKET_HOST) return DROP;
  if (*(const __u32 *)frame->source != *(const __u32 *)config->decap_source ||
      *(const __u16 *)(frame->source + 4) != *(const __u16 *)(config->decap_source + 4))
    return DROP;
  return (int)redirect(config->tun_index, BPF_F_INGRESS);
}

/* A filter stays when its process dies, and would take the packets of whatever receives next. */
INLINE bool has_tun(struct __sk_buff *skb, const struct weft_bpf_config *config) {
  __u32 mtu = 0;
  return !config->outlives_process || check_mtu(skb, config->tun_index, &mtu, 0, 0) != -ENODEV;
}

INLINE bool is_from_peer(const void *outer, const struct weft_bpf_route *route, bool is_over6) {
  return is_over6 ? is_same_address6(((const struct outer6 *)outer)->ip.source, route->remote6)
                  : ((const struct outer *)outer)->ip.source == route->remote;
}

/* Whether the outer headers are those of a datagram for the port of this host. */
INLINE bool has_tunnel_headers(const struct weft_bpf_config *config, const void *outer, __u32 length, bool is_over6) {
  return is_over6 ? is_tunnel_packet6(config, outer, length) : is_tunnel_packet(config, outer, length);
}

INLINE int run_rx(struct __sk_buff *skb, bool is_over6) {
  const __u32 length = skb->len - ETHERNET_BYTES, headers = outer_bytes(is_over6);
  const __be16 type = is_over6 ? htons(TYPE_IPV6) : htons(TYPE_IPV4);
  if (skb->protocol != type || skb->pkt_type != PACKET_HOST || skb->vlan_present) return NEXT;
  const struct weft_bpf_config *config = read_config();
  const void *outer = (void *)(long)skb->data + ETHERNET_BYTES;
  if (!config || outer + headers > (void *)(long)skb->data_end ||
      !has_tunnel_headers(config, outer, length, is_over6) || !has_tun(skb, config))
    return NEXT;
  const bool is_vxlan = config->is_vxlan;
  const __u32 overhead = overhead_of(config, is_over6);
  const __u32 wanted = ETHERNET_BYTES + overhead + (length < overhead + IPV6_BYTES ? IPV4_BYTES : IPV6_BYTES);
  if (length < overhead + IPV4_BYTES) return NEXT;
  if ((void *)(long)skb->data + wanted > (void *)(long)skb->data_end && skb_pull(skb, wanted) < 0) return NEXT;
  outer = (void *)(long)skb->data + ETHERNET_BYTES;
  const void *end = (void *)(long)skb->data_end;
  const struct vxlan *vxlan = outer + headers;
  const void *ip = is_vxlan ? (const void *)(vxlan + 1) : (const void *)vxlan;
  struct inner inner;
  if (outer + headers > end || !parse_inner(ip, end, &inner)) return NEXT;
  if (is_vxlan && ((const void *)(vxlan + 1) > end || !is_own_frame(config, vxlan, ether_type(&inner)))) return NEXT;
  const struct udp *udp = outer + headers - UDP_BYTES;
  /*
   * UDP GRO joins datagrams with checksums for the socket of a worker. A single one must not
   * overtake those.
   */
  if (udp->checksum != 0) return NEXT;
  /* Linux keeps the tunnel mark of a UDP super-packet and drops it on segmentation (as of 6.18). */
  if (skb->gso_size != 0 && inner.protocol == PROTOCOL_UDP) return NEXT;
  if (inner.total != length - overhead) return NEXT;
  const __u8 tos = is_over6 ? traffic_class(outer) : ((const struct outer *)outer)->ip.tos;
  if (!keeps_ecn(inner.tos, tos)) return NEXT;
  struct weft_bpf_route *route = NULL;
  if (!inner.is_ipv6) route = find_route(config, ((const struct ipv4 *)ip)->source);
  else if (ip + IPV6_BYTES <= end) /* as above */ route = find_route6(config, ((const struct ipv6 *)ip)->source);
  if (!route || !is_from_peer(outer, route, is_over6)) return NEXT;
  const struct amount amount = measure(skb, ETHERNET_BYTES + overhead, &inner);
  if (amount.packets == 0) return NEXT;
  const __u32 first = 0;
  struct weft_bpf_counts *totals = map_lookup(MAP(WEFT_MAP_TOTALS), &first);
  struct bpf_sock *socket = NULL;
  /* All packets of a flow take the same queue. */
  if (config->has_decap && inner.protocol == PROTOCOL_TCP && inner.total <= 65535 - headers - sizeof(struct vxlan))
    socket = find_decap_socket(skb, config, is_over6);
  if (socket) {
    const int action = is_over6 ? decapsulate_by_device6(skb, config, outer, &inner, socket)
                                : decapsulate_by_device(skb, config, outer, &inner, socket);
    if (action != 0) return action;
    count_rx(&route->counts, &amount);
    total_rx(totals, &amount, true);
    return NEXT;
  }
  const __u64 left = inner.is_ipv6 == is_over6 ? 0 : is_over6 ? LEAVES_IPV4 : LEAVES_IPV6;
  if (adjust_room(skb, -(__s32)overhead, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | left) < 0) return NEXT;
  count_rx(&route->counts, &amount);
  total_rx(totals, &amount, false);
  return (int)redirect(config->tun_index, BPF_F_INGRESS);
}

SECTION("rx") int weft_bpf_rx(struct __sk_buff *skb) {
  return run_rx(skb, false);
}

SECTION("rx6") int weft_bpf_rx6(struct __sk_buff *skb) {
  return run_rx(skb, true);
}
