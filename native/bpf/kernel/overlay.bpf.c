/*
 * The BPF fast path: encapsulates and decapsulates plain packets in the kernel, without a copy to
 * userspace. Other packets pass to the workers, which implement all rules: packets without a route,
 * with options, too large, with an expired TTL, from a wrong sender, with congestion marks. The
 * programs reject nothing and send no ICMP errors.
 *
 *   tx   egress of the TUN device: header before the packet, then out by the route to the peer
 *   rx   ingress of the underlay interface: header away, then into the TUN device; TCP into the
 *        joining pair (bpf/join.h), or with a VXLAN header to the decapsulating device
 *        (bpf/decap.h)
 *   in   ingress of both: into the TUN device
 *
 * tx6 and rx6 are the same over an IPv6 underlay. All take IPv4 and IPv6 inside. Licensed under
 * Apache-2.0 or GPL-2.0-only. build.sh compiles it into program.h.
 */
#include "decap-frame.h"
#include "headers.h"
#include "inner.h"
#include "join.h"
#include "outer.h"

INLINE const struct weft_bpf_config *read_config(void) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  return config && config->is_enabled ? config : NULL;
}

/* --- To the underlay --- */

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
  else fill_hop(hop, config, route, tos);
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

/* A filter stays when its process dies, and would take the packets of whatever receives next. */
INLINE bool has_tun(struct __sk_buff *skb, const struct weft_bpf_config *config) {
  __u32 mtu = 0;
  return !config->outlives_process || check_mtu(skb, config->tun_index, &mtu, 0, 0) != -ENODEV;
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
  const bool is_tcp = inner.protocol == PROTOCOL_TCP, is_joined = is_tcp && takes_pair(skb, config, route);
  struct bpf_sock *socket = NULL;
  if (is_tcp && !is_joined && config->has_decap && inner.total <= 65535 - headers - sizeof(struct vxlan))
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
  total_rx(totals, &amount, is_joined);
  return is_joined ? send_to_pair(skb, config, &inner) : (int)redirect(config->tun_index, BPF_F_INGRESS);
}

SECTION("rx") int weft_bpf_rx(struct __sk_buff *skb) {
  return run_rx(skb, false);
}

SECTION("rx6") int weft_bpf_rx6(struct __sk_buff *skb) {
  return run_rx(skb, true);
}

/* --- From the joining pair and the decapsulating device --- */

SECTION("in") int weft_bpf_in(struct __sk_buff *skb) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  const struct ethernet *frame = (void *)(long)skb->data;
  if (!config || (void *)(frame + 1) > (void *)(long)skb->data_end || skb->pkt_type != PACKET_HOST) return DROP;
  if (*(const __u32 *)frame->source != *(const __u32 *)config->frame_source ||
      *(const __u16 *)(frame->source + 4) != *(const __u16 *)(config->frame_source + 4))
    return DROP;
  return (int)redirect(config->tun_index, BPF_F_INGRESS);
}
